"""What a policy sees that it should not know: each slot of an observation is computed again after one hidden thing was changed.

Everything that a robot senses stays as it was: a slot whose numbers change all the same reads what was changed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

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
from locoenvs.tasks.vocabulary import OBSERVATION_SLOTS

SIDE, CELL = 400, 0.1
"""Cells of a side of the ground on which slots are looked at, and their length, m."""


def audit_observations(task: Task) -> list[Finding]:
    """Whether every slot of the observation tells what it says that it sees, and of no other robot."""
    generator = np.random.default_rng(0)
    level, uneven = np.zeros((SIDE, SIDE), np.float32), generator.uniform(0, 0.3, (SIDE, SIDE)).astype(np.float32)
    here, there = _mdp(task, uneven), _mdp(task, uneven[::-1, ::-1].copy())
    plane = _mdp(task, level)
    robots, elsewhere = dry.robots(here), dry.robots(plane)
    seen, flat = slots(here, robots), slots(plane, elsewhere)
    readout = elsewhere.readout
    moved = dataclasses.replace(readout, base_position=readout.base_position + np.array([1.3, -0.7, 0.0], np.float32))
    another = dataclasses.replace(elsewhere, key=elsewhere.key + 1)
    changed: dict[str, tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]]] = {
        "ground": (seen, slots(there, robots)),
        "place": (flat, slots(plane, dataclasses.replace(elsewhere, readout=moved))),
        "draws": (flat, slots(plane, another)),
        "other robots": (
            {name: values[:1] for name, values in flat.items()},
            {name: values[:1] for name, values in slots(plane, _alike(elsewhere)).items()},
        ),
    }
    return [_finding(task, hidden, *pair) for hidden, pair in changed.items()]


def _finding(task: Task, hidden: str, before: Mapping[str, np.ndarray], after: Mapping[str, np.ndarray]) -> Finding:
    """Which slots read the hidden thing without saying so."""
    reading = [name for name in before if not np.array_equal(before[name], after[name], equal_nan=True)]
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
    """The task on that ground, with one tile in its middle."""
    half = (SIDE - 1) * CELL / 2
    return prepare(task, HeightMap(heights, (-half, -half), CELL, np.zeros((1, 1, 3), np.float32), ("leaks",)), xp)


def _alike(episodes: Episodes) -> Episodes:
    """The first robot, and copies of it in the place of the others."""
    return rows.map_arrays(lambda array: array[np.zeros(dry.ROBOTS, int)], episodes)
