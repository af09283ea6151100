"""Actuators that a backend evaluates between physics steps, on the array namespace of their inputs."""

from __future__ import annotations

from typing import Protocol

from array_api_compat import array_namespace

from locoenvs.robot import Robot
from locoenvs.state import Array


class Actuator(Protocol):
    """Turns joint targets into torques, once a physics step."""

    def torque(self, target: Array, position: Array, velocity: Array) -> Array:
        """Torques (num_envs, J) N m toward ``target`` rad at ``position`` rad and ``velocity`` rad/s."""

    def clear(self, mask: Array) -> None:
        """Forget what is remembered of the robots of ``mask`` (num_envs,)."""


class PD:
    """torque = clip(Kp (target - q) - Kd dq, +-limit). Backends whose engine has this law built in use that instead."""

    def __init__(self, robot: Robot) -> None:
        self._gains = [(joint.stiffness, joint.damping, joint.torque_limit) for joint in robot.joints]

    def torque(self, target: Array, position: Array, velocity: Array) -> Array:
        xp = array_namespace(target)
        stiffness, damping, limit = (xp.asarray(column, dtype=xp.float32) for column in zip(*self._gains, strict=True))
        return (stiffness * (target - position) - damping * velocity).clip(-limit, limit)

    def clear(self, mask: Array) -> None:
        """A PD law remembers nothing."""
