"""The observation's layout as data: what each of its numbers is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from locoenvs.tasks.task import HeightScan, Noise, Task


@dataclass(frozen=True)
class Slot:
    """One quantity of the observation: ``observation[start:stop]`` is ``scale`` times a value in ``unit``.

    ``noise`` is the half width of its uniform noise in ``unit``; ``meaning`` says in words what the value is.
    """

    name: str
    start: int
    stop: int
    unit: str
    scale: float
    noise: float
    meaning: str


MEANINGS = {
    "base_linear_velocity": "velocity of the base frame's origin against the world, along the base's axes",
    "base_angular_velocity": "angular velocity of the base against the world, about the base's axes",
    "projected_gravity": "unit vector in which gravity pulls, along the base's axes: (0, 0, -1) when the base is level",
    "command_linear_velocity": "commanded velocity forward and left, along the base's x and y axes",
    "command_yaw_rate": "commanded angular velocity about the base's z axis, positive to the left",
    "joint_position": "joint angle minus default_position, in the order of joints",
    "joint_velocity": "joint angular velocity, in the order of joints",
    "last_action": "the action of the control step before after its clip, in the order of joints; 0 in an episode's first",
    "heights": "clip(base height - offset - ground height, -clip, clip) at the points of observation.heights",
}
"""What each slot holds before its scale, for someone who has nothing but the words."""


def layout(task: Task) -> tuple[Slot, ...]:
    """The slots of the task's observation, in order."""
    config, joints = task.observations, len(task.robot.joint_names)
    noise = config.noise or Noise(0, 0, 0, 0, 0, 0)
    linear, angular = config.linear_velocity_scale, config.angular_velocity_scale
    slots = [
        ("base_linear_velocity", 3, "m/s", linear, noise.linear_velocity),
        ("base_angular_velocity", 3, "rad/s", angular, noise.angular_velocity),
        ("projected_gravity", 3, "1", 1.0, noise.gravity),
        ("command_linear_velocity", 2, "m/s", linear, 0.0),
        ("command_yaw_rate", 1, "rad/s", angular, 0.0),
        ("joint_position", joints, "rad", config.joint_position_scale, noise.joint_position),
        ("joint_velocity", joints, "rad/s", config.joint_velocity_scale, noise.joint_velocity),
        ("last_action", joints, "1", 1.0, 0.0),
    ]
    if config.heights is not None:
        slots.append(("heights", config.heights.size, "m", config.height_scale, noise.height))
    made, start = [], 0
    for name, size, unit, scale, width in slots:
        made.append(Slot(name, start, start + size, unit, scale, width, MEANINGS[name]))
        start += size
    return tuple(made)


def scan_lines(scan: HeightScan) -> tuple[np.ndarray, np.ndarray]:
    """Where a scan's rows lie forward of the base (rows,) and its columns to the left of it (columns,), m."""
    forward = np.linspace(-scan.length / 2, scan.length / 2, scan.rows)
    return forward, np.linspace(-scan.width / 2, scan.width / 2, scan.columns)
