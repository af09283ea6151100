"""What robots are told apart by is what they got: physics, drives, sensors and pushes."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Any

import array_api_compat.numpy as numpy_xp
import array_api_compat.torch as torch_xp
import numpy as np
import pytest

from fake import BIPED, FakeSimulator
from locoenvs.envs import backends
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.evidence.manifest import Group, Stratum
from locoenvs.evidence.metrics import groups_of
from locoenvs.evidence.panel import load_panel
from locoenvs.evidence.quantities import QUANTITIES, SECTOR, drawn, held
from locoenvs.evidence.record import record_of
from locoenvs.mdp.draws import DRIVE, Draw, drive_numbers, physics_numbers
from locoenvs.mdp.mdp import prepare
from locoenvs.mdp.randomizations import imu_bias
from locoenvs.mdp.step import initial
from locoenvs.mdp.terrain import build
from locoenvs.numerics import rng
from locoenvs.numerics.rotation import heading
from locoenvs.tasks.task import Observations, Pushes, Randomization, Task, Terrain, Timing

PLAIN = Task(BIPED, terrain=Terrain(kind="plane"))
VARIED = PLAIN.with_(
    {
        "randomization.payload": [-2.0, 2.0],
        **{
            f"randomization.terms.{name}": {}
            for name in (
                "link_mass", "center_of_mass", "armature", "motor_strength", "encoder_offset", "joint_friction",
                "action_delay", "observation_delay", "imu_bias", "height_drift", "height_offset",
            )
        },
    }
)  # fmt: skip


def keys(count: int) -> Any:
    return rng.robot_key(7, rng.SPLITS["panel"], np.arange(count, dtype=np.int32), PLAIN.seed_families)


def test_friction_and_payload_are_the_draws_that_the_simulator_gets() -> None:
    config = dataclasses.replace(PLAIN, randomization=Randomization(payload=(-5.0, 5.0)))
    mdp, given = prepare(config, build(config.terrain), numpy_xp), dict[str, np.ndarray]()
    simulator = FakeSimulator(numpy_xp, 16)
    simulator.configure = lambda friction, payload: given.update(friction=friction, payload=payload)  # type: ignore[method-assign]
    initial(mdp, simulator, 7, rng.SPLITS["panel"])  # type: ignore[arg-type]
    found = drawn(mdp, keys(16))
    for name in ("friction", "payload"):
        np.testing.assert_array_equal(found[name], given[name])
        assert np.ptp(found[name]) > 0.3
    np.testing.assert_allclose(found["mass"], BIPED.mass + given["payload"], rtol=1e-6)


def test_each_quantity_is_that_of_what_is_drawn() -> None:
    mdp, key = prepare(VARIED, build(PLAIN.terrain), numpy_xp), keys(32)
    found = drawn(mdp, key)
    assert set(found) == {name for name, quantity in QUANTITIES.items() if quantity.of == "drawn"}
    assert all(values.shape == (32,) and np.ptp(values) > 0 for values in found.values())
    physics = physics_numbers(mdp, key)
    drive = dict(zip(DRIVE, drive_numbers(mdp, key, key * 0)))  # type: ignore[call-overload]
    masses = [body.mass for body in BIPED.bodies]
    np.testing.assert_allclose(found["mass"], physics["mass"] @ masses + found["payload"], rtol=1e-6)
    np.testing.assert_allclose(found["center_of_mass"] ** 2, (physics["center_of_mass"] ** 2).sum(-1), rtol=1e-5)
    np.testing.assert_array_equal(found["weakest_motor"], drive["strength"].min(-1))
    np.testing.assert_allclose(found["encoder_offset"] ** 2, (drive["offset"] ** 2).mean(-1), rtol=1e-5)
    np.testing.assert_array_equal(found["action_delay"], drive["delay"][:, 0])
    draw = Draw("imu_bias", key, key * 0, key * 0)
    bias = imu_bias(draw, mdp, None, {"projected_gravity": np.zeros((32, 3), np.float32)})["projected_gravity"]  # type: ignore[arg-type]
    np.testing.assert_allclose(found["gravity_bias"] ** 2, (bias**2).sum(-1), rtol=1e-5)
    assert found["observation_delay"].max() <= 0.04 and np.abs(found["height_offset"]).max() <= 0.05
    assert found["height_drift"].max() <= 0.1 * math.sqrt(2)


def test_what_a_task_does_not_vary_is_neutral() -> None:
    found = drawn(prepare(PLAIN, build(PLAIN.terrain), numpy_xp), keys(4))
    assert found.pop("weakest_motor").tolist() == [1.0] * 4 and np.ptp(found.pop("friction")) > 0
    assert found.pop("mass") == pytest.approx([BIPED.mass] * 4)
    assert not any(values.any() for values in found.values())


def test_quantities_do_not_depend_on_the_array_library() -> None:
    here = drawn(prepare(VARIED, build(PLAIN.terrain), numpy_xp), keys(8))
    there = drawn(prepare(VARIED, build(PLAIN.terrain), torch_xp), torch_xp.asarray(keys(8)))
    for name, values in here.items():
        np.testing.assert_allclose(there[name], values, rtol=1e-6, atol=1e-7, err_msg=name)


def test_an_unknown_quantity_is_named_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="unknown quantity 'weakest_moter'; did you mean 'weakest_motor'"):
        Stratum("weakest_moter", (Group("weak", None, 0.5),))


def test_what_was_said_last_holds() -> None:
    nan = math.nan
    np.testing.assert_array_equal(
        held(np.array([[nan, 1.0], [2.0, nan], [nan, nan], [3.0, 4.0]])),
        [[nan, 1.0], [2.0, 1.0], [2.0, 1.0], [3.0, 4.0]],
    )


class Turned(FakeSimulator):
    """Robots that stay where they begin, and hear how fast a push makes them, world frame."""

    pushed: list[np.ndarray]

    def push(self, physics: Any, mask: Any, velocity: Any) -> Any:
        self.pushed.append(velocity)
        self.faces = heading(physics.base_quaternion)
        return physics

    def close(self) -> None:
        pass


PUSHED = dataclasses.replace(
    PLAIN,
    timing=Timing(episode_length=0.2),
    observations=Observations.paper(heights=None),
    randomization=Randomization(pushes=Pushes(interval=0.08, mode="set")),
)


def test_the_last_push_is_known_by_the_feet_that_stood(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the first push robots stand on no foot, one or both; before, and until the second, on none."""
    simulator = Turned(numpy_xp, 6)
    simulator.pushed = []
    monkeypatch.setattr(backends, "load", lambda name: lambda task, ground, count, device=None: simulator)
    feet = [BIPED.contact_bodies.index(foot) for foot in BIPED.feet]
    steps = itertools.count()

    def stand(observation: np.ndarray) -> np.ndarray:
        standing = [0, 1, 2, 0, 1, 2] if next(steps) == 3 else [0] * 6
        for robot, count in enumerate(standing):
            simulator.forces[robot, feet, 2] = [9.0] * count + [0.0] * (2 - count)
        return np.zeros((6, 2), np.float32)

    env = LocoVectorEnv(PUSHED, 6, stagger=False, autoreset_mode="disabled", split="panel")
    record = record_of(env, stand, 0, lambda share: None)
    found = record.series["push_feet"]
    assert np.isnan(found[:3]).all(), "nothing before the first"
    assert found[3:7].tolist() == [[0, 1, 2, 0, 1, 2]] * 4 and not found[7:].any()
    one = Stratum("push_feet", (Group("on one foot", 1, 2),))
    (label, moments, whole), *_ = groups_of(dataclasses.replace(load_panel("flat"), strata=(one,)), one, record)
    assert (label, whole) == ("on one foot", False)
    assert moments.any(axis=1).tolist() == [False] * 3 + [True] * 4 + [False] * 3
    assert moments.any(axis=0).tolist() == [False, True, False] * 2


def test_the_last_push_is_known_by_its_speed_and_direction(monkeypatch: pytest.MonkeyPatch) -> None:
    simulator = Turned(numpy_xp, 6)
    simulator.pushed = []
    monkeypatch.setattr(backends, "load", lambda name: lambda task, ground, count, device=None: simulator)
    env = LocoVectorEnv(PUSHED, 6, stagger=False, autoreset_mode="disabled", split="panel")
    record = record_of(env, lambda o: np.zeros((6, 2), np.float32), 0, lambda share: None)
    speed, direction = record.series["push_speed"], record.series["push_direction"]
    assert np.isnan(speed[:3]).all() and np.isnan(direction[:3]).all(), "nothing before the first"
    for rows, velocity in ((slice(3, 7), simulator.pushed[0]), (slice(7, 10), simulator.pushed[1])):
        np.testing.assert_allclose(speed[rows], np.tile(np.linalg.norm(velocity, axis=-1), (len(speed[rows]), 1)))
        angle = np.tile(np.arctan2(velocity[:, 1], velocity[:, 0]), (len(speed[rows]), 1))
        off = (direction[rows] + simulator.faces - angle) / (2 * math.pi)
        np.testing.assert_allclose(off, np.round(off), atol=1e-5)
    assert np.ptp(simulator.faces) > 1
    assert (-SECTOR <= direction[3:]).all() and (direction[3:] < 7 * SECTOR).all()
    np.testing.assert_allclose(record.series["since_push"][3:9, 0], [0, 0.02, 0.04, 0.06, 0, 0.02], atol=1e-6)
