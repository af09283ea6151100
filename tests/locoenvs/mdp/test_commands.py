"""What a robot is asked to do: the draws, the heading that asks for a yaw rate, and when a new command is due."""

from __future__ import annotations

import dataclasses
import math

import array_api_compat.numpy as xp
import numpy as np
import pytest

from fake import BIPED
from locoenvs.mdp import commands
from locoenvs.mdp.mdp import Mdp, prepare
from locoenvs.mdp.terrain import build
from locoenvs.numerics import rng
from locoenvs.numerics.rotation import from_heading
from locoenvs.tasks.task import Commands, Observations, Task, Terrain

ASKED = Commands(forward=(-0.5, 1.5), sideways=(0.1, 0.3), heading=(-1.0, 2.0), yaw_rate=(-0.2, 0.4), minimum_speed=0.0)
KEY = rng.robot_key(3, 0, np.arange(400, dtype=np.int32), 128)
ZERO = np.zeros(400, np.int32)


def mdp(config: Commands) -> Mdp:
    task = Task(BIPED, terrain=Terrain(kind="plane"), observations=Observations.paper(heights=None), commands=config)
    return prepare(task, build(task.terrain), xp)


def test_each_part_has_a_draw_of_its_own_within_its_range() -> None:
    drawn = commands.draw(mdp(ASKED), KEY, ZERO + np.int32(2), ZERO + np.int32(7))
    u = rng.uniform(KEY, ZERO + np.int32(2), ZERO + np.int32(7), rng.Purpose.COMMAND, 4)
    expected = u * [2.0, 0.2, 0.6, 3.0] + [-0.5, 0.1, -0.2, -1.0]
    np.testing.assert_allclose(drawn, expected, atol=1e-6)


def test_commands_slower_than_the_minimum_are_to_stand() -> None:
    """By the norm of both parts; the yaw rate and the heading stay."""
    config = dataclasses.replace(ASKED, forward=(-1, 1), sideways=(-1, 1))
    every = commands.draw(mdp(config), KEY, ZERO, ZERO)
    found = commands.draw(mdp(dataclasses.replace(config, minimum_speed=0.6)), KEY, ZERO, ZERO)
    slow = np.linalg.norm(every[:, :2], axis=-1) < 0.6
    expected = np.where(slow[:, None] & (np.arange(4) < 2), 0, every)
    np.testing.assert_array_equal(found, expected)
    alone = np.minimum(np.abs(every[:, 0]), np.abs(every[:, 1])) < 0.6
    assert 50 < slow.sum() < 200 and (alone & ~slow).sum() > 50


@pytest.mark.parametrize(
    ("asked", "faced", "rate"),
    [
        (0.6, 0.0, 0.3),  # to the left: a positive rate
        (-0.6, 0.0, -0.3),
        (0.5, 0.9, -0.2),
        (2.9, 0.0, 1.2),  # as fast as it may
        (-2.9, 0.0, -1.2),
        (3.0, -3.0, 0.5 * (6.0 - 2 * math.pi)),  # the short way round
        (-3.0, 3.0, 0.5 * (2 * math.pi - 6.0)),
        (0.7, 0.7, 0.0),
    ],
)
def test_the_heading_error_becomes_a_yaw_rate(asked: float, faced: float, rate: float) -> None:
    config = Commands(heading_gain=0.5, max_yaw_rate=1.2)
    given = np.float32([[0.1, 0.2, 9.0, asked]])
    steered = commands.steered(mdp(config), given, from_heading(np.float32([faced])))
    np.testing.assert_allclose(steered, [[0.1, 0.2, rate, asked]], atol=1e-6)


def test_a_commanded_yaw_rate_is_left_alone() -> None:
    given = np.float32([[0.1, 0.2, 0.3, 2.0]])
    steered = commands.steered(mdp(Commands(mode="yaw_rate")), given, from_heading(np.float32([1.0])))
    np.testing.assert_array_equal(steered, given)


def test_due_commands_are_those_of_their_step_and_others_stay() -> None:
    """Every 0.1 s is every fifth control step of 0.02 s."""
    made, old = mdp(dataclasses.replace(ASKED, resample_every=0.1)), np.full((400, 4), 9, np.float32)
    step, number = np.arange(400, dtype=np.int32) % 12 + 1, np.arange(400, dtype=np.int32) % 3
    found = commands.resampled(made, old, KEY, number, step)
    due = np.isin(step, (5, 10))
    np.testing.assert_array_equal(found[~due], old[~due])
    np.testing.assert_array_equal(found[due], commands.draw(made, KEY, number, step)[due])
    np.testing.assert_array_equal(commands.resampled(mdp(ASKED), old, KEY, number, step), old)


def test_the_chance_of_a_change_is_the_robots_own_draw() -> None:
    made, old = mdp(dataclasses.replace(ASKED, resample_every=0.02, resample_chance=0.5)), np.zeros((400, 4), "f4")
    step = ZERO + np.int32(3)
    chance = rng.uniform(KEY, ZERO, step, rng.Purpose.COMMAND_CHANGE, 1)[:, 0]
    for factor, share in ((None, 0.5), (0.4, 0.2)):
        changed = np.any(commands.resampled(made, old, KEY, ZERO, step, factor) != 0, axis=-1)
        np.testing.assert_array_equal(changed, chance < share)
