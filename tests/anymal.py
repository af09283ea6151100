"""ANYmal C wherever a test of an engine wants it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from locoenvs.mdp.state import Readout
from locoenvs.tasks.robots import ROBOTS

ROBOT = ROBOTS["AnymalC"]
DEFAULT = np.array([joint.default for joint in ROBOT.joints], np.float32)


def start(num_envs: int = 4, **given: Any) -> Readout:
    """Robots at rest in the default pose at the origin, but for what is given of any robot."""
    values: dict[str, Any] = {
        "base_position": (0, 0, ROBOT.start_height),
        "base_quaternion": (1, 0, 0, 0),
        "base_linear_velocity": (0, 0, 0),
        "base_angular_velocity": (0, 0, 0),
        "joint_position": DEFAULT,
        "joint_velocity": np.zeros(12),
        "joint_torque": np.zeros(12),
        "contact_force": np.zeros((len(ROBOT.contact_bodies), 3)),
        "foot_velocity": np.zeros((4, 3)),
        "broken": False,
    } | given
    arrays = {}
    for field in dataclasses.fields(Readout):
        value = np.asarray(values[field.name])
        value = value if value.dtype == np.bool_ else value.astype(np.float32)
        rank = {"contact_force": 2, "foot_velocity": 2, "broken": 0}.get(field.name, 1)
        arrays[field.name] = np.array(value if value.ndim > rank else np.broadcast_to(value, (num_envs, *value.shape)))
    return Readout(**arrays)
