"""What goes between processes is counted, and what waits is told from what is sent."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("rsl_rl")
if not hasattr(os, "fork"):
    pytest.skip("processes are forked here, which this system cannot", allow_module_level=True)

from locoenvs.benchmarks.scaling import FLAT, measurements, table, work
from locoenvs.training.run import Run
from together import said, together


def test_two_processes_tell_what_they_send(tmp_path: Path) -> None:
    codes = together(2, lambda _: work(tmp_path, FLAT, "rsl_rl", 4, 2), tmp_path / "log")
    assert codes == [0, 0], said(tmp_path / "log")
    told = measurements(tmp_path, 2, 2)
    recipe = Run(tmp_path / "run").recipe()
    steps = recipe["geometry"]["per_update"]["gradient_steps"]
    assert told["collectives"] > 2 * steps  # the KL and the gradient of each
    assert told["bytes"] > 4 * steps * 10_000 and told["transfer"] > 0 and told["wait"] >= 0
    assert "waiting" in str([column.header for column in table({"2": told}).columns])


def test_who_comes_last_waits_for_nobody(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run")
    for _ in range(2):
        run.record(
            "update", seconds=dict.fromkeys(("environment", "inference", "learning"), 1.0), samples_per_second=10.0
        )
    for rank, seconds in enumerate(([0.5, 0.1], [0.1, 0.3])):
        (tmp_path / f"{rank}.json").write_text(json.dumps([[each, 400] for each in seconds]))
    told = measurements(tmp_path, 2, 1)
    assert told["transfer"] == pytest.approx(0.2) and told["wait"] == pytest.approx(0.4)
    assert (told["collectives"], told["bytes"]) == (2, 800)
