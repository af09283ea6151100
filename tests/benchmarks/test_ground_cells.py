"""The comparison of sizes of cells runs, made small."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from locoenvs.benchmarks import ground_cells as module
from locoenvs.benchmarks import ground_contact
from locoenvs.evidence.panel import Panel, load_panel
from locoenvs.tasks.entries import TileShare
from locoenvs.tasks.task import Task


def small(task: Task) -> Task:
    """With stairs of two levels, a short border and short episodes."""
    terrain = dataclasses.replace(task.terrain, levels=2, columns=1, border=2.0, shares=(TileShare("stairs_up", 1.0),))
    timing = dataclasses.replace(task.timing, episode_length=0.2)
    return dataclasses.replace(task, terrain=terrain, timing=timing)


def small_panel(name: str) -> Panel:
    panel = load_panel(name)
    return dataclasses.replace(panel, task=small(panel.task))


def test_each_size_of_cell_is_measured_and_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    task_of = module.task_of
    for each in (module, ground_contact):
        monkeypatch.setattr(each, "task_of", lambda *args, **kwargs: small(task_of(*args, **kwargs)))
    monkeypatch.setattr(module, "load_panel", small_panel)
    out = tmp_path / "result.json"
    module.ground_cells(robots=4, steps=1, repeats=2, settle=4, threads=1, panel=True, panel_robots=4, out=out)
    coarse, fine = json.loads(out.read_text())["cells"].values()
    assert (coarse["riser_degrees"], coarse["flat_tread_m"]) == (63.4, 0.2)
    assert (fine["riser_degrees"], fine["flat_tread_m"]) == (76.0, 0.25)
    assert fine["heights_million"] > 3 * coarse["heights_million"]
    assert coarse["physics_time_ratio"] == coarse["environment_time_ratio"] == 1 < fine["control_steps_per_second"]
    for each in (coarse, fine):
        assert each["crossing"]["robots"] == 4
        assert set(each["crossing"]["success"]) == {"all", "stairs_up", "stairs_up 0", "stairs_up 1"}
    kept = tmp_path / "result" / "crossing-0.05.json"
    written = kept.read_text()
    assert module._crossing(0.05, 1, 4, kept).to_json() == written == kept.read_text()
    assert module._crossing(0.05, 1, 5, kept).num_robots == 5 and kept.read_text() != written
