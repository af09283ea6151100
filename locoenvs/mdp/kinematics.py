"""Where a robot's bodies and spheres are, from its data alone."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from array_api_compat import array_namespace

from locoenvs.numerics import compiled
from locoenvs.numerics.arrays import Array, kind_of
from locoenvs.numerics.rotation import multiply, rotate
from locoenvs.tasks.robot import Body, Joint, Robot

Frames = dict[str, tuple[np.ndarray, np.ndarray]]
"""Rotation (3, 3) and position (3,) m of each body in the base's frame."""

Tree = tuple[np.ndarray, ...]
"""A robot as arrays, from :func:`tree`."""


def frames(bodies: Iterable[Body]) -> Frames:
    """The frames of bodies, parents first, in the default pose."""
    placed: Frames = {}
    for body in bodies:
        turn, at = (np.eye(3), np.zeros(3)) if body.parent is None else placed[body.parent]
        at = at if body.parent is None else at + turn @ np.array(body.position)
        if body.joint is not None:
            cross = _cross(body.joint)
            angle = body.joint.default
            turn = turn @ (np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)
        placed[body.name] = turn, at
    return placed


def sphere_centers(robot: Robot, angles: Array, arrays: Tree | None = None) -> Array:
    """The centers of the robot's spheres in the base's frame, (N, S, 3) m, at joint angles (N, J) rad.

    ``arrays`` are :func:`tree` of the robot, for those who ask often. Sums are written out, so that a robot's numbers do not
    depend on how many there are.
    """
    xp = array_namespace(angles)
    if kernels := compiled.kernels(angles):
        return kernels.sphere_centers(*(arrays or tree(robot)), xp.sin(angles), xp.cos(angles))
    device = getattr(angles, "device", None) if kind_of(xp) == "torch" else None
    joints = {name: index for index, name in enumerate(robot.joint_names)}

    def constant(values: object) -> Array:
        return xp.asarray(np.asarray(values, np.float32), device=device)

    def product(turn: Array, columns: Array) -> Array:
        """(N, 3, 3) rotations times (..., 3, K) columns."""
        first, second, third = (turn[:, :, k, None] * columns[..., k, None, :] for k in range(3))
        return first + second + third

    zero = xp.zeros_like(angles[:, 0])[:, None, None]
    still = zero + constant(np.eye(3))
    placed: dict[str | None, tuple[Array, Array]] = {None: (still, zero + constant(np.zeros((3, 1))))}
    for body in robot.bodies:
        turn, at = placed[body.parent]
        if body.parent is not None:
            at = at + product(turn, constant(body.position)[:, None])
        if body.joint is not None:
            cross = _cross(body.joint)
            angle = angles[:, joints[body.joint.name]][:, None, None]
            turn = product(
                turn, still + xp.sin(angle) * constant(cross) + (1 - xp.cos(angle)) * constant(cross @ cross)
            )
        placed[body.name] = turn, at
    centers = [placed[s.body][1] + product(placed[s.body][0], constant(s.position)[:, None]) for s in robot.spheres]
    return xp.stack([center[:, :, 0] for center in centers], axis=1)


def body_poses(robot: Robot, position: Array, quaternion: Array, angles: Array) -> tuple[Array, Array]:
    """Where the robots' B bodies are, (N, B, 3) m and (N, B, 4) wxyz, world frame, with bases at ``position`` (N, 3) m and ``quaternion``
    (N, 4) and joint ``angles`` (N, J) rad."""
    xp = array_namespace(angles)
    joints = {name: index for index, name in enumerate(robot.joint_names)}

    def constant(values: object) -> Array:
        return xp.asarray(np.asarray(values, np.float32))

    placed: dict[str, tuple[Array, Array]] = {}
    for body in robot.bodies:
        at, turn = (position, quaternion) if body.parent is None else placed[body.parent]
        if body.parent is not None:
            at = at + rotate(turn, xp.zeros_like(at) + constant(body.position))
        if body.joint is not None:
            half = angles[:, joints[body.joint.name]][:, None] / 2
            axis = constant(_unit(body.joint))
            turn = multiply(turn, xp.concat([xp.cos(half), xp.sin(half) * axis], axis=-1))
        placed[body.name] = at, turn
    return xp.stack([at for at, _ in placed.values()], axis=1), xp.stack([turn for _, turn in placed.values()], axis=1)


def tree(robot: Robot) -> Tree:
    """A robot as arrays: of its B bodies the parent and the joint (B,), -1 for none, the place (B, 3) m in the parent, and of the
    joint's turn what the sine (B, 3, 3) and 1 less the cosine (B, 3, 3) are multiplied by; of its S spheres the body (S,) and the
    place (S, 3) m in it."""
    names, joints = [body.name for body in robot.bodies], list(robot.joint_names)
    parents = [-1 if body.parent is None else names.index(body.parent) for body in robot.bodies]
    turning = [-1 if body.joint is None else joints.index(body.joint.name) for body in robot.bodies]
    crosses = np.stack([np.zeros((3, 3)) if body.joint is None else _cross(body.joint) for body in robot.bodies])
    bodies = [names.index(sphere.body) for sphere in robot.spheres]
    places, spots = [body.position for body in robot.bodies], [sphere.position for sphere in robot.spheres]
    whole = [np.array(indices, np.int32) for indices in (parents, turning, bodies)]
    single = [np.asarray(v, np.float32) for v in (places, crosses, crosses @ crosses, np.reshape(spots, (-1, 3)))]
    return whole[0], whole[1], single[0], single[1], single[2], whole[2], single[3]


def _cross(joint: Joint) -> np.ndarray:
    """The matrix (3, 3) of the cross product with the joint's axis, at length 1 as engines take it."""
    x, y, z = _unit(joint)
    return np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])


def _unit(joint: Joint) -> np.ndarray:
    """The joint's axis at length 1."""
    length = np.linalg.norm(joint.axis)
    return np.array(joint.axis) / (length if length > 0 else 1.0)
