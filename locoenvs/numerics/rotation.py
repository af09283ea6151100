"""Rotations on any array namespace: wxyz unit quaternions (..., 4) that turn base-frame vectors into world vectors.

Sums are written out, not reduced or multiplied as matrices, so that a robot's numbers do not depend on the batch size.
"""

from __future__ import annotations

import math

from array_api_compat import array_namespace

from locoenvs.numerics import compiled
from locoenvs.numerics.arrays import Array


def rotate(quaternion: Array, vector: Array) -> Array:
    """``vector`` (..., 3) of the base frame in the world frame."""
    return _rotate(quaternion, vector, 1.0)


def rotate_inverse(quaternion: Array, vector: Array) -> Array:
    """``vector`` (..., 3) of the world frame in the base frame."""
    return _rotate(quaternion, vector, -1.0)


def _rotate(quaternion: Array, vector: Array, sign: float) -> Array:
    """v + 2 w (u x v) + 2 u x (u x v), with u the quaternion's vector part times ``sign``."""
    if quaternion.ndim == vector.ndim == 2 and len(quaternion) == len(vector):
        if kernels := compiled.kernels(quaternion, vector):
            return kernels.rotate(quaternion, vector, sign)
    xp = array_namespace(quaternion)
    w, x, y, z = (quaternion[..., i] for i in range(4))
    x, y, z = x * sign, y * sign, z * sign
    a, b, c = (vector[..., i] for i in range(3))
    s, t, u = 2 * (y * c - z * b), 2 * (z * a - x * c), 2 * (x * b - y * a)
    return xp.stack([a + w * s + (y * u - z * t), b + w * t + (z * s - x * u), c + w * u + (x * t - y * s)], axis=-1)


def multiply(first: Array, second: Array) -> Array:
    """The quaternion (..., 4) that turns as ``second`` does, then as ``first``."""
    xp = array_namespace(first)
    a, b, c, d = (first[..., i] for i in range(4))
    w, x, y, z = (second[..., i] for i in range(4))
    return xp.stack(
        [
            a * w - b * x - c * y - d * z,
            a * x + b * w + c * z - d * y,
            a * y - b * z + c * w + d * x,
            a * z + b * y - c * x + d * w,
        ],
        axis=-1,
    )


def projected_gravity(quaternion: Array) -> Array:
    """The unit vector of gravity in the base frame, (..., 3); (0, 0, -1) when level."""
    xp = array_namespace(quaternion)
    w, x, y, z = (quaternion[..., i] for i in range(4))
    return xp.stack([2 * (w * y - x * z), -2 * (w * x + y * z), 2 * (x * x + y * y) - 1], axis=-1)


def heading(quaternion: Array) -> Array:
    """The angle of the base's forward axis in the world's horizontal plane, rad in [-pi, pi]."""
    xp = array_namespace(quaternion)
    w, x, y, z = (quaternion[..., i] for i in range(4))
    return xp.atan2(2 * (x * y + w * z), 1 - 2 * (y * y + z * z))


def from_heading(angle: Array) -> Array:
    """The level quaternion of that heading, (..., 4)."""
    xp = array_namespace(angle)
    zero = xp.zeros_like(angle)
    return xp.stack([xp.cos(angle / 2), zero, zero, xp.sin(angle / 2)], axis=-1)


def wrap_to_pi(angle: Array) -> Array:
    """The same angle in [-pi, pi)."""
    return (angle + math.pi) % (2 * math.pi) - math.pi
