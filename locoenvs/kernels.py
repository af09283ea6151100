"""Compiled kernels that give the same float32, bit by bit, as the numpy formula they stand in for (:mod:`locoenvs.compiled`).

So each operation is rounded to float32 as numpy rounds it, sums are added up in numpy's order, and what is no exact
operation (sines, exponentials) is left to numpy. They release Python's lock. The cache of compiled code is renewed when its
own file changes, so nothing compiled is imported from elsewhere.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit


class Kernel:
    """A compiled function, kept in numba's cache; compiled anew where that cannot be written to, or is broken."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        try:
            self._compiled = njit(nogil=True, cache=True, error_model="numpy")(function)
        except RuntimeError:  # no folder for the cache can be written to
            self._compiled = self._without_cache()

    def __call__(self, *arguments: Any) -> Any:
        try:
            return self._compiled(*arguments)
        except (OSError, EOFError, pickle.UnpicklingError):
            self._compiled = self._without_cache()
            return self._compiled(*arguments)

    def _without_cache(self) -> Any:
        return njit(nogil=True, error_model="numpy")(self._function)


_part = njit(nogil=True, error_model="numpy", inline="never")
"""For what kernels call: it is compiled into each of them."""

_GOLDEN, _FIRST, _SECOND = np.uint32(0x9E3779B9), np.uint32(0x7FEB352D), np.uint32(0x846CA68B)
_TO_UNIT = np.float32(2.0**-24)
_ZERO, _ONE, _TWO, _NAN = np.float32(0), np.float32(1), np.float32(2), np.float32(np.nan)


@_part
def _mix(x: Any) -> Any:
    """:func:`locoenvs.rng._mix` of an unsigned word."""
    x = np.uint32(x ^ (x >> np.uint32(16)))
    x = np.uint32(x * _FIRST)
    x = np.uint32(x ^ (x >> np.uint32(15)))
    x = np.uint32(x * _SECOND)
    return np.uint32(x ^ (x >> np.uint32(16)))


@_part
def _chain(key: Any, word: Any) -> Any:
    return _mix(np.uint32(np.uint32(key ^ np.uint32(word)) + _GOLDEN))


@_part
def _stream(key: Any, episode: Any, step: Any, purpose: Any) -> Any:
    return _chain(_chain(_chain(np.uint32(key), episode), step), purpose)


@_part
def _draw(stream: Any, index: Any) -> Any:
    """The draw of that index, from 0, of a stream: float32 in [0, 1)."""
    bits = _mix(np.uint32(stream + np.uint32(np.uint32(index + 1) * _GOLDEN)))
    return np.float32(np.int32(bits >> np.uint32(8))) * _TO_UNIT


@Kernel
def uniform(key: np.ndarray, episode: np.ndarray, step: np.ndarray, purpose: int, count: int) -> np.ndarray:
    """:func:`locoenvs.rng.uniform`."""
    made = np.empty((len(key), count), np.float32)
    for robot in range(len(key)):
        stream = _stream(key[robot], episode[robot], step[robot], purpose)
        for index in range(count):
            made[robot, index] = _draw(stream, index)
    return made


@_part
def _clipped(value: Any, low: Any, high: Any) -> Any:
    """A NaN stays one."""
    value = low if value < low else value
    return high if value > high else value


@Kernel
def noisy(
    values: np.ndarray,
    scale: np.ndarray,
    noise: np.ndarray,
    key: np.ndarray,
    episode: np.ndarray,
    step: np.ndarray,
    purpose: int,
    clip: float,
) -> tuple[np.ndarray, np.ndarray]:
    """The observation (N, O) with its noise, and the one without, from values (N, O) in their units."""
    count, size = values.shape
    policy, critic = np.empty((count, size), np.float32), np.empty((count, size), np.float32)
    low, high = np.float32(-clip), np.float32(clip)
    for robot in range(count):
        stream = _stream(key[robot], episode[robot], step[robot], purpose)
        for index in range(size):
            clean = values[robot, index] * scale[index]
            shaken = clean + (_draw(stream, index) * _TWO - _ONE) * noise[index]
            policy[robot, index] = _clipped(shaken, low, high)
            critic[robot, index] = _clipped(clean, low, high)
    return policy, critic


@_part
def _limit(cells: int) -> Any:
    """The last float32 below the number of cells."""
    return np.nextafter(np.float32(cells), _ZERO)


@_part
def _heights(ground: np.ndarray, first_x: Any, first_y: Any, per: Any, x: np.ndarray, y: np.ndarray, at: Any) -> None:
    """:func:`locoenvs.terrain._ground_height` of points (P,), which replaces ``x``; ``at`` (P,) int32 is for use in here.

    Only the loop in the middle goes to the map, so that the others are done for several points at a time.
    """
    rows, columns = np.int32(ground.shape[0]), np.int32(ground.shape[1])
    limit_x, limit_y = _limit(columns - 1), _limit(rows - 1)
    flat, last = ground.ravel(), np.int32(ground.size - 1)
    for k in range(len(x)):
        u, v = _clipped((x[k] - first_x) * per, _ZERO, limit_x), _clipped((y[k] - first_y) * per, _ZERO, limit_y)
        column, row = np.int32(u), np.int32(v)
        x[k], y[k] = u - np.float32(column), v - np.float32(row)
        at[k] = np.int32(np.int32(row * columns) + column)
    for k in range(len(x)):
        u, v = x[k], y[k]
        corner = at[k]
        side = corner + (columns if u < v else 1)
        far = corner + columns + 1
        low, middle = flat[_inside(corner, last)], flat[_inside(side, last)]
        high = flat[_inside(far, last)]
        height = low + (u if u > v else v) * (middle - low) + (v if u > v else u) * (high - middle)
        x[k] = height if u == u and v == v else _NAN


@_part
def _inside(index: Any, last: Any) -> Any:
    """An index from 0 to ``last``; that of a NaN may be anything."""
    return np.uintp(min(max(index, 0), last))


@Kernel
def ground_height(
    ground: np.ndarray, first_x: float, first_y: float, per: float, x: np.ndarray, y: np.ndarray
) -> np.ndarray:
    """:func:`locoenvs.terrain.ground_height` of points (P,)."""
    made, y, at = x.copy(), y.copy(), np.empty(len(x), np.int32)
    _heights(ground, np.float32(first_x), np.float32(first_y), np.float32(per), made, y, at)
    return made


@Kernel
def height_samples(
    ground: np.ndarray,
    first_x: float,
    first_y: float,
    per: float,
    position: np.ndarray,
    cos: np.ndarray,
    sin: np.ndarray,
    points: np.ndarray,
    offset: float,
    clip: float,
) -> np.ndarray:
    """:func:`locoenvs.observations.height_samples`, of the cosine and sine (N,) of the heading."""
    first_x, first_y, per = np.float32(first_x), np.float32(first_y), np.float32(per)
    low, high, offset = np.float32(-clip), np.float32(clip), np.float32(offset)
    forward, sideways = points[:, 0].copy(), points[:, 1].copy()
    made, y, at = np.empty((len(position), len(points)), np.float32), forward.copy(), np.empty(len(points), np.int32)
    for robot in range(len(position)):
        at_x, at_y, up = position[robot, 0], position[robot, 1], position[robot, 2] - offset
        c, s = cos[robot], sin[robot]
        x = made[robot]
        for k in range(len(points)):
            x[k] = at_x + c * forward[k] - s * sideways[k]
            y[k] = at_y + s * forward[k] + c * sideways[k]
        _heights(ground, first_x, first_y, per, x, y, at)
        for k in range(len(points)):
            x[k] = _clipped(up - x[k], low, high)
    return made


@Kernel
def rotate(quaternion: np.ndarray, vector: np.ndarray, sign: float) -> np.ndarray:
    """:func:`locoenvs.rotation._rotate` of rows (N, 4) and (N, 3)."""
    made, sign = np.empty((len(vector), 3), np.float32), np.float32(sign)
    for row in range(len(vector)):
        w, x, y, z = quaternion[row, 0], quaternion[row, 1], quaternion[row, 2], quaternion[row, 3]
        x, y, z = x * sign, y * sign, z * sign
        a, b, c = vector[row, 0], vector[row, 1], vector[row, 2]
        s, t, u = _TWO * (y * c - z * b), _TWO * (z * a - x * c), _TWO * (x * b - y * a)
        made[row, 0] = a + w * s + (y * u - z * t)
        made[row, 1] = b + w * t + (z * s - x * u)
        made[row, 2] = c + w * u + (x * t - y * s)
    return made


@Kernel
def squared_norm(vectors: np.ndarray) -> np.ndarray:
    """The sums (N,) of the squares of rows (N, K), added up as numpy does: in eight sums, then those in pairs."""
    count, size = vectors.shape
    made = np.empty(count, np.float32)
    whole = size - size % 8
    for row in range(count):
        total = _ZERO
        if whole:
            s0, s1, s2, s3, s4, s5, s6, s7 = _ZERO, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO
            for k in range(0, whole, 8):
                s0 += vectors[row, k] * vectors[row, k]
                s1 += vectors[row, k + 1] * vectors[row, k + 1]
                s2 += vectors[row, k + 2] * vectors[row, k + 2]
                s3 += vectors[row, k + 3] * vectors[row, k + 3]
                s4 += vectors[row, k + 4] * vectors[row, k + 4]
                s5 += vectors[row, k + 5] * vectors[row, k + 5]
                s6 += vectors[row, k + 6] * vectors[row, k + 6]
                s7 += vectors[row, k + 7] * vectors[row, k + 7]
            total = ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))
        for k in range(whole, size):
            total += vectors[row, k] * vectors[row, k]
        made[row] = total
    return made
