"""A check sum of where a robot was at every step: two motions with the same one are the same, bit by bit."""

from __future__ import annotations

import numpy as np

from locoenvs.mdp.state import Readout
from locoenvs.numerics.arrays import convert

_PRIME = np.uint64(0x9E3779B97F4A7C15)


def begun(count: int) -> np.ndarray:
    """The check sums (N,) of robots that have not moved yet."""
    return np.zeros(count, np.uint64)


def positions(readout: Readout) -> np.ndarray:
    """Where robots are, (N, 7 + J) float32: the base's position m and quaternion, joints rad."""
    parts = (readout.base_position, readout.base_quaternion, readout.joint_position)
    return np.concatenate([np.asarray(convert(part, "numpy"), np.float32) for part in parts], axis=1)


def gone_on(sums: np.ndarray, where: np.ndarray) -> np.ndarray:
    """The check sums (N,) of motions with one more step to ``where`` (N, 7 + J). No two positions are taken for the same."""
    words = where.view(np.uint32).astype(np.uint64)
    for column in words.T:
        sums = (sums ^ column) * _PRIME
        sums = sums ^ (sums >> np.uint64(29))
    return sums
