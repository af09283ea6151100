"""Which random streams and maps a run trains on, and which ones it is judged by: what must have nothing in common."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from locoenvs.evidence.audit import Finding
from locoenvs.evidence.panel import PANELS, Panel, load_panel, panel_of
from locoenvs.numerics import rng
from locoenvs.tasks.task import Task

Stream = dict[str, Any]


def streams(task: Task, seed: int, judged_by: Iterable[Panel]) -> dict[str, list[Stream]]:
    """Lists of the seeds of "train", "validation" and "held_out": split, seed, the terrain's seed (None on a plane), and the panel with its hash.

    That they are apart is checked when a run begins, by :func:`check_apart`.
    """
    found: dict[str, list[Stream]] = {"train": [_stream(task, "train", seed)], "validation": [], "held_out": []}
    for panel in judged_by:
        found["held_out" if panel.split == "panel" else "validation"].append(_of_panel(panel))
    return found


def check_apart(task: Task, seed: int, num_envs: int | None, judged_by: Iterable[Panel] = ()) -> None:
    """Raise ValueError for a training whose map, or a robot's random stream, is also that of a panel of the suite or of ``judged_by``.

    Streams are told apart by a hash of 32 bits (:mod:`locoenvs.numerics.rng`): of 4096 robots some have the stream of a panel's robot
    for about one seed in eight thousand. Without ``num_envs`` only maps are looked at.
    """
    judges = [*_suite(), *map(_of_panel, judged_by)]
    for said in _touched(_stream(task, "train", seed), num_envs, task.seed_families, judges):
        raise ValueError(said)


def audit_streams(by_use: Mapping[str, list[Stream]], num_envs: int | None, families: int) -> list[Finding]:
    """Whether what a recipe says of its streams is apart, and whether every seed family has a robot."""
    judges = [each for name in ("validation", "held_out") for each in by_use.get(name, ())]
    touched = [said for train in by_use.get("train", ()) for said in _touched(train, num_envs, families, judges)]
    findings = [Finding("judged on maps and streams of their own", not touched, "; ".join(touched) or "all of them")]
    if num_envs is not None:
        used = min(num_envs, families)
        said = f"{used} of {families} have one"
        findings.append(Finding("seed families have robots", used == families, said))
    return findings


def same_map(task: Task, panel: Panel) -> bool:
    """Whether a panel's map has the seed of the one that a policy of ``task`` was trained on."""
    own = _stream(task, "train", 0)["terrain_seed"]
    return own is not None and own == _of_panel(panel)["terrain_seed"]


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


def _stream(task: Task, split: str, seed: int) -> Stream:
    tiles = task.terrain.kind == "tiles"
    return {"split": split, "seed": seed, "terrain_seed": task.terrain.seed if tiles else None}


def _of_panel(panel: Panel) -> Stream:
    whose = {"panel": panel.name, "panel_hash": panel.hash, "num_robots": panel.num_robots}
    whose |= {"seed_families": panel.task.seed_families}
    return _stream(panel.task, panel.split, panel.seed) | whose


@functools.cache
def _suite() -> tuple[Stream, ...]:
    """The streams of the suite's panels. Those for other robots have the same seeds."""
    return tuple(_of_panel(load_panel(name)) for name in PANELS)


def _touched(train: Stream, num_envs: int | None, families: int, judges: Iterable[Stream]) -> Iterator[str]:
    """What a training has in common with what judges it, and what to do about it."""
    seed, keys = train["seed"], None if num_envs is None else _keys(train, num_envs, families)
    for each in judges:
        theirs = each.get("seed_families", families)
        if (own := train["terrain_seed"]) is not None and own == each["terrain_seed"]:
            yield f"terrain.seed={own}: the map of panel {each['panel']} has it: take another, which it is not trained on"
        if keys is not None and (met := int(np.isin(keys, _keys(each, each["num_robots"], theirs)).sum())):
            robots = f"{met} of {len(keys)} robots"
            yield f"seed={seed}: {robots} would train on streams of panel {each['panel']}: take another seed"


def _keys(stream: Stream, robots: int, families: int) -> np.ndarray:
    """The streams of so many robots, (robots,) int32."""
    return rng.robot_key(stream["seed"], rng.SPLITS[stream["split"]], np.arange(robots, dtype=np.int32), families)
