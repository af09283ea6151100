"""A slot that tells what it does not say is found, whatever it tells; the suite's own are sound."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from locoenvs.envs.registration import IDS
from locoenvs.envs.registration import task as task_of
from locoenvs.evidence.leaks import audit_observations
from locoenvs.mdp.mdp import Mdp
from locoenvs.mdp.state import Episodes
from locoenvs.mdp.terrain import ground_height
from locoenvs.numerics import rng
from locoenvs.numerics.arrays import Array
from locoenvs.tasks.entries import SlotSpec
from locoenvs.tasks.task import Task
from locoenvs.tasks.vocabulary import OBSERVATION_SLOTS, Hidden, observation_slot

TASK = task_of("Loco/AnymalC-Flat-v0", actuator="pd")


def ahead(mdp: Mdp, episodes: Episodes) -> Array:
    """height of the ground one metre ahead, m"""
    ground, place = mdp.height_map, episodes.readout.base_position
    return ground_height(mdp.ground, ground.origin, ground.cell, place[:, 0] + 1.0, place[:, 1])[:, None]


def place(mdp: Mdp, episodes: Episodes) -> Array:
    """where on the map the robot is, m"""
    return episodes.readout.base_position[:, :1]


def coming(mdp: Mdp, episodes: Episodes) -> Array:
    """a number that the robot's stream will give"""
    return rng.uniform(episodes.key, episodes.number, episodes.step + 50, rng.Purpose.PUSH, 1)


def others(mdp: Mdp, episodes: Episodes) -> Array:
    """how fast all robots are in the mean, m/s"""
    speed = episodes.readout.base_linear_velocity[:, :1]
    return speed * 0 + mdp.xp.mean(speed)


def level(mdp: Mdp, episodes: Episodes) -> Array:
    """how difficult the tile is"""
    return mdp.xp.astype(episodes.level, mdp.xp.float32)[:, None]


def column(mdp: Mdp, episodes: Episodes) -> Array:
    """of which kind the tile is"""
    return mdp.xp.astype(episodes.column, mdp.xp.float32)[:, None]


def begun(mdp: Mdp, episodes: Episodes) -> Array:
    """where the episode began, m"""
    return episodes.start_position[:, :1]


def walked(mdp: Mdp, episodes: Episodes) -> Array:
    """how far the robot is from there, m"""
    return episodes.readout.base_position[:, :1] - episodes.start_position[:, :1]


def which(mdp: Mdp, episodes: Episodes) -> Array:
    """which robot it is"""
    return mdp.xp.astype(episodes.robot, mdp.xp.float32)[:, None]


def had(mdp: Mdp, episodes: Episodes) -> Array:
    """how many episodes it has had"""
    return mdp.xp.astype(episodes.number, mdp.xp.float32)[:, None]


def force(mdp: Mdp, episodes: Episodes) -> Array:
    """what presses on the first body, N"""
    return episodes.readout.contact_force[:, 0, 2:]


def in_the_air(mdp: Mdp, episodes: Episodes) -> Array:
    """how long the first foot has been in the air, s"""
    return episodes.air_time[:, :1]


def clock(mdp: Mdp, episodes: Episodes) -> Array:
    """sine of the phase of a clock"""
    return mdp.xp.sin(mdp.xp.astype(episodes.step, mdp.xp.float32))[:, None]


@pytest.fixture
def with_slot() -> Iterator[Callable[..., Task]]:
    """The task with one more slot."""
    names = []

    def made(function: Callable[..., Array], sees: tuple[Hidden, ...] = ()) -> Task:
        observation_slot(unit="1", size=1, sees=sees)(function)
        names.append(function.__name__)
        slots = (*TASK.observations.slots, SlotSpec(name=function.__name__))
        return dataclasses.replace(TASK, observations=dataclasses.replace(TASK.observations, slots=slots))

    yield made
    for name in names:
        OBSERVATION_SLOTS.remove(name)


@pytest.mark.parametrize("env_id", IDS)
def test_the_suites_own_slots_tell_what_they_say(env_id: str) -> None:
    findings = audit_observations(task_of(env_id))
    assert all(finding.passed for finding in findings)
    assert findings[0].message == ("seen by heights" if "Rough" in env_id else "seen by no slot")


@pytest.mark.parametrize(
    ("function", "hidden"),
    [
        (ahead, "ground"),
        *((each, "place") for each in (place, level, column, begun, walked)),
        *((each, "draws") for each in (coming, which, had)),
        *((each, "contact") for each in (force, in_the_air)),
        (others, "other robots"),
    ],
)
def test_a_leak_is_named(with_slot: Callable[..., Task], function: Callable[..., Array], hidden: str) -> None:
    wrong = [finding for finding in audit_observations(with_slot(function)) if not finding.passed]
    assert [finding.name for finding in wrong] == [f"no leak of {hidden}"]
    assert f"slot {function.__name__} " in wrong[0].message


def test_what_a_slot_says_that_it_sees_is_no_leak(with_slot: Callable[..., Task]) -> None:
    assert all(finding.passed for finding in audit_observations(with_slot(ahead, ("ground",))))
    assert all(finding.passed for finding in audit_observations(with_slot(force, ("contact",))))


def test_a_clock_is_no_leak(with_slot: Callable[..., Task]) -> None:
    assert all(finding.passed for finding in audit_observations(with_slot(clock)))


def test_an_unknown_thing_to_see_is_refused() -> None:
    with pytest.raises(ValueError, match="sees: .*ground"):
        observation_slot(unit="1", size=1, sees=("gruond",))(ahead)  # type: ignore[arg-type]


def test_it_draws_no_random_numbers_of_its_own() -> None:
    state = np.random.get_state()[1]
    audit_observations(TASK)
    assert np.array_equal(state, np.random.get_state()[1])
