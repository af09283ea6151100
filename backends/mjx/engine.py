"""What MJX's two implementations have in common: the state of all robots, what a robot feels, and what steps them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Protocol

import jax
import mujoco

from locoenvs.numerics.arrays import Array


@dataclass(frozen=True)
class Physics:
    """The state of all robots, a pytree: what the next control step depends on."""

    qpos: Array  # (N, 7 + J) base position m, wxyz quaternion, joints rad
    qvel: Array  # (N, 6 + J) base velocity m/s in the world frame, rad/s in the base frame, joints rad/s
    warmstart: Array  # (N, 6 + J) accelerations that the solver starts from
    friction: Array  # (N,)
    payload: Array  # (N,) kg
    mass: Array | None = None  # (N, B) factors
    center_of_mass: Array | None = None  # (N, 3) m
    armature: Array | None = None  # (N, J) kg m^2
    memory: Array | None = None  # what the actuator remembers, the robots on its second axis; None without one


jax.tree_util.register_dataclass(Physics, [field.name for field in dataclasses.fields(Physics)], [])


@dataclass(frozen=True)
class Sensed:
    """What one robot feels in one physics step, of the state that the step began in."""

    torque: Array  # (J,) N m
    contact_force: Array  # (C, 3) N
    foot_velocity: Array  # (F, 3) m/s


jax.tree_util.register_dataclass(Sensed, [field.name for field in dataclasses.fields(Sensed)], [])


class Changes(Protocol):
    """What differs between robots in the model itself."""

    def fields(self, physics: Physics) -> dict[str, Array]:
        """The fields of one robot's :class:`mjx.Model` that follow from the numbers of its ``physics``, which has no axis of robots."""


class Engine(Protocol):
    """One of MJX's two implementations: physics steps of one robot, mapped over all of them."""

    model: mujoco.MjModel
    constants: Any  # a pytree of arrays
    bytes_a_robot: int  # that its scratch memory takes

    def steps(
        self, constants: Any, physics: Physics, control: Array, count: int, fields: dict[str, Array]
    ) -> tuple[Array, Array, Array, Sensed]:
        """``count`` physics steps of all robots with one control (N, J): qpos, qvel, warmstart, what the last one sensed.

        ``fields`` (N, ...) are the robots' own in place of the model's, see :class:`Changes`.
        """
