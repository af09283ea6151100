"""Robots on either engine, driven with numpy. Compiling is most of the time of a test with JAX: once a process for each program."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from anymal import ROBOT
from locoenvs.mdp.state import Readout
from locoenvs.mdp.terrain import build
from locoenvs.tasks.recipes import task as recipe_task
from locoenvs.tasks.task import Commands, Curriculum, Pushes, Randomization, Task, Terrain, Timing

if TYPE_CHECKING:
    from locoenvs.backends.mujoco.model import Cone

ROBOTS_HERE = 4

RANDOM = Randomization(payload=(-5.0, 5.0), pushes=Pushes(interval=0.1, mode="set"))
FLAT = dataclasses.replace(
    recipe_task(ROBOT, "flat", actuator="pd"),
    timing=Timing(episode_length=0.5),
    randomization=RANDOM,
    commands=Commands(resample_every=0.2),
)
ROUGH = dataclasses.replace(
    recipe_task(ROBOT, "rough", actuator="pd"),
    timing=Timing(episode_length=0.5),
    terrain=Terrain(levels=3, columns=7, border=2.0),
    curriculum=Curriculum(initial_level=2),
    randomization=RANDOM,
)
TASKS = {
    "flat": FLAT,
    "learned drive": dataclasses.replace(FLAT, actuator=recipe_task(ROBOT, "flat", actuator="lstm").actuator),
    "rough": dataclasses.replace(ROUGH, timing=Timing(decimation=1)),
}
"""What :func:`physics` simulates; on rough ground by single physics steps, since what touches differs after one that did."""


class Physics:
    """A simulator of either backend, driven with numpy: what it is told and what it reads out."""

    def __init__(self, simulator: Any, task: Task) -> None:
        self.simulator, self.task = simulator, task
        self._advance: Callable[..., Any]
        if hasattr(simulator, "compile"):
            from locoenvs.mdp.mdp import prepare

            mdp = prepare(task, build(task.terrain), simulator.xp, simulator.device)
            self._advance = simulator.compile(lambda mdp, own, physics, target: own.advance(physics, target), mdp)
        else:
            self._advance = simulator.advance

    def place(self, begin: Readout, friction: float | np.ndarray = 1.0, payload: float | np.ndarray = 0.0) -> None:
        """Put all robots there."""
        count = len(begin.broken)
        friction, payload = (np.broadcast_to(np.float32(value), (count,)).copy() for value in (friction, payload))
        self.simulator.configure(self._array(friction), self._array(payload))
        readout = Readout(**{f.name: self._array(getattr(begin, f.name)) for f in dataclasses.fields(Readout)})
        self.physics = self.simulator.place(self.simulator.initial(), self._array(np.ones(count, bool)), readout)

    def advance(self, target: np.ndarray) -> Readout:
        """One control step toward joint targets (N, J) or (J,)."""
        target = np.broadcast_to(np.asarray(target, np.float32), (self.simulator.num_envs, 12)).copy()
        self.physics, readout = self._advance(self.physics, self._array(target))
        return Readout(**{f.name: np.array(getattr(readout, f.name)) for f in dataclasses.fields(Readout)})

    def _array(self, value: np.ndarray) -> Any:
        return self.simulator.xp.asarray(value, device=self.simulator.device)


@functools.cache
def physics(ground: str, impl: str, cone: Cone = "elliptic") -> Physics:
    """The simulator of a ground, native or by an implementation of MJX, kept for all tests."""
    task = TASKS[ground]
    if impl == "native":
        from locoenvs.backends.mujoco.simulator import MujocoSimulator

        return Physics(MujocoSimulator(task, build(task.terrain), ROBOTS_HERE, threads=1, cone=cone), task)
    pytest.importorskip("mujoco.mjx")
    from locoenvs.backends.mjx.simulator import MjxSimulator

    return Physics(MjxSimulator(task, build(task.terrain), ROBOTS_HERE, device="cpu", impl=impl, cone=cone), task)
