"""Where a robot's bodies and spheres are, from its data alone."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from array_api_compat import array_namespace

from locoenvs.robot import Body, Robot
from locoenvs.state import Array

Frames = dict[str, tuple[np.ndarray, np.ndarray]]
"""Rotation (3, 3) and position (3,) m of each body in the base's frame."""


def frames(bodies: Iterable[Body]) -> Frames:
    """The frames of bodies, parents first, in the default pose."""
    placed: Frames = {}
    for body in bodies:
        turn, at = (np.eye(3), np.zeros(3)) if body.parent is None else placed[body.parent]
        at = at if body.parent is None else at + turn @ np.array(body.position)
        if body.joint is not None:
            x, y, z = body.joint.axis
            cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
            angle = body.joint.default
            turn = turn @ (np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)
        placed[body.name] = turn, at
    return placed


def sphere_centers(robot: Robot, angles: Array) -> tuple[Array, Array, Array]:
    """x, y and z of the centers of the robot's spheres in the base's frame, (N, S) m each, at joint angles (N, J) rad.

    Sums are written out, so that a robot's numbers do not depend on how many there are.
    """
    xp = array_namespace(angles)
    zero = xp.zeros_like(angles[:, 0])
    one, joints = zero + 1, {name: index for index, name in enumerate(robot.joint_names)}
    placed: dict[str, tuple[list[Array], list[Array]]] = {}  # rows of the rotation, and the position

    def moved(turn: list[Array], at: list[Array], point: tuple[float, float, float]) -> list[Array]:
        x, y, z = point
        return [at[i] + turn[3 * i] * x + turn[3 * i + 1] * y + turn[3 * i + 2] * z for i in range(3)]

    for body in robot.bodies:
        if body.parent is None:
            turn, at = [one, zero, zero, zero, one, zero, zero, zero, one], [zero, zero, zero]
        else:
            turn, at = placed[body.parent]
            at = moved(turn, at, body.position)
        if body.joint is not None:
            angle = angles[:, joints[body.joint.name]]
            sin, cos = xp.sin(angle), xp.cos(angle)
            a, b, c = body.joint.axis
            rest = 1 - cos
            own = [
                cos + rest * (a * a), rest * (a * b) - sin * c, rest * (a * c) + sin * b,
                rest * (a * b) + sin * c, cos + rest * (b * b), rest * (b * c) - sin * a,
                rest * (a * c) - sin * b, rest * (b * c) + sin * a, cos + rest * (c * c),
            ]  # fmt: skip
            turn = [
                turn[3 * i] * own[k] + turn[3 * i + 1] * own[3 + k] + turn[3 * i + 2] * own[6 + k]
                for i in range(3)
                for k in range(3)
            ]
        placed[body.name] = turn, at
    centers = [moved(*placed[sphere.body], sphere.position) for sphere in robot.spheres]
    x, y, z = (xp.stack([center[axis] for center in centers], axis=-1) for axis in range(3))
    return x, y, z
