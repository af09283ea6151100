"""Which random streams and maps a run trains on, and which ones it is judged by: what must have nothing in common."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from typing import Any

from locoenvs.evidence.panel import Panel, panel_of
from locoenvs.tasks.task import Task


def streams(task: Task, seed: int, judged_by: Iterable[Panel]) -> dict[str, list[dict[str, Any]]]:
    """Lists of the seeds of "train", "validation" and "held_out": split, seed, the terrain's seed (None on a plane), and the panel with its hash.

    Streams of different splits never overlap, whatever their seeds (:mod:`locoenvs.numerics.rng`); maps differ by their seeds.
    """
    found: dict[str, list[dict[str, Any]]] = {"train": [_stream(task, "train", seed)], "validation": [], "held_out": []}
    for panel in judged_by:
        whose = {"panel": panel.name, "panel_hash": panel.hash, "num_robots": panel.num_robots}
        found["held_out" if panel.split == "panel" else "validation"].append(
            _stream(panel.task, panel.split, panel.seed) | whose
        )
    return found


def panels_for(task: Task) -> tuple[str, ...]:
    """The panels that a policy of a task is judged on at the end of its training, unless others are named."""
    return ("flat",) if task.terrain.kind == "plane" else ("rough", "crossing")


def held_out(task: Task, names: Sequence[str] | None = None) -> list[Panel]:
    """Those panels, or those of ``names``, of which "none" is none; without those that there are not for the task."""
    found = list[Panel]()
    for name in panels_for(task) if names is None else names:
        with contextlib.suppress(ValueError):
            found += [] if name == "none" else [panel_of(task, name)]
    return found


def _stream(task: Task, split: str, seed: int) -> dict[str, Any]:
    tiles = task.terrain.kind == "tiles"
    return {"split": split, "seed": seed, "terrain_seed": task.terrain.seed if tiles else None}
