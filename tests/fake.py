"""A robot and a simulator without an engine, on any array namespace: what the task layer is tested against."""

from __future__ import annotations

import dataclasses
from types import ModuleType

import numpy as np

from locoenvs.mdp.state import Readout
from locoenvs.numerics.arrays import Array
from locoenvs.numerics.rows import select
from locoenvs.tasks.robot import Body, Joint, Robot, Sphere

BIPED = Robot(
    name="fake",
    bodies=(
        Body("base", None, (0, 0, 0), 10.0, (0, 0, 0), (1, 1, 1, 0, 0, 0)),
        Body("left", "base", (0, 0.1, 0), 1.0, (0, 0, -0.1), (0.1, 0.1, 0.1, 0, 0, 0),
             Joint("left_hip", (0, 1, 0), -1, 1, 50, 20, 0.2, 40, 1)),
        Body("left_foot", "left", (0, 0, -0.4), 0.1, (0, 0, 0), (0.1, 0.1, 0.1, 0, 0, 0)),
        Body("right", "base", (0, -0.1, 0), 1.0, (0, 0, -0.1), (0.1, 0.1, 0.1, 0, 0, 0),
             Joint("right_hip", (0, 1, 0), -1, 1, 50, 20, -0.2, 40, 1)),
        Body("right_foot", "right", (0, 0, -0.4), 0.1, (0, 0, 0), (0.1, 0.1, 0.1, 0, 0, 0)),
    ),
    spheres=tuple(Sphere(name, (0, 0, 0), 0.03) for name in ("base", "left", "left_foot", "right", "right_foot")),
    feet=("left_foot", "right_foot"),
    penalized=("left", "right"),
    terminating=("base",),
    start_height=0.5,
    action_scale=0.5,
    mirror=(("right_hip", 1.0), ("left_hip", 1.0)),
)  # fmt: skip


class FakeSimulator:
    """Joints jump to their targets, the base drifts with its velocity. Forces are what ``forces`` (N, C, 3) says."""

    device = None

    def __init__(self, xp: ModuleType, num_envs: int, forces: np.ndarray | None = None) -> None:
        self.xp, self.num_envs = xp, num_envs
        self.forces = np.zeros((num_envs, 5, 3)) if forces is None else forces
        self.broken = np.zeros(num_envs, dtype=bool)
        self.friction: Array = None
        self.options: dict[str, object] = {}

    def configure(self, friction: Array, payload: Array) -> None:
        self.friction = friction

    def initial(self) -> object:
        return None

    def advance(self, physics: object, target: Array) -> tuple[object, Readout]:
        assert isinstance(physics, Readout)
        xp, dt = self.xp, 0.02
        after = dataclasses.replace(
            physics,
            base_position=physics.base_position + dt * physics.base_linear_velocity,
            joint_velocity=(target - physics.joint_position) / dt,
            joint_position=target,
            joint_torque=target * 10,
            contact_force=xp.asarray(self.forces.astype(np.float32)),
            broken=xp.asarray(self.broken),
        )
        return after, after

    def place(self, physics: object, mask: Array, start: Readout) -> object:
        return start if physics is None else select(mask, start, physics)

    def push(self, physics: object, mask: Array, velocity: Array) -> object:
        assert isinstance(physics, Readout)
        v = physics.base_linear_velocity
        pushed = self.xp.concat([velocity, v[:, 2:]], axis=-1)  # a fake base never turns its velocity
        return dataclasses.replace(physics, base_linear_velocity=self.xp.where(mask[:, None], pushed, v))
