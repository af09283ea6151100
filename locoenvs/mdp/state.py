"""The nouns that a step passes around: what physics reports, what an episode remembers, what a step returns.

All arrays lead with the robots, ``(num_envs, ...)``, and live in one array namespace (numpy, torch or jax.numpy).
Quaternions are wxyz and turn vectors of the base frame into the world frame. J joints, F feet, C contact bodies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Literal, Protocol

import numpy as np

from locoenvs.numerics.arrays import Array

Camera = Literal["corner", "side", "front", "behind", "above"]
"""Where a robot that walks along world x is seen from; several robots are seen from far enough that all are in the picture."""

FASTEST = 1e3
"""A robot with a generalized velocity above this (m/s, rad/s) is broken: nothing real is near it."""


@dataclass(frozen=True)
class Readout:
    """What physics reports after a control step."""

    base_position: Array  # (N, 3) m, world
    base_quaternion: Array  # (N, 4) wxyz, base to world
    base_linear_velocity: Array  # (N, 3) m/s of the base frame's origin, in the base frame
    base_angular_velocity: Array  # (N, 3) rad/s, in the base frame
    joint_position: Array  # (N, J) rad
    joint_velocity: Array  # (N, J) rad/s
    joint_torque: Array  # (N, J) N m, applied in the last physics step
    contact_force: Array  # (N, C, 3) N, net force ON each contact body in the last physics step, world frame
    foot_velocity: Array  # (N, F, 3) m/s, of each foot's contact sphere center, world frame
    broken: Array  # (N,) bool, the numbers of this robot can no longer be trusted


@dataclass(frozen=True)
class Episodes:
    """What each robot's episode remembers. Every array leads with the robots, so rows can be taken and replaced."""

    robot: Array  # (N,) int32 index of the robot
    key: Array  # (N,) int32, the robot's own stream: (seed, split, family, robot)
    number: Array  # (N,) int32 episodes that the robot has begun
    step: Array  # (N,) int32 control steps in this episode
    level: Array  # (N,) int32
    column: Array  # (N,) int32
    command: Array  # (N, 4) forward m/s, sideways m/s, yaw rate rad/s, heading rad
    last_action: Array  # (N, J)
    joint_velocity: Array  # (N, J) rad/s, one control step ago
    air_time: Array  # (N, F) s since the foot left the ground
    contact: Array  # (N, F) bool, foot contact one control step ago
    start_position: Array  # (N, 2) m, where the episode began
    commanded_distance: Array  # (N,) m that the commands of this episode have asked for
    sums: Array  # (N, T) sums of the reward terms over the episode
    readout: Readout
    sensed: Array | None = (
        None  # (N, D, O) what sensors gave in the last D control steps, newest first; None without delays
    )


@dataclass(frozen=True)
class EnvState:
    """All that a step carries over: the episodes, the training clock, and the physics of a functional engine."""

    episodes: Episodes
    clock: Array  # () int32 control steps since the start of training
    physics: object  # the engine's own state; None where the engine keeps it


@dataclass(frozen=True)
class Observation:
    """What the policy sees, and the same without noise for a critic; (N, O) each."""

    policy: Array
    critic: Array


@dataclass(frozen=True)
class Transition:
    """What one control step returns."""

    observation: Observation  # of the state to act in next
    final_observation: Observation  # of the state that the step led to, before any reset
    reward: Array  # (N,)
    terminated: Array  # (N,) bool
    truncated: Array  # (N,) bool
    reset_reason: Array  # (N,) int32, index into Mdp.reset_reasons
    reward_terms: Mapping[str, Array]  # name -> (N,), weighted, summing to the reward before any clip at zero
    log: Mapping[str, Array]  # name -> (), means over the episodes that ended, and their number


RESET_REASONS = ("running", "time_limit", "base_contact", "broken_physics", "map_edge")
"""What ``reset_reason`` counts in, before the terminations that only some tasks have. The time limit and the edge of the map are no failures: they truncate."""


class Simulator(Protocol):
    """What a backend compiles a task into: N robots on one terrain, advanced one control step at a time.

    A simulator whose engine keeps the state (native MuJoCo, Isaac Lab) passes ``None`` through as ``physics``.
    """

    num_envs: int
    xp: ModuleType  # the array namespace that it speaks, one of array_api_compat's
    device: object  # where its arrays live; None on the CPU
    options: Mapping[str, object]  # those of its backend that decide what comes out, defaults included
    randomizes: frozenset[str]  # quantities of QUANTITIES that it can vary, and "drive" if it takes numbers of drives
    actuators: frozenset[str]  # kinds of the task's actuators that it runs

    def configure(self, friction: Array, payload: Array, **others: Array) -> None:
        """Give each robot its effective foot-ground friction (num_envs,) and its base's extra mass (num_envs,) kg.

        ``others`` are quantities of :data:`~locoenvs.mdp.draws.QUANTITIES` that the task varies.
        """

    def initial(self) -> object:
        """The physics state of robots that have not been placed yet."""

    def advance(self, physics: object, target: Array, drive: Array | None = None) -> tuple[object, Readout]:
        """One control step toward joint targets ``(num_envs, J)`` rad.

        ``drive`` (Q, num_envs, J) are the numbers of the drives that :data:`~locoenvs.mdp.draws.DRIVE` names, for a task that
        varies them; None is neutral.
        """

    def place(self, physics: object, mask: Array, start: Readout) -> object:
        """Put the robots of ``mask`` into the base and joint state of ``start`` and clear their actuators' memory."""

    def push(self, physics: object, mask: Array, velocity: Array) -> object:
        """Set the horizontal base velocity of the robots of ``mask`` to ``velocity`` ``(num_envs, 2)`` m/s, world."""

    def save(self, physics: object) -> dict[str, np.ndarray]:
        """All that physics depends on, as named arrays that lead with the robots.

        The actuator's memory, which has them on its second axis, is called "actuator" or "memory".
        """

    def restore(self, saved: dict[str, np.ndarray]) -> object:
        """The physics state that goes on from what :meth:`save` returned, bit by bit."""

    def render(
        self, physics: object, robot: int | Sequence[int], size: tuple[int, int] = (640, 480), camera: Camera = "corner"
    ) -> np.ndarray:
        """A picture of one robot, or of several at once, (height, width, 3) uint8.

        ``size`` (width, height) and ``camera``, where it is seen from, are the same at every call.
        """

    def close(self) -> None:
        """Free what the engine holds."""
