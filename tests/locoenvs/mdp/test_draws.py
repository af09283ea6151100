"""What is drawn for each robot: a stream for each randomization, and how what several of them give is put together."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, get_args

import array_api_compat.numpy as numpy_xp
import array_api_compat.torch as torch_xp
import numpy as np
import pytest

from fake import BIPED
from locoenvs.mdp.draws import (
    DRIVE,
    QUANTITIES,
    Draw,
    Stage,
    drive_numbers,
    longest,
    of_stage,
    physics_numbers,
    quantities,
)
from locoenvs.mdp.mdp import Mdp, prepare
from locoenvs.mdp.terrain import build
from locoenvs.numerics import rng
from locoenvs.numerics.arrays import convert
from locoenvs.tasks.task import Task, Terrain
from locoenvs.tasks.vocabulary import RANDOMIZATIONS, randomization

PLAIN = Task(BIPED, terrain=Terrain(kind="plane"))
GROUND = build(PLAIN.terrain)
COUNT = 64
OWN = [name for name, word in RANDOMIZATIONS.words().items() if word.package == "locoenvs"]


def varied(**terms: Any) -> Task:
    return PLAIN.with_({f"randomization.terms.{name}": {"parameters": given} for name, given in terms.items()})


def ready(task: Task, xp: ModuleType = numpy_xp) -> Mdp:
    return prepare(task, GROUND, xp)


def keys(count: int = COUNT) -> Any:
    return rng.robot_key(3, 0, np.arange(count, dtype=np.int32), PLAIN.seed_families)


def draw(name: str = "mine", episode: int = 0, step: int = 0, count: int = COUNT) -> Draw:
    key = keys(count)
    return Draw(name, key, key * 0 + episode, key * 0 + step)


def on(
    namespace: str, function: Callable[[ModuleType], Callable[[Any], list[Any]]], key: np.ndarray
) -> list[np.ndarray]:
    """What ``function`` makes of the keys on another namespace, of jax as one program."""
    if namespace == "torch":
        return [convert(value, "numpy") for value in function(torch_xp)(torch_xp.asarray(key))]
    jax = pytest.importorskip("jax")
    return [np.asarray(value) for value in jax.jit(function(jax.numpy))(jax.numpy.asarray(key))]


@pytest.fixture
def foreign() -> Iterator[None]:
    """A second randomization of every quantity that several may vary."""

    @randomization("drive", quantities=tuple(DRIVE))
    def other_drives(draw: Draw, mdp: Mdp, value: float = 3.0) -> dict[str, Any]:
        """All numbers of the drives are the same."""
        return {quantity: draw(1) * 0 + value for quantity in DRIVE}

    @randomization("physics", quantities=("mass", "center_of_mass", "armature"))
    def other_bodies(draw: Draw, mdp: Mdp, value: float = 3.0) -> dict[str, Any]:
        """All numbers of the bodies are the same."""
        sizes = {"mass": len(mdp.task.robot.bodies), "center_of_mass": 3, "armature": mdp.num_joints}
        return {quantity: draw(size) * 0 + value for quantity, size in sizes.items()}

    yield
    for name in ("other_drives", "other_bodies"):
        RANDOMIZATIONS.remove(name)


def test_a_draw_is_the_hash_of_its_name_robot_episode_and_step() -> None:
    made = draw("mine", episode=4, step=7)
    purpose = 2**16 + zlib.crc32(b"mine") % 2**30
    np.testing.assert_array_equal(made(5), rng.uniform(made.key, made.episode, made.step * 0, purpose, 5))
    np.testing.assert_array_equal(made(5), made(5))
    np.testing.assert_array_equal(made(5)[:, :2], made(2))
    np.testing.assert_array_equal(made.between((-2.0, 3.0), 5), rng.between(made(5), -2.0, 3.0))
    assert made(5).shape == (COUNT, 5) and made(5).dtype == np.float32


def test_it_lasts_for_a_robots_life_an_episode_or_a_step() -> None:
    changes = {"robot": (False, False), "episode": (True, False), "step": (True, True)}
    for per, (by_episode, by_step) in changes.items():
        first = draw(episode=1, step=1)(3, per)  # type: ignore[arg-type]
        for changed, other in ((by_episode, draw(episode=2, step=1)), (by_step, draw(episode=1, step=2))):
            same = other(3, per) == first  # type: ignore[arg-type]
            assert (same.mean() < 0.05) if changed else same.all(), per


def test_every_randomization_has_a_stream_of_its_own_apart_from_the_tasks() -> None:
    streams = {2**16 + zlib.crc32(name.encode()) % 2**30 for name in OWN}
    assert len(streams) == len(OWN) and min(streams) > max(rng.Purpose)
    assert max(streams) < 2**31, "an int32"
    assert (draw("mine")(8) == draw("yours")(8)).mean() < 0.05


def test_more_robots_change_nothing() -> None:
    np.testing.assert_array_equal(draw(episode=2, count=500)(6)[:COUNT], draw(episode=2)(6))


@pytest.mark.parametrize("namespace", ["torch", "jax"])
def test_every_namespace_draws_the_same(namespace: str) -> None:
    def drawn(key: Any) -> list[Any]:
        made = Draw("mine", key, key * 0 + 2, key * 0 + 9)
        return [made.between((-0.3, 0.7), 4, per) for per in ("robot", "episode", "step")]

    for ours, theirs in zip(drawn(keys()), on(namespace, lambda xp: drawn, keys()), strict=True):
        np.testing.assert_array_equal(theirs, ours)


def test_a_task_without_terms_varies_nothing_and_is_called_what_it_was_called() -> None:
    made = ready(PLAIN)
    assert not PLAIN.randomization.terms and '"terms"' not in PLAIN.to_json().partition('"randomization"')[2]
    assert PLAIN.hash == "08eba237cfd8"
    assert drive_numbers(made, keys(), keys() * 0) is None and physics_numbers(made, keys()) == {}
    assert quantities(PLAIN) == frozenset()
    for stage in get_args(Stage):
        assert not list(of_stage(PLAIN, stage)) and longest(PLAIN, stage, 0.01) == 0


def test_what_a_backend_must_vary() -> None:
    assert quantities(varied(link_mass={})) == {"mass"}
    assert quantities(varied(center_of_mass={}, armature={})) == {"center_of_mass", "armature"}
    for name in ("motor_strength", "gains", "encoder_offset", "joint_friction", "joint_damping", "action_delay"):
        assert quantities(varied(**{name: {}})) == {"drive"}, name
    sensors = ("imu_bias", "height_drift", "height_offset", "height_dropout", "observation_delay")
    assert quantities(varied(**{name: {} for name in sensors})) == frozenset()
    assert quantities(PLAIN.with_({"randomization.payload": (0.0, 1.0)})) == {"payload"}
    assert quantities(varied(**{name: {} for name in OWN})) <= {*QUANTITIES, "drive"}


def test_the_words_of_a_stage_in_the_order_of_the_vocabulary() -> None:
    task = varied(height_offset={}, gains={}, imu_bias={}, link_mass={}, action_delay={}, observation_delay={})
    found = {stage: [name for name, _, _ in of_stage(task, stage)] for stage in get_args(Stage)}
    assert found == {
        "physics": ["link_mass"],
        "drive": ["gains", "action_delay"],
        "sensors": ["imu_bias", "height_offset"],
        "lag": ["observation_delay"],
    }
    assert [name for name, _, _ in of_stage(task, "lag", "physics")] == ["link_mass", "observation_delay"]


def test_the_longest_delay_in_whole_steps() -> None:
    for most, step, steps in ((0.02, 0.005, 4), (0.021, 0.005, 5), (0.0, 0.005, 0), (0.3, 0.1, 3), (0.04, 0.02, 2)):
        assert longest(varied(action_delay={"delay": (0.0, most)}), "drive", step) == steps
        assert longest(varied(observation_delay={"delay": (0.0, most)}), "lag", step) == steps
    assert longest(varied(action_delay={}), "lag", 0.005) == 0


def test_factors_of_drives_multiply_and_what_is_added_adds(foreign: None) -> None:
    alone = drive_numbers(ready(varied(motor_strength={}, encoder_offset={})), keys(), keys() * 0)
    task = varied(motor_strength={}, encoder_offset={}, other_drives={})
    both = drive_numbers(ready(task), keys(), keys() * 0)
    assert alone.shape == both.shape == (len(DRIVE), COUNT, 2) and both.dtype == np.float32
    for before, after, (quantity, neutral) in zip(alone, both, DRIVE.items(), strict=True):
        np.testing.assert_array_equal(after, before * np.float32(3) if neutral else before + np.float32(3), quantity)
        if quantity not in ("strength", "offset"):
            np.testing.assert_array_equal(before, neutral, quantity)


def test_factors_of_bodies_multiply_and_what_moves_the_center_of_mass_adds(foreign: None) -> None:
    alone = physics_numbers(ready(varied(link_mass={}, center_of_mass={}, armature={})), keys())
    both = physics_numbers(ready(varied(link_mass={}, center_of_mass={}, armature={}, other_bodies={})), keys())
    assert set(alone) == set(both) == {"mass", "center_of_mass", "armature"}
    np.testing.assert_array_equal(both["mass"], alone["mass"] * np.float32(3))
    np.testing.assert_array_equal(both["armature"], alone["armature"] + np.float32(3))
    np.testing.assert_array_equal(both["center_of_mass"], alone["center_of_mass"] + np.float32(3))


def test_what_is_varied_besides_changes_nothing() -> None:
    every = {"physics": ("link_mass", "center_of_mass", "armature")}
    every["drive"] = ("motor_strength", "gains", "encoder_offset", "joint_friction", "joint_damping", "action_delay")
    number = keys() * 0 + 2
    all_of_physics = physics_numbers(ready(varied(**{name: {} for name in every["physics"]})), keys())
    all_of_drives = drive_numbers(ready(varied(**{name: {} for name in every["drive"]})), keys(), number)
    for name in every["physics"]:
        for quantity, value in physics_numbers(ready(varied(**{name: {}})), keys()).items():
            np.testing.assert_array_equal(all_of_physics[quantity], value)
    for name in every["drive"]:
        own = drive_numbers(ready(varied(**{name: {}})), keys(), number)
        for index, quantity in enumerate(DRIVE):
            if quantity in RANDOMIZATIONS[name].quantities:
                np.testing.assert_array_equal(all_of_drives[index], own[index], quantity)
                assert np.ptp(own[index]) > 0, quantity


def test_more_robots_leave_the_numbers_of_the_others() -> None:
    task = varied(link_mass={}, center_of_mass={}, armature={}, gains={}, action_delay={}, motor_strength={})
    made = ready(task)
    few, many = (physics_numbers(made, keys(count)) for count in (7, 300))
    for quantity, value in few.items():
        np.testing.assert_array_equal(many[quantity][:7], value)
    few, many = (drive_numbers(made, keys(count), keys(count) * 0 + 1) for count in (7, 300))
    np.testing.assert_array_equal(many[:, :7], few)


@pytest.mark.parametrize("namespace", ["torch", "jax"])
def test_every_namespace_gives_the_same_numbers(namespace: str) -> None:
    drives = ("motor_strength", "gains", "encoder_offset", "joint_friction", "joint_damping", "action_delay")
    task = varied(link_mass={"body": "left"}, center_of_mass={}, armature={}, **{name: {} for name in drives})

    def numbers(xp: ModuleType) -> Callable[[Any], list[Any]]:
        made = ready(task, xp)
        return lambda key: [*physics_numbers(made, key).values(), drive_numbers(made, key, key * 0 + 5)]

    for ours, theirs in zip(numbers(numpy_xp)(keys()), on(namespace, numbers, keys()), strict=True):
        np.testing.assert_array_equal(theirs, ours)


def test_a_delay_is_as_long_as_all_joints_of_a_robot_wait() -> None:
    delay = drive_numbers(ready(varied(action_delay={"delay": (0.005, 0.03)})), keys(), keys() * 0)[-1]
    np.testing.assert_array_equal(delay[:, 0], delay[:, 1])
    assert delay.min() >= 0.005 and delay.max() < 0.03 and np.ptp(delay) > 0.02
    assert math.isclose(float(delay.mean()), 0.0175, abs_tol=0.003)
