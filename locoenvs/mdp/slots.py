"""The quantities that a policy may see. A slot is a function, with its unit, its size and how it changes from left to right.

Each returns (num_envs, size) in its unit, before the scale and the noise of the task's entry
(:class:`locoenvs.tasks.entries.SlotSpec`); the first paragraph of its docstring is what policies say it means.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import Field

from locoenvs.mdp.mdp import Mdp
from locoenvs.mdp.observations import height_samples
from locoenvs.mdp.state import Episodes
from locoenvs.numerics import rotation
from locoenvs.numerics.arrays import Array
from locoenvs.tasks.robot import Place, Positive, Robot
from locoenvs.tasks.vocabulary import observation_slot

Count = Annotated[int, Field(ge=1, le=100)]
Side = Annotated[float, Field(gt=0, le=100)]


def joints(robot: Robot) -> int:
    """One number a joint."""
    return len(robot.joint_names)


def mirrored_joints(robot: Robot) -> tuple[np.ndarray, np.ndarray]:
    """One number a joint, which changes places and sign as the joint does: (index, sign)."""
    names = list(robot.joint_names)
    sign = np.array([sign for _, sign in robot.mirror], dtype=np.float32)
    return np.array([names.index(name) for name, _ in robot.mirror]), sign


@observation_slot(unit="m/s", size=3, mirror=(1, -1, 1))
def base_linear_velocity(mdp: Mdp, episodes: Episodes) -> Array:
    """velocity of the base frame's origin against the world, along the base's axes"""
    return episodes.readout.base_linear_velocity


@observation_slot(unit="rad/s", size=3, mirror=(-1, 1, -1))
def base_angular_velocity(mdp: Mdp, episodes: Episodes) -> Array:
    """angular velocity of the base against the world, about the base's axes"""
    return episodes.readout.base_angular_velocity


@observation_slot(unit="1", size=3, mirror=(1, -1, 1))
def projected_gravity(mdp: Mdp, episodes: Episodes) -> Array:
    """unit vector in which gravity pulls, along the base's axes: (0, 0, -1) when the base is level"""
    return rotation.projected_gravity(episodes.readout.base_quaternion)


@observation_slot(unit="m/s", size=2, mirror=(1, -1), sensed=False)
def command_linear_velocity(mdp: Mdp, episodes: Episodes) -> Array:
    """commanded velocity forward and left, along the base's x and y axes"""
    return episodes.command[:, :2]


@observation_slot(unit="rad/s", size=1, mirror=(-1,), sensed=False)
def command_yaw_rate(mdp: Mdp, episodes: Episodes) -> Array:
    """commanded angular velocity about the base's z axis, positive to the left"""
    return episodes.command[:, 2:3]


@observation_slot(unit="rad", size=joints, mirror=mirrored_joints)
def joint_position(mdp: Mdp, episodes: Episodes) -> Array:
    """joint angle minus default_position, in the order of joints"""
    return episodes.readout.joint_position - mdp.default_pose


@observation_slot(unit="rad/s", size=joints, mirror=mirrored_joints)
def joint_velocity(mdp: Mdp, episodes: Episodes) -> Array:
    """joint angular velocity, in the order of joints"""
    return episodes.readout.joint_velocity


@observation_slot(unit="1", size=joints, mirror=mirrored_joints, sensed=False)
def last_action(mdp: Mdp, episodes: Episodes) -> Array:
    """the action of the control step before after its clip, in the order of joints; 0 in an episode's first"""
    return episodes.last_action


def _points(robot: Robot, rows: int, columns: int, **scan: Any) -> int:
    return rows * columns


def _left_to_right(robot: Robot, rows: int, columns: int, **scan: Any) -> tuple[np.ndarray, np.ndarray]:
    grid = np.arange(rows * columns).reshape(rows, columns)
    return grid[:, ::-1].ravel(), np.ones(rows * columns, dtype=np.float32)


@observation_slot(unit="m", size=_points, mirror=_left_to_right, sees=("ground",))
def heights(
    mdp: Mdp,
    episodes: Episodes,
    rows: Count = 12,
    columns: Count = 9,
    length: Side = 1.6,
    width: Side = 1.0,
    offset: Place = 0.5,
    clip: Positive = 1.0,
) -> Array:
    """clip(base height - offset - ground height, -clip, clip) at the points of observation.heights

    Those are ``rows`` along the base's forward axis times ``columns``, on ``length`` x ``width`` m centered on the base.
    """
    return height_samples(mdp, episodes.readout.base_position, episodes.readout.base_quaternion)
