"""The parts of an update against the number of robots: what is told of a ledger, drawn, and measured by other processes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("rsl_rl")

from locoenvs.benchmarks.pipeline import PARTS, found, picture, pipeline
from locoenvs.training.run import Run


def test_the_first_update_does_not_count_and_memory_is_the_most(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run")
    for seconds, memory in ((9.0, 300.0), (1.0, 500.0), (2.0, 400.0), (4.0, 400.0)):
        run.record("update", seconds=dict.fromkeys(PARTS, seconds), memory_mb=memory, device_memory_mb=None)
    assert found(run) == dict.fromkeys(PARTS, 2.0) | {"memory_mb": 500.0}


def test_it_measures_in_processes_of_their_own_and_draws(tmp_path: Path) -> None:
    out, plots = tmp_path / "pipeline.json", tmp_path / "pipeline.png"
    pipeline((4,), ("flat",), 2, out=out, plots=plots)
    told = json.loads(out.read_text())["results"]["flat"]["4"]
    assert all(told[part] > 0 for part in PARTS) and told["memory_mb"] > 100
    assert plots.stat().st_size > 10_000


def test_both_grounds_are_drawn_of_any_numbers(tmp_path: Path) -> None:
    one = dict.fromkeys(PARTS, 1.0) | {"memory_mb": 500.0, "device_memory_mb": 100.0}
    picture({ground: {"64": one, "4096": one} for ground in ("flat", "rough")}, tmp_path / "plots.png")
    assert (tmp_path / "plots.png").stat().st_size > 10_000


def test_what_cannot_be_measured_is_told() -> None:
    with pytest.raises(ValueError, match="updates=1: the first one compiles and does not count, ask for at least 2"):
        pipeline(updates=1)
    with pytest.raises(ValueError, match="grounds='steep': must be among flat, rough"):
        pipeline(grounds=("flat", "steep"))
