"""Where a robot's bodies are, from its data alone."""

from __future__ import annotations

import numpy as np

from locoenvs.tasks.robot import Robot

Frames = dict[str, tuple[np.ndarray, np.ndarray]]


def matrix(inertia: tuple[float, ...]) -> np.ndarray:
    """The matrix of ixx, iyy, izz, ixy, ixz, iyz."""
    xx, yy, zz, xy, xz, yz = inertia
    return np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])


def rotation(axis: tuple[float, ...], angle: float) -> np.ndarray:
    """Rodrigues' formula."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def frames(robot: Robot, angles: dict[str, float]) -> Frames:
    """Rotation and position of every body in the base's frame, at joint name -> rad."""
    result: Frames = {}
    for body in robot.bodies:
        turn, at = (np.eye(3), np.zeros(3)) if body.parent is None else result[body.parent]
        at = at + turn @ np.array(body.position) if body.parent is not None else at
        result[body.name] = (turn @ rotation(body.joint.axis, angles[body.joint.name]) if body.joint else turn), at
    return result


def default_frames(robot: Robot) -> Frames:
    """The same in the default pose."""
    return frames(robot, {joint.name: joint.default for joint in robot.joints})
