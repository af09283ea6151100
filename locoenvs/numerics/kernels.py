"""Compiled kernels that give the same float32, bit by bit, as the numpy formula they stand in for (:mod:`locoenvs.numerics.compiled`).

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
    """:func:`locoenvs.numerics.rng._mix` of an unsigned word."""
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
    """:func:`locoenvs.numerics.rng.uniform`."""
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
    """:func:`locoenvs.mdp.terrain._ground_height` of points (P,), which replaces ``x``; ``at`` (P,) int32 is for use in here.

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
    """:func:`locoenvs.mdp.terrain.ground_height` of points (P,)."""
    made, y, at = x.copy(), y.copy(), np.empty(len(x), np.int32)
    _heights(ground, np.float32(first_x), np.float32(first_y), np.float32(per), made, y, at)
    return made


@Kernel
def height_samples(
    ground: np.ndarray,
    first_x: Any,
    first_y: Any,
    per: Any,
    position: np.ndarray,
    cos: np.ndarray,
    sin: np.ndarray,
    points: np.ndarray,
    offset: Any,
    clip: float,
) -> np.ndarray:
    """:func:`locoenvs.mdp.observations.height_samples`, of the cosine and sine (N,) of the heading."""
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


@_part
def _rotated(w: Any, x: Any, y: Any, z: Any, a: Any, b: Any, c: Any) -> Any:
    s, t, u = _TWO * (y * c - z * b), _TWO * (z * a - x * c), _TWO * (x * b - y * a)
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


@_part
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


@_part
def _times(a: np.ndarray, b: np.ndarray, into: np.ndarray) -> None:
    """The product of (3, 3) matrices."""
    for i in range(3):
        for j in range(3):
            into[i, j] = a[i, 0] * b[0, j] + a[i, 1] * b[1, j] + a[i, 2] * b[2, j]


@_part
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
    made = np.empty((len(sin), len(body), 3), np.float32)
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
            s, c = sin[row, angle], _ONE - cos[row, angle]
            for i in range(3):
                for j in range(3):
                    turn[i, j] = still[i, j] + s * cross[b, i, j] + c * twice[b, i, j]
            _times(above, turn, turns[b])
        for k in range(len(body)):
            for i in range(3):
                made[row, k, i] = at[body[k], i] + _along(turns[body[k]], spot[k], i)
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


_TANH_OVER = (
    0.9999999868941105,
    0.13410400808396106,
    0.0035306533391220385,
    2.119575816121177e-05,
    1.419282556649012e-08,
)
_TANH_UNDER = (1.0, 0.467437225892144, 0.02600989990934551, 0.0003343358514850186, 8.113826067892128e-07)
"""tanh(x) = x P(x^2) / Q(x^2) up to |x| = 8.5, from where on it is 1: fitted to a relative error of 1.4e-8 by reweighted least
squares; evaluated in float32 it is within 4e-7."""
_P0, _P1, _P2, _P3, _P4 = (np.float32(value) for value in _TANH_OVER)
_Q0, _Q1, _Q2, _Q3, _Q4 = (np.float32(value) for value in _TANH_UNDER)
_FAR, _HALF = np.float32(8.5), np.float32(0.5)


@_part
def _tanh(x: Any) -> Any:
    x = _clipped(x, -_FAR, _FAR)
    s = x * x
    over = x * ((((_P4 * s + _P3) * s + _P2) * s + _P1) * s + _P0)
    return _clipped(over / ((((_Q4 * s + _Q3) * s + _Q2) * s + _Q1) * s + _Q0), -_ONE, _ONE)


@_part
def _weighted(weights: np.ndarray, bias: Any, columns: np.ndarray, width: int, into: np.ndarray) -> None:
    """bias + the sum of weights (K,) times rows of ``columns`` (K, width), added up in the rows' order."""
    size = len(weights)
    for j in range(width):
        into[j] = bias
    for k in range(0, size - size % 4, 4):
        a, b, c, d = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
        for j in range(width):
            into[j] = (
                into[j] + a * columns[k, j] + b * columns[k + 1, j] + c * columns[k + 2, j] + d * columns[k + 3, j]
            )
    for k in range(size - size % 4, size):
        for j in range(width):
            into[j] = into[j] + weights[k] * columns[k, j]


@Kernel
def drives(
    weights: tuple[np.ndarray, ...],
    limit: np.ndarray,
    fade: np.ndarray,
    memory: np.ndarray,
    target: np.ndarray,
    position: np.ndarray,
    velocity: np.ndarray,
    after: np.ndarray,
    torque: np.ndarray,
    start: int,
    stop: int,
) -> None:
    """The drives from ``start`` to ``stop`` of :class:`locoenvs.mdp.actuators.LSTM`: memory ``after`` (2 H L, M), ``torque`` (M,).

    ``weights`` are a layer's (4 H, inputs + H) and its biases (4 H, 1), layer after layer, then (1, H) and (1, 1); ``limit`` and
    ``fade`` (J,) are the joints'. Unlike the
    other kernels it is no formula's bit by bit, since a BLAS adds up as it likes; but a drive's numbers do not depend on
    the others. Drives are evaluated side by side, so that the processor can do several at a time.
    """
    most, largest = 0, 0
    for index in range(0, len(weights) - 2, 2):
        most, largest = max(most, weights[index].shape[0]), max(largest, weights[index].shape[1])
    side = 128
    gates, x = np.empty((most, side), np.float32), np.empty((largest, side), np.float32)
    for first in range(start, stop, side):
        width, row = min(side, stop - first), 0
        for j in range(width):
            x[0, j] = target[first + j] - position[first + j]
        x[1, :width] = velocity[first : first + width]
        for index in range(0, len(weights) - 2, 2):
            units = weights[index].shape[0] // 4
            inputs = weights[index].shape[1] - units
            for unit in range(units):
                x[inputs + unit, :width] = memory[row + unit, first : first + width]
            for gate in range(4 * units):
                into = gates[gate]
                _weighted(weights[index][gate], weights[index + 1][gate, 0], x, width, into)
                for j in range(width):
                    into[j] = _tanh(into[j])
            for unit in range(units):
                before, c = memory[row + units + unit, first : first + width], gates[unit]
                kept, given, new, h = gates[units + unit], gates[2 * units + unit], gates[3 * units + unit], x[unit]
                for j in range(width):
                    c[j] = (kept[j] * _HALF + _HALF) * before[j] + (c[j] * _HALF + _HALF) * new[j]
                for j in range(width):
                    h[j] = (given[j] * _HALF + _HALF) * _tanh(c[j])
                after[row + units + unit, first : first + width] = c[:width]
                after[row + unit, first : first + width] = h[:width]
            row += 2 * units
        given = gates[0]
        _weighted(weights[-2][0], weights[-1][0, 0], x, width, given)
        joint = first % len(limit)
        for j in range(width):
            fading = fade[joint] * velocity[first + j]
            least = -limit[joint] * _clipped(_TWO + fading, _ZERO, _ONE)
            most = limit[joint] * _clipped(_TWO - fading, _ZERO, _ONE)
            torque[first + j] = _clipped(given[j], least, most)
            joint = joint + 1 if joint + 1 < len(limit) else 0
