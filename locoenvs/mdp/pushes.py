"""Pushes: when they come, and how fast they make the base."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

from array_api_compat import array_namespace

from locoenvs.mdp.mdp import Mdp
from locoenvs.mdp.state import Readout, Simulator
from locoenvs.numerics import rng
from locoenvs.numerics.arrays import Array
from locoenvs.numerics.rotation import rotate, rotate_inverse
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


def apply(
    simulator: Simulator,
    physics: object,
    readout: Readout,
    mask: Array,
    change: Array,
    mode: Literal["add", "set"] = "add",
) -> tuple[object, Readout]:
    """Physics and readout after the robots of ``mask`` (N,) are pushed by ``change`` (N, 2) m/s, world frame: added to the base's
    horizontal velocity, or set in its place."""
    xp = array_namespace(change)
    world = rotate(readout.base_quaternion, readout.base_linear_velocity)
    horizontal = change + world[:, :2] if mode == "add" else change
    after = rotate_inverse(readout.base_quaternion, xp.concat([horizontal, world[:, 2:]], axis=-1))
    velocity = xp.where(mask[:, None], after, readout.base_linear_velocity)
    return simulator.push(physics, mask, horizontal), dataclasses.replace(readout, base_linear_velocity=velocity)
