"""Where bodies are and how they move: rotations, what an engine reports, kinematics."""

from __future__ import annotations

from typing import Any

import numpy as np

from locoenvs.numerics.kernels.kernel import ONE, TWO, Kernel, part


@part
def _rotated(w: Any, x: Any, y: Any, z: Any, a: Any, b: Any, c: Any) -> Any:
    s, t, u = TWO * (y * c - z * b), TWO * (z * a - x * c), TWO * (x * b - y * a)
    return a + w * s + (y * u - z * t), b + w * t + (z * s - x * u), c + w * u + (x * t - y * s)


@Kernel
def rotate(quaternion: np.ndarray, vector: np.ndarray, sign: Any) -> np.ndarray:
    """:func:`locoenvs.numerics.rotation._rotate` of rows (N, 4) and (N, 3)."""
    made, sign = np.empty((len(vector), 3), np.float32), np.float32(sign)
    for row in range(len(vector)):
        w, x, y, z = quaternion[row, 0], quaternion[row, 1], quaternion[row, 2], quaternion[row, 3]
        turned = _rotated(w, x * sign, y * sign, z * sign, vector[row, 0], vector[row, 1], vector[row, 2])
        made[row, 0], made[row, 1], made[row, 2] = turned
    return made


@part
def _columns(rows: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Those columns as float32."""
    made = np.empty((len(rows), stop - start), np.float32)
    for row in range(len(rows)):
        for column in range(start, stop):
            made[row, column - start] = np.float32(rows[row, column])
    return made


@Kernel
def readout(
    positions: np.ndarray,
    velocities: np.ndarray,
    torque: np.ndarray,
    forces: np.ndarray,
    feet: np.ndarray,
    fastest: float,
) -> tuple[np.ndarray, ...]:
    """What a robot on a free joint does, from an engine's float64: positions (N, 7 + J), velocities (N, 6 + J), the linear one in
    the world frame, torques (N, J), and rows of 3-vectors (N, 3 C) and (N, 3 F).

    Position, quaternion, linear velocity in the base frame, angular velocity, joints, joint velocities, torques, forces, feet; and
    the robots (N,) with a velocity that is not below ``fastest``.
    """
    position, quaternion = _columns(positions, 0, 3), _columns(positions, 3, 7)
    linear, angular = _columns(velocities, 0, 3), _columns(velocities, 3, 6)
    joints, speeds = _columns(positions, 7, positions.shape[1]), _columns(velocities, 6, velocities.shape[1])
    fast, limit = np.zeros(len(positions), np.bool_), np.float32(fastest)
    for row in range(len(positions)):
        for column in range(3):
            if not (abs(linear[row, column]) < limit and abs(angular[row, column]) < limit):
                fast[row] = True
        for column in range(speeds.shape[1]):
            if not abs(speeds[row, column]) < limit:
                fast[row] = True
        w, x, y, z = quaternion[row, 0], -quaternion[row, 1], -quaternion[row, 2], -quaternion[row, 3]
        turned = _rotated(w, x, y, z, linear[row, 0], linear[row, 1], linear[row, 2])
        linear[row, 0], linear[row, 1], linear[row, 2] = turned
    return (
        position,
        quaternion,
        linear,
        angular,
        joints,
        speeds,
        _columns(torque, 0, torque.shape[1]),
        _columns(forces, 0, forces.shape[1]),
        _columns(feet, 0, feet.shape[1]),
        fast,
    )


@part
def _times(a: np.ndarray, b: np.ndarray, into: np.ndarray) -> None:
    """The product of (3, 3) matrices."""
    for i in range(3):
        for j in range(3):
            into[i, j] = a[i, 0] * b[0, j] + a[i, 1] * b[1, j] + a[i, 2] * b[2, j]


@part
def _along(turn: np.ndarray, vector: np.ndarray, i: int) -> Any:
    return turn[i, 0] * vector[0] + turn[i, 1] * vector[1] + turn[i, 2] * vector[2]


@Kernel
def sphere_centers(
    parent: np.ndarray,
    joint: np.ndarray,
    place: np.ndarray,
    cross: np.ndarray,
    twice: np.ndarray,
    body: np.ndarray,
    spot: np.ndarray,
    sin: np.ndarray,
    cos: np.ndarray,
) -> np.ndarray:
    """:func:`locoenvs.mdp.kinematics.sphere_centers` of the arrays of a robot's tree, and the joints' sines and cosines (N, J)."""
    centers = np.empty((len(sin), len(body), 3), np.float32)
    turns, at = np.zeros((len(parent), 3, 3), np.float32), np.zeros((len(parent), 3), np.float32)
    still, turn = np.eye(3).astype(np.float32), np.empty((3, 3), np.float32)
    for row in range(len(sin)):
        for b in range(len(parent)):
            before, angle = parent[b], joint[b]
            above = still if before < 0 else turns[before]
            if before >= 0:
                for i in range(3):
                    at[b, i] = at[before, i] + _along(above, place[b], i)
            if angle < 0:
                turns[b] = above
                continue
            s, c = sin[row, angle], ONE - cos[row, angle]
            for i in range(3):
                for j in range(3):
                    turn[i, j] = still[i, j] + s * cross[b, i, j] + c * twice[b, i, j]
            _times(above, turn, turns[b])
        for k in range(len(body)):
            for i in range(3):
                centers[row, k, i] = at[body[k], i] + _along(turns[body[k]], spot[k], i)
    return centers
