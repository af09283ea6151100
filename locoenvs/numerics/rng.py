"""Counter-based randomness: a draw is a hash of what it is for, so it is the same in numpy, torch and JAX.

A draw depends on (seed, split, family, robot, episode, step, purpose, index) and on nothing else: not on the number of
robots, on the other robots, on the backend, or on what was drawn before. ``split`` keeps training and held-out streams
apart; each robot belongs to one of F *seed families*, robot modulo F, so that results can be grouped by family.

The hash chains the words through the 32-bit finalizer with the constants 0x7feb352d and 0x846ca68b (the low-bias
constants found by C. Wellons' hash-prospector search); the top 24 bits of the result, divided by 2^24, are a float32
in [0, 1) without rounding. Everything is int32 with wrap-around, which all three namespaces compute alike.
``tests/locoenvs/numerics/test_rng.py`` holds the published test vectors.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TypeAlias

from array_api_compat import array_namespace

from locoenvs.numerics import compiled
from locoenvs.numerics.arrays import Array, device_of


class Purpose(IntEnum):
    """What a draw is for. Numbers are part of the stream: add new ones at the end, never renumber."""

    FRICTION = 0
    PAYLOAD = 1
    LEVEL = 2
    COMMAND = 3
    PUSH = 4
    START_POSITION = 5
    START_HEADING = 6
    START_VELOCITY = 7
    START_JOINTS = 8
    STAGGER = 9
    OBSERVATION_NOISE = 10
    COMMAND_CHANGE = 11


SPLITS = {"train": 0, "panel": 1, "test": 2, "validation": 3}
"""Streams that are apart: training, held-out panels, one that is free for tests, and what judges while it trains. As a stream is known by
32 bits, robots of two splits may have the same by chance; :func:`locoenvs.training.streams.check_apart` refuses such a seed."""


def _signed(word: int) -> int:
    """The int32 with the bits of the low 32 bits of ``word``."""
    word &= 0xFFFFFFFF
    return word - (1 << 32) if word >= 1 << 31 else word


_GOLDEN = _signed(0x9E3779B9)
_FIRST = _signed(0x7FEB352D)
_SECOND = _signed(0x846CA68B)


def _mix(x: Array) -> Array:
    """A bijection of int32 in which every input bit changes about half of the output bits."""
    x = x ^ ((x >> 16) & 0xFFFF)
    x = x * _FIRST
    x = x ^ ((x >> 15) & 0x1FFFF)
    x = x * _SECOND
    return x ^ ((x >> 16) & 0xFFFF)


def _chain(key: Array, word: Array | int) -> Array:
    """A new key from a key and the next word of the counter."""
    return _mix((key ^ word) + _GOLDEN)


Seed: TypeAlias = int | tuple[Array, Array]
"""An integer in [0, 2^64), or its low and its high 32 bits as int32 scalars, which may be traced."""


def words(seed: int) -> tuple[int, int]:
    """The low and the high 32 bits of a seed, as int32."""
    return _signed(seed), _signed(seed >> 32)


def robot_key(seed: Seed, split: int, robot: Array, families: int) -> Array:
    """The stream of each robot, (num_envs,) int32, from the robots' indices (num_envs,) int32."""
    low, high = seed if isinstance(seed, tuple) else words(seed)
    key = robot * 0
    for word in (low, high, split):
        key = _chain(key, word)
    return _chain(_chain(key, robot % families), robot)


def uniform(key: Array, episode: Array, step: Array, purpose: Purpose | int, count: int) -> Array:
    """``count`` draws a robot, (num_envs, count) float32 in [0, 1), from (num_envs,) int32 counters."""
    if kernels := compiled.kernels(key, episode, step):
        return kernels.uniform(key, episode, step, int(purpose), count)
    xp = array_namespace(key)
    key = _chain(_chain(_chain(key, episode), step), int(purpose))
    index = xp.arange(1, count + 1, dtype=xp.int32, device=device_of(key)) * _GOLDEN
    bits = _mix(key[:, None] + index[None, :])
    return xp.astype((bits >> 8) & 0xFFFFFF, xp.float32) * 2.0**-24


def between(draws: Array, low: float, high: float) -> Array:
    """Draws in [0, 1) as draws in [low, high).

    The product is never above ``high - low``; saying so keeps a compiler from fusing it with the sum, which rounds once
    instead of twice and so to other numbers than numpy's.
    """
    return (draws * (high - low)).clip(None, high - low) + low
