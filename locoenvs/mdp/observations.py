"""What the policy sees: the observation's layout as data, and the observation itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from array_api_compat import array_namespace

from locoenvs.numerics import compiled, rng
from locoenvs.numerics.rotation import heading, projected_gravity
from locoenvs.mdp.state import Array, Episodes, Observation
from locoenvs.task.task import HeightScan, Noise, Task
from locoenvs.mdp.terrain import ground_height

if TYPE_CHECKING:
    from locoenvs.mdp.mdp import Mdp


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


def observe(mdp: Mdp, episodes: Episodes) -> Observation:
    """What the policy sees of ``episodes``, and the same without noise.

    The noise of a robot is a draw at its (episode, step), so observing twice gives the same numbers.
    """
    xp, task, readout = mdp.xp, mdp.task, episodes.readout
    values = {
        "base_linear_velocity": readout.base_linear_velocity,
        "base_angular_velocity": readout.base_angular_velocity,
        "projected_gravity": projected_gravity(readout.base_quaternion),
        "command_linear_velocity": episodes.command[:, :2],
        "command_yaw_rate": episodes.command[:, 2:3],
        "joint_position": readout.joint_position - mdp.default_pose,
        "joint_velocity": readout.joint_velocity,
        "last_action": episodes.last_action,
    }
    if task.observations.heights is not None:
        values["heights"] = height_samples(mdp, readout.base_position, readout.base_quaternion)
    clip = task.observations.clip
    measured = xp.concat([values[slot.name] for slot in mdp.layout], axis=-1)
    if task.observations.noise is None:
        clean = (measured * mdp.scale).clip(-clip, clip)
        return Observation(clean, clean)
    counter = episodes.key, episodes.number, episodes.step
    if kernels := compiled.kernels(measured, *counter):
        purpose = int(rng.Purpose.OBSERVATION_NOISE)
        return Observation(*kernels.noisy(measured, mdp.scale, mdp.noise, *counter, purpose, clip))
    clean = measured * mdp.scale
    draws = rng.uniform(*counter, rng.Purpose.OBSERVATION_NOISE, clean.shape[1])
    noisy = clean + (draws * 2 - 1) * mdp.noise
    return Observation(noisy.clip(-clip, clip), clean.clip(-clip, clip))


def scan_lines(scan: HeightScan) -> tuple[np.ndarray, np.ndarray]:
    """Where a scan's rows lie forward of the base (rows,) and its columns to the left of it (columns,), m."""
    forward = np.linspace(-scan.length / 2, scan.length / 2, scan.rows)
    return forward, np.linspace(-scan.width / 2, scan.width / 2, scan.columns)


def height_samples(mdp: Mdp, position: Array, quaternion: Array) -> Array:
    """clip(base height - offset - ground height, +-clip) at the scan's points, (num_envs, K) m."""
    xp, scan = array_namespace(position), mdp.task.observations.heights
    assert scan is not None
    angle = heading(quaternion)
    cos, sin, ground = xp.cos(angle), xp.sin(angle), mdp.height_map
    if kernels := compiled.kernels(position, angle):
        place = *ground.origin, 1 / ground.cell
        return kernels.height_samples(mdp.ground, *place, position, cos, sin, mdp.scan_points, scan.offset, scan.clip)
    cos, sin = cos[:, None], sin[:, None]
    forward, sideways = mdp.scan_points[None, :, 0], mdp.scan_points[None, :, 1]
    x = position[:, 0:1] + cos * forward - sin * sideways
    y = position[:, 1:2] + sin * forward + cos * sideways
    below = ground_height(mdp.ground, ground.origin, ground.cell, x, y)
    return (position[:, 2:3] - scan.offset - below).clip(-scan.clip, scan.clip)
