"""Small tasks of the shipped policies, to look at."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

from locoenvs.mdp.layout import layout
from locoenvs.policies.memory import Memory
from locoenvs.policies.policy import POLICIES, Policy, load_policy, save_policy
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


class Diverged(Policy):
    """A policy whose actions are no numbers."""

    def __init__(self) -> None:
        pass

    def check(self, task: object, start: bool = False) -> None:
        pass

    def __call__(self, observations: np.ndarray) -> np.ndarray:
        return np.full((len(observations), 12), np.nan, np.float32)


def recurrent(folder: Path, task: Task, throw: bool = False) -> Policy:
    """A policy of ``task`` that remembers and hardly moves, or one that ``throw``s the robot over within seconds."""
    rng, inputs, joints = np.random.default_rng(0), layout(task)[-1].stop, len(task.robot.joints)
    unit = tuple(rng.normal(size=shape) / 4 for shape in ((12, inputs), (12, 4), (12,), (12,)))
    last = (6 if throw else 0.05) * rng.normal(size=(joints, 4)), throw * np.resize([0.0, 6.0, -6.0], joints)
    save_policy(folder, task, [last], memory=Memory("gru", [unit]))  # type: ignore[list-item]
    return load_policy(folder)
