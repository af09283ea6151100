"""Pushes: when they come, and how fast they make the base."""

from __future__ import annotations

import math

from array_api_compat import array_namespace

from locoenvs.mdp.mdp import Mdp
from locoenvs.numerics import rng
from locoenvs.numerics.arrays import Array
from locoenvs.tasks.task import Pushes


def due(mdp: Mdp, pushes: Pushes, count: Array) -> Array:
    """Whether a push comes at control step ``count`` (N,) of an episode, (N,) bool."""
    return count % round(pushes.interval / mdp.task.timing.control_dt) == 0


def drawn(pushes: Pushes, key: Array, number: Array, count: Array) -> Array:
    """The horizontal velocity of a push at step ``count`` of episode ``number`` of the streams ``key``, (N, 2) m/s, world frame."""
    draws = rng.uniform(key, number, count, rng.Purpose.PUSH, 2)
    if pushes.speed is not None:
        xp = array_namespace(draws)
        speed, angle = rng.between(draws[:, 0], *pushes.speed), rng.between(draws[:, 1], -math.pi, math.pi)
        return xp.stack([speed * xp.cos(angle), speed * xp.sin(angle)], axis=-1)
    return rng.between(draws, -pushes.velocity, pushes.velocity)
