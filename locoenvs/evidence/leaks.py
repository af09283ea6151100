"""What a policy sees that it should not know: each slot of an observation is computed again after one hidden thing was changed.

Everything that a robot senses stays as it was: a slot whose numbers change all the same reads what was changed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import array_api_compat.numpy as xp
import numpy as np

from locoenvs.evidence.audit import Finding
from locoenvs.mdp import dry
from locoenvs.mdp.mdp import Mdp, prepare
from locoenvs.mdp.sensing import slots
from locoenvs.mdp.state import Episodes
from locoenvs.mdp.terrain import HeightMap
from locoenvs.numerics import rows
from locoenvs.tasks.task import Task
from locoenvs.tasks.vocabulary import OBSERVATION_SLOTS, Hidden

SIDE, CELL, TILES = 400, 0.1, 2
"""Cells of a side of the ground on which slots are looked at, and their length, m; levels and columns of its tiles."""

Values = Mapping[str, np.ndarray]
"""Slot -> what robots see in it."""


def audit_observations(task: Task) -> list[Finding]:
    """Whether every slot of the observation tells what it says that it sees, and of no other robot."""
    generator = np.random.default_rng(0)
    level, uneven = np.zeros((SIDE, SIDE), np.float32), generator.uniform(0, 0.3, (SIDE, SIDE)).astype(np.float32)
    here, there = _mdp(task, uneven), _mdp(task, uneven[::-1, ::-1].copy())
    plane = _mdp(task, level)
    robots, elsewhere = dry.robots(here), dry.robots(plane)
    seen, flat = slots(here, robots), slots(plane, elsewhere)
    first = {name: values[:1] for name, values in flat.items()}
    alone = {name: values[:1] for name, values in slots(plane, _alike(elsewhere)).items()}
    changed: dict[str, tuple[Values, list[Values]]] = {
        "ground": (seen, [slots(there, robots)]),
        **{hidden: (flat, [slots(plane, each) for each in others]) for hidden, others in _changed(elsewhere).items()},
        "other robots": (first, [alone]),
    }
    return [_finding(task, hidden, *pair) for hidden, pair in changed.items()]


def _changed(robots: Episodes) -> dict[Hidden, list[Episodes]]:
    """The robots with one hidden thing otherwise, in one way or several, and all that they sense as it was."""
    readout, change = robots.readout, dataclasses.replace
    by = np.array([1.3, -0.7, 0.0], np.float32)
    moved = change(readout, base_position=readout.base_position + by)
    struck = change(readout, contact_force=readout.contact_force + np.float32(500.0))
    tile = {"level": (robots.level + 1) % TILES, "column": (robots.column + 1) % TILES}
    return {
        "place": [
            change(robots, readout=moved),
            change(robots, readout=moved, start_position=robots.start_position + by[:2]),
            change(robots, start_position=robots.start_position + by[:2]),
            change(robots, **tile),
        ],
        "draws": [
            change(robots, key=robots.key + 1),
            change(robots, robot=robots.robot + 1, number=robots.number + 1),
        ],
        "contact": [
            change(robots, readout=struck),
            change(robots, contact=~robots.contact, air_time=robots.air_time + np.float32(0.3)),
        ],
    }


def _finding(task: Task, hidden: str, before: Values, afters: Sequence[Values]) -> Finding:
    """Which slots read the hidden thing without saying so."""
    reading = [
        name
        for name in before
        if not all(np.array_equal(before[name], after[name], equal_nan=True) for after in afters)
    ]
    named = [slot.name for slot in task.observations.slots]
    open_about = [name for name in named if hidden in OBSERVATION_SLOTS[name].sees]
    leaks = [name for name in reading if name not in open_about]
    if leaks:
        said = f"slot {', '.join(leaks)} changes with it, and does not say sees={hidden!r}"
        if hidden == "other robots":
            said = f"slot {', '.join(leaks)} of one robot changes with the others"
        return Finding(f"no leak of {hidden}", False, said)
    return Finding(f"no leak of {hidden}", True, f"seen by {', '.join(open_about) or 'no slot'}")


def _mdp(task: Task, heights: np.ndarray) -> Mdp:
    """The task on that ground, with all tiles in its middle."""
    half = (SIDE - 1) * CELL / 2
    centers = np.zeros((TILES, TILES, 3), np.float32)
    return prepare(task, HeightMap(heights, (-half, -half), CELL, centers, ("leaks", "other leaks")), xp)


def _alike(episodes: Episodes) -> Episodes:
    """The first robot, and copies of it in the place of the others."""
    return rows.map_arrays(lambda array: array[np.zeros(dry.ROBOTS, int)], episodes)
