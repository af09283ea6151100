"""Learned drives."""

from __future__ import annotations

from typing import Any

import numpy as np

from locoenvs.numerics.kernels.kernel import ONE, TWO, ZERO, Kernel, part

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


@part
def _tanh(x: Any) -> Any:
    x = min(max(x, -_FAR), _FAR)
    s = x * x
    over = x * ((((_P4 * s + _P3) * s + _P2) * s + _P1) * s + _P0)
    return min(max(over / ((((_Q4 * s + _Q3) * s + _Q2) * s + _Q1) * s + _Q0), -ONE), ONE)


@part
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
                kept, shown, new, h = gates[units + unit], gates[2 * units + unit], gates[3 * units + unit], x[unit]
                for j in range(width):
                    c[j] = (kept[j] * _HALF + _HALF) * before[j] + (c[j] * _HALF + _HALF) * new[j]
                for j in range(width):
                    h[j] = (shown[j] * _HALF + _HALF) * _tanh(c[j])
                after[row + units + unit, first : first + width] = c[:width]
                after[row + unit, first : first + width] = h[:width]
            row += 2 * units
        outputs = gates[0]
        _weighted(weights[-2][0], weights[-1][0, 0], x, width, outputs)
        joint = first % len(limit)
        for j in range(width):
            fading = fade[joint] * velocity[first + j]
            least = -limit[joint] * min(max(TWO + fading, ZERO), ONE)
            most = limit[joint] * min(max(TWO - fading, ZERO), ONE)
            torque[first + j] = min(max(outputs[j], least), most)
            joint = joint + 1 if joint + 1 < len(limit) else 0
