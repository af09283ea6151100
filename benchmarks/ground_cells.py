"""Uneven ground on cells of several sizes: what a map takes, how fast robots walk on it, and how well.

A riser of stairs is one cell wide, so smaller cells make it steeper. Robots walk with this project's own contact in native
MuJoCo, on all cells in turns in one run: what counts are the ratios. With ``--panel`` the shipped rough policy is also judged on
the panel ``crossing`` on ground of each size of cell; its evaluations lie in a folder beside the result, and those that are
there already are not done again.

::

    python -m locoenvs.benchmarks.ground_cells --panel --out benchmarks/results/ground_cells.json
"""

from __future__ import annotations

import dataclasses
import math
import statistics
import time
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console
from rich.table import Table

from locoenvs.backends.mujoco.model import compile_model
from locoenvs.benchmarks import reports
from locoenvs.benchmarks.ground_contact import Case, ratio, with_cell
from locoenvs.envs.registration import task as task_of
from locoenvs.evidence.evaluate import Estimate, Result, evaluate
from locoenvs.evidence.panel import load_panel
from locoenvs.machine import measured_by
from locoenvs.mdp.terrain import map_of
from locoenvs.policies.policy import POLICIES, load_policy
from locoenvs.tasks.documents import write_atomically
from locoenvs.tasks.task import Task

ROUGH = "Loco/AnymalC-Rough-v0"


def ground_cells(
    cells: tuple[float, ...] = (0.1, 0.05),
    robots: int = 512,
    steps: int = 8,
    repeats: int = 7,
    settle: int = 60,
    threads: int = 0,
    panel: bool = False,
    panel_robots: int | None = None,
    out: Path | None = None,
) -> dict[str, Any]:
    """Measure all sizes of cells.

    Args:
        cells: Distances of the ground's heights, m; ratios are to the first.
        robots: Number of robots that are timed.
        steps: Control steps of a turn.
        repeats: Turns of each.
        settle: Control steps before anything is measured.
        threads: Threads of the simulator; 0 for one a core.
        panel: Also judge the shipped rough policy.
        panel_robots: Robots of the panel; None for all of its own.
        out: File for the result, as JSON.
    """
    by_cell: dict[str, dict[str, Any]] = {
        f"{cell:g}": _map(with_cell(task_of(ROUGH, actuator="pd"), cell)) for cell in cells
    }
    cases = {name: Case.of("triangles", robots, threads, float(name)) for name in by_cell}
    for case in cases.values():
        case.walk(settle)
    for _ in range(repeats):
        for case in cases.values():
            case.turn(steps)
    first = cases[f"{cells[0]:g}"]
    for name, case in cases.items():
        by_cell[name] |= {
            "physics_step_us": round(1e6 * statistics.median(case.physics), 2),
            "control_steps_per_second": round(1 / statistics.median(case.step)),
            "contacts": round(statistics.mean(case.contacts), 2),
            "physics_time_ratio": ratio(case.physics, first.physics),
            "environment_time_ratio": ratio(case.step, first.step),
        }
        case.env.close()
    if panel:
        for name in by_cell:
            kept = None if out is None else out.with_suffix("") / f"crossing-{name}.json"
            by_cell[name]["crossing"] = _success(_crossing(float(name), threads, panel_robots, kept))
    result = {
        **measured_by("ground_cells", "locoenvs", "mujoco", "numba", "numpy"),
        "robots": robots,
        "cells": by_cell,
    }
    for table in _tables(by_cell):
        Console().print(table)
    if out is not None:
        reports.write(out, result)
    return result


def _map(task: Task) -> dict[str, Any]:
    """The hardest riser's angle, how many heights the map has, and the processor's seconds to build and compile it."""
    begin = time.process_time()
    height_map = map_of(task)
    built = time.process_time()
    compile_model(task, height_map, contact="triangles")
    stairs: Any = next(share.parameters for share in task.terrain.shares if share.kind == "stairs_up")
    return {
        "riser_degrees": round(math.degrees(math.atan(stairs["riser"][1] / task.terrain.cell)), 1),
        "flat_tread_m": round(stairs["tread"] - task.terrain.cell, 3),
        "heights_million": round(height_map.heights.size / 1e6, 2),
        "build_seconds": round(built - begin, 2),
        "compile_seconds": round(time.process_time() - built, 2),
    }


def _crossing(cell: float, threads: int, robots: int | None, kept: Path | None) -> Result:
    """How the shipped rough policy does on the panel, from the file ``kept`` if that is what it holds; else it is written there."""
    panel, policy = load_panel("crossing"), load_policy(POLICIES / "anymal_c_rough")
    panel = dataclasses.replace(
        panel,
        name=f"{panel.name}-cell-{cell:g}",
        task=with_cell(panel.task, cell),
        num_robots=panel.num_robots if robots is None else robots,
    )
    if kept is not None and kept.exists():
        judged = Result.from_json(kept.read_bytes(), str(kept))
        if (judged.panel_hash, judged.policy_sha256) == (panel.hash, policy.sha256):
            return judged
    judged = evaluate(policy, panel, backend="mujoco", options={"threads": threads, "contact": "triangles"})
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(kept, lambda file: file.write(judged.to_json(robots=False).encode()))
    return judged


def _success(judged: Result) -> dict[str, Any]:
    """Of all robots and of those on each kind and level of ground, %: mean and ends of its interval."""
    shares = {"all": judged.metrics, **judged.strata["terrain"], **judged.strata["terrain_and_level"]}
    success = {label: _per_cent(metrics["success_rate"]) for label, metrics in shares.items()}
    return {"robots": judged.num_robots, "success": success}


def _per_cent(share: Estimate) -> list[float | None]:
    """Mean and ends of its interval, %."""
    return [None if value is None else round(100 * value, 1) for value in (share.value, share.low, share.high)]


def _tables(by_cell: dict[str, dict[str, Any]]) -> list[Table]:
    """A column for each size of cell."""
    measured = Table("cells of, m", *by_cell)
    for key in next(iter(by_cell.values())):
        if key != "crossing":
            measured.add_row(key.replace("_", " "), *(str(values[key]) for values in by_cell.values()))
    judged = {name: values["crossing"]["success"] for name, values in by_cell.items() if "crossing" in values}
    if not judged:
        return [measured]
    success = Table("success on crossing, %", *judged)
    for label in next(iter(judged.values())):
        success.add_row(label, *("{} ({} to {})".format(*each[label]) for each in judged.values()))
    return [measured, success]


if __name__ == "__main__":
    tyro.cli(ground_cells)
