"""Small tasks of the shipped policies, to look at."""

from __future__ import annotations

import functools

from locoenvs.policies.policy import POLICIES, Policy, load_policy
from locoenvs.tasks.task import Task


@functools.cache
def flat() -> Policy:
    return load_policy(POLICIES / "anymal_c_flat")


@functools.cache
def rough() -> Policy:
    return load_policy(POLICIES / "anymal_c_rough")


@functools.cache
def tiles() -> Task:
    """The rough policy's task on a small map: slopes up and stairs up, two levels."""
    shares = [{"kind": "slope_up", "share": 0.5}, {"kind": "stairs_up", "share": 0.5}]
    changes = {"terrain.levels": 2, "terrain.columns": 4, "terrain.border": 4.0, "terrain.shares": shares}
    return rough().task.with_(changes | {"timing.episode_length": 2.0})
