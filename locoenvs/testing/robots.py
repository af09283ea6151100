"""A few robots of a backend, driven with numpy as the environment drives them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from locoenvs.mdp.mdp import prepare
from locoenvs.mdp.state import Readout, Simulator
from locoenvs.mdp.terrain import HeightMap, map_of
from locoenvs.numerics.arrays import convert
from locoenvs.tasks import recipes
from locoenvs.tasks.robots import ROBOTS
from locoenvs.tasks.task import Task, Terrain

GRAVITY = 9.81
ROBOT = ROBOTS["AnymalC"]
COUNT = 3

Make = Callable[..., Simulator]


def task_of(ground: str = "flat", actuator: str = "pd") -> Task:
    """The task of the checks, without payload."""
    task = recipes.task(ROBOT, ground, actuator=actuator)  # type: ignore[arg-type]
    if ground == "rough":
        return dataclasses.replace(task, terrain=Terrain(levels=3, columns=7, border=2.0))
    return task


def by_single_steps(task: Task) -> Task:
    """The task with control steps of one physics step each."""
    return dataclasses.replace(task, timing=dataclasses.replace(task.timing, decimation=1))


class Robots:
    """A simulator that is driven with numpy, as the environment does it."""

    def __init__(self, make: Make, task: Task, count: int, options: dict[str, Any]) -> None:
        self.task, self.count = task, count
        self.map: HeightMap = map_of(task)
        self.simulator: Any = make(task, self.map, count, **options)
        self._advance = self.simulator.advance
        if hasattr(self.simulator, "compile"):
            mdp = prepare(task, self.map, self.simulator.xp, self.simulator.device)
            self._advance = self.simulator.compile(lambda mdp, own, *arguments: own.advance(*arguments), mdp)
        self.default = np.array([joint.default for joint in task.robot.joints], np.float32)

    def begin(
        self,
        start: Readout,
        friction: float | np.ndarray = 1.0,
        payload: float | np.ndarray = 0.0,
        **others: np.ndarray,
    ) -> None:
        given = {"friction": friction, "payload": payload}
        numbers = {name: np.broadcast_to(single(value), (self.count,)).copy() for name, value in given.items()}
        numbers |= {name: single(value) for name, value in others.items()}
        self.simulator.configure(**{name: self._array(value) for name, value in numbers.items()})
        self.physics = self.simulator.initial()
        self.place(np.ones(self.count, bool), start)

    def place(self, mask: np.ndarray, start: Readout) -> None:
        begin = Readout(**{f.name: self._array(getattr(start, f.name)) for f in dataclasses.fields(Readout)})
        self.physics = self.simulator.place(self.physics, self._array(mask), begin)

    def push(self, mask: np.ndarray, velocity: np.ndarray) -> None:
        self.physics = self.simulator.push(self.physics, self._array(mask), self._array(single(velocity)))

    def advance(self, target: np.ndarray | None = None, drive: np.ndarray | None = None) -> Readout:
        wanted = self.default if target is None else np.asarray(target, np.float32)
        given = [self._array(np.broadcast_to(wanted, (self.count, len(self.default))).copy())]
        if drive is not None:
            given.append(self._array(drive))
        self.physics, readout = self._advance(self.physics, *given)
        return Readout(
            **{f.name: np.array(convert(getattr(readout, f.name), "numpy")) for f in dataclasses.fields(Readout)}
        )

    def start(self, height: float, heading: float = 0.0) -> Readout:
        """All robots in the default pose at the origin, at rest."""
        count, robot = self.count, self.task.robot

        def zeros(*shape: int) -> np.ndarray:
            return np.zeros((count, *shape), np.float32)

        return Readout(
            base_position=np.tile(single([0, 0, height]), (count, 1)),
            base_quaternion=np.tile(single([np.cos(heading / 2), 0, 0, np.sin(heading / 2)]), (count, 1)),
            base_linear_velocity=zeros(3),
            base_angular_velocity=zeros(3),
            joint_position=np.tile(self.default, (count, 1)),
            joint_velocity=zeros(len(self.default)),
            joint_torque=zeros(len(self.default)),
            contact_force=zeros(len(robot.contact_bodies), 3),
            foot_velocity=zeros(len(robot.feet), 3),
            broken=np.zeros(count, bool),
        )

    def stand(self, seconds: float = 1.0) -> Readout:
        for _ in range(round(seconds / self.task.timing.control_dt)):
            readout = self.advance()
        return readout

    def _array(self, value: np.ndarray) -> Any:
        return self.simulator.xp.asarray(value, device=self.simulator.device)


def near(actual: np.ndarray, wanted: Any, within: float, what: str) -> None:
    off = np.abs(actual - wanted)
    assert (off <= within).all(), (
        f"{what}: wanted {np.asarray(wanted).ravel()[:3]} +-{within:g}, got {actual.ravel()[:12]}"
    )


def single(values: Any) -> np.ndarray:
    return np.asarray(values, np.float32)
