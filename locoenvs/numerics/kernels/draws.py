"""Random numbers, and the noise of an observation."""

from __future__ import annotations

from typing import Any

import numpy as np

from locoenvs.numerics.kernels.kernel import ONE, TWO, Kernel, part

_GOLDEN, _FIRST, _SECOND = np.uint32(0x9E3779B9), np.uint32(0x7FEB352D), np.uint32(0x846CA68B)
_TO_UNIT = np.float32(2.0**-24)


@part
def _mix(x: Any) -> Any:
    """:func:`locoenvs.numerics.rng._mix` of an unsigned word."""
    x = np.uint32(x ^ (x >> np.uint32(16)))
    x = np.uint32(x * _FIRST)
    x = np.uint32(x ^ (x >> np.uint32(15)))
    x = np.uint32(x * _SECOND)
    return np.uint32(x ^ (x >> np.uint32(16)))


@part
def _chain(key: Any, word: Any) -> Any:
    return _mix(np.uint32(np.uint32(key ^ np.uint32(word)) + _GOLDEN))


@part
def _stream(key: Any, episode: Any, step: Any, purpose: Any) -> Any:
    return _chain(_chain(_chain(np.uint32(key), episode), step), purpose)


@part
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
            shaken = clean + (_draw(stream, index) * TWO - ONE) * noise[index]
            policy[robot, index] = min(max(shaken, low), high)
            critic[robot, index] = min(max(clean, low), high)
    return policy, critic
