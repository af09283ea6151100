"""Drives whose numbers differ from robot to robot: the law itself where they are neutral, and what each of them does."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import array_api_compat.numpy as numpy_xp
import array_api_compat.torch as torch_xp
import numpy as np
import pytest

from fake import BIPED
from locoenvs.envs.registration import task as task_of
from locoenvs.mdp.actuators import LSTM, PD, SLOW, Varied, actuator_of
from locoenvs.mdp.draws import DRIVE
from locoenvs.numerics.arrays import convert
from locoenvs.tasks.drive import load
from locoenvs.tasks.task import Task, Terrain

TASK = Task(BIPED, terrain=Terrain(kind="plane"))
PHYSICS_DT = TASK.timing.physics_dt
DEFAULT = np.array([joint.default for joint in BIPED.joints], np.float32)
STIFFNESS, DAMPING, LIMIT = 40.0, 1.0, 50.0
ROBOTS = 5


def drives(**given: Any) -> np.ndarray:
    """The numbers (Q, ROBOTS, 2), neutral but for those that are given."""
    neutral = np.float32(list(DRIVE.values()))[:, None, None] * np.ones((1, ROBOTS, 2), np.float32)
    for quantity, value in given.items():
        neutral[list(DRIVE).index(quantity)] = value
    return neutral


def moment(seed: int = 0) -> list[np.ndarray]:
    """Targets, positions and velocities (ROBOTS, 2) that ask for less than the limit."""
    draw = np.random.default_rng(seed)
    return [draw.uniform(-w, w, (ROBOTS, 2)).astype(np.float32) for w in (0.5, 0.3, 4.0)]


def varied(lag: int = 0, law: Any = None) -> Varied:
    return Varied(law or PD(BIPED), BIPED, PHYSICS_DT, lag)


def torque(given: list[np.ndarray], lag: int = 0, **numbers: Any) -> np.ndarray:
    actuator = varied(lag)
    return actuator.torque(actuator.initial(ROBOTS, numpy_xp), *given, drives(**numbers))[1]


def law(target: np.ndarray, position: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    return np.clip(STIFFNESS * (target - position) - DAMPING * velocity, -LIMIT, LIMIT)


def run(
    actuator: Any, rows: list[list[np.ndarray]], *numbers: Any, xp: ModuleType = numpy_xp
) -> tuple[Any, np.ndarray]:
    """The last memory and the torques (T, ROBOTS, 2) of so many moments."""
    memory, torques = actuator.initial(ROBOTS, xp), []
    for row in rows:
        memory, given = actuator.torque(memory, *map(xp.asarray, row), *map(xp.asarray, numbers))
        torques.append(convert(given, "numpy"))
    return memory, np.stack(torques)


def test_a_task_that_varies_its_drives_has_such_an_actuator() -> None:
    late = {"randomization.terms.action_delay.parameters.delay": [0.0, 3 * TASK.timing.physics_dt]}
    assert isinstance(actuator_of(TASK), PD)
    assert isinstance(actuator_of(TASK.with_({"randomization.terms.motor_strength": {}})), Varied)
    assert actuator_of(TASK.with_(late)).initial(4, numpy_xp).shape == (3, 4, 2)
    learned = task_of("Loco/AnymalC-Flat-v0", actuator="lstm")
    own = actuator_of(learned).initial(4, numpy_xp).shape[0]
    assert actuator_of(learned.with_(late)).initial(4, numpy_xp).shape == (3 + own, 4, 12)


@pytest.mark.parametrize("lag", [0, 3])
def test_neutral_numbers_give_the_torque_of_the_law(lag: int) -> None:
    rows = [moment(seed) for seed in range(6)]
    _, found = run(varied(lag), rows, drives())
    _, expected = run(PD(BIPED), rows)
    np.testing.assert_allclose(found, expected, atol=2e-5)  # a target is remembered less the default pose


@pytest.mark.parametrize("lag", [0, 2])
def test_neutral_numbers_give_the_torque_of_the_learned_drive(lag: int) -> None:
    network = LSTM(load("anydrive"), [LIMIT] * 2, [20.0] * 2)
    rows = [moment(seed) for seed in range(12)]
    memory, found = run(varied(lag, network), rows, drives())
    own, expected = run(network, rows)
    np.testing.assert_allclose(found, expected, atol=2e-3)
    np.testing.assert_allclose(memory[lag:], own, atol=1e-4)
    assert np.abs(expected).max() > 1


def test_strength_is_a_factor_of_the_torque_after_its_limit() -> None:
    given, factor = moment(), np.linspace(0.0, 1.5, ROBOTS * 2).reshape(ROBOTS, 2).astype(np.float32)
    np.testing.assert_allclose(torque(given, strength=factor), factor * law(*given), rtol=1e-5)
    far = [given[0] + 100, *given[1:]]
    np.testing.assert_allclose(torque(far, strength=factor), LIMIT * factor, rtol=1e-6)


def test_stiffness_and_damping_are_factors_of_the_gains() -> None:
    target, position, velocity = given = moment()
    np.testing.assert_allclose(torque(given, stiffness=0.5), 20 * (target - position) - velocity, atol=2e-5)
    np.testing.assert_allclose(torque(given, damping=3.0), 40 * (target - position) - 3 * velocity, atol=2e-5)
    each = np.float32([[0.5, 2.0]])
    both = torque(given, stiffness=each, damping=1 / each)
    np.testing.assert_allclose(both, 40 * each * (target - position) - velocity / each, atol=2e-5)
    assert np.abs(torque([target + 100, position, velocity], stiffness=2.0)).max() == LIMIT


def test_an_encoder_that_reads_too_much_pulls_the_joint_back() -> None:
    given = moment()
    np.testing.assert_allclose(
        torque(given, offset=0.1), law(given[0], given[1] + np.float32(0.1), given[2]), atol=2e-5
    )
    still = [given[0], given[0], 0 * given[2]]
    np.testing.assert_allclose(torque(still, offset=-0.05), 40 * 0.05, atol=2e-5)


def test_dry_friction_is_against_the_motion_and_proportional_below_a_tenth_of_a_radian_a_second() -> None:
    assert SLOW == 0.1
    velocity = np.float32([[-5.0, 5.0], [-0.1, 0.1], [-0.05, 0.05], [-0.01, 0.01], [0.0, 0.0]])
    position = np.zeros((ROBOTS, 2), np.float32)
    found = torque([position, position, velocity], friction=2.0) - law(position, position, velocity)
    np.testing.assert_allclose(found, [[2, -2], [2, -2], [1, -1], [0.2, -0.2], [0, 0]], atol=1e-5)


def test_viscous_friction_is_in_proportion_to_the_speed() -> None:
    given = moment()
    np.testing.assert_allclose(torque(given, viscous=0.75), law(*given) - 0.75 * given[2], atol=2e-5)


def test_friction_is_no_motors_and_has_no_limit_but_its_own() -> None:
    given = [np.full((ROBOTS, 2), value, np.float32) for value in (10.0, 0.0, 2.0)]
    found = torque(given, strength=0.5, friction=4.0, viscous=3.0)
    np.testing.assert_allclose(found, 0.5 * LIMIT - 4 - 6, rtol=1e-6)


def test_targets_come_so_many_physics_steps_late_and_the_default_pose_is_held_until_then() -> None:
    lag, rest = 4, np.zeros((ROBOTS, 2), np.float32)
    steps = np.float32([0, 1, 2, 3, 4])[:, None]
    targets = [moment(seed)[0] for seed in range(9)]
    _, found = run(varied(lag), [[target, rest, rest] for target in targets], drives(delay=steps * PHYSICS_DT))
    for when, torques in enumerate(found):
        for robot in range(ROBOTS):
            asked = targets[when - robot][robot] if when >= robot else DEFAULT
            np.testing.assert_allclose(torques[robot], STIFFNESS * asked, atol=2e-5)


@pytest.mark.parametrize(("seconds", "steps"), [(0.0024, 0), (0.0026, 1), (0.0074, 1), (0.0076, 2), (0.01, 2)])
def test_a_delay_is_rounded_to_whole_physics_steps(seconds: float, steps: int) -> None:
    assert PHYSICS_DT == 0.005
    rest = np.zeros((ROBOTS, 2), np.float32)
    targets = [moment(seed)[0] for seed in range(4)]
    _, found = run(varied(2), [[target, rest, rest] for target in targets], drives(delay=seconds))
    np.testing.assert_allclose(found[3], STIFFNESS * targets[3 - steps], atol=2e-5)


def test_a_learned_drive_gets_its_targets_late_too() -> None:
    network = LSTM(load("anydrive"), [LIMIT] * 2, [20.0] * 2)
    rows = [moment(seed) for seed in range(10)]
    memory, found = run(varied(2, network), rows, drives(delay=2 * PHYSICS_DT, strength=0.5))
    targets = [np.tile(DEFAULT, (ROBOTS, 1))] * 2 + [row[0] for row in rows[:-2]]
    _, expected = run(network, [[target, *row[1:]] for target, row in zip(targets, rows, strict=True)])
    np.testing.assert_allclose(found, 0.5 * expected, atol=2e-3)
    cleared = varied(2, network).clear(memory, np.arange(ROBOTS) == 1)
    assert not cleared[:, 1].any() and (cleared[:, [0, 2, 3, 4]] == memory[:, [0, 2, 3, 4]]).all()


@pytest.mark.parametrize("namespace", ["numpy", "torch", "jax"])
def test_a_robot_that_is_cleared_holds_its_default_pose_anew_and_the_others_go_on(namespace: str) -> None:
    xp = {"numpy": numpy_xp, "torch": torch_xp}.get(namespace) or pytest.importorskip("jax.numpy")
    rest, actuator, numbers = np.zeros((ROBOTS, 2), np.float32), varied(2), drives(delay=2 * PHYSICS_DT)
    targets = [moment(seed)[0] for seed in range(3)]
    memory, _ = run(actuator, [[target, rest, rest] for target in targets], numbers, xp=xp)
    before = np.array(convert(memory, "numpy"))
    mask = np.arange(ROBOTS) % 2 == 1
    cleared = actuator.clear(memory, xp.asarray(mask))
    np.testing.assert_array_equal(convert(memory, "numpy"), before)  # what was given stays as it is
    row = [xp.asarray(part) for part in (targets[0], rest, rest)]
    after, found = actuator.torque(cleared, *row, xp.asarray(numbers))
    expected = np.where(mask[:, None], DEFAULT, targets[1])
    np.testing.assert_allclose(convert(found, "numpy"), STIFFNESS * expected, atol=2e-5)
    newest = np.broadcast_to(targets[0] - DEFAULT, (ROBOTS, 2))
    np.testing.assert_allclose(convert(after, "numpy")[0], newest, atol=1e-6)


def test_without_a_delay_there_is_nothing_to_clear() -> None:
    actuator = varied(0)
    memory = actuator.initial(ROBOTS, numpy_xp)
    assert memory.shape == (0, ROBOTS, 2)
    assert actuator.clear(memory, np.ones(ROBOTS, bool)).shape == memory.shape
    assert actuator.torque(memory, *moment(), drives())[0].shape == memory.shape


@pytest.mark.parametrize("learned", [False, True], ids=["pd", "lstm"])
@pytest.mark.parametrize("namespace", ["torch", "jax"])
def test_every_namespace_gives_the_same(namespace: str, learned: bool) -> None:
    draw = np.random.default_rng(0)
    numbers = drives(
        **{quantity: draw.uniform(0.5, 1.5, (ROBOTS, 2)) for quantity in ("strength", "stiffness", "damping")},
        **{quantity: draw.uniform(0.0, 0.3, (ROBOTS, 2)) for quantity in ("offset", "friction", "viscous")},
        delay=draw.uniform(0.0, 3 * PHYSICS_DT, (ROBOTS, 1)),
    )
    network = LSTM(load("anydrive"), [LIMIT] * 2, [20.0] * 2) if learned else None
    rows = [moment(seed) for seed in range(6)]
    memory, expected = run(varied(3, network), rows, numbers)
    if namespace == "torch":
        theirs, found = run(varied(3, network), rows, numbers, xp=torch_xp)
    else:
        jax = pytest.importorskip("jax")
        actuator, drive = varied(3, network), jax.numpy.asarray(numbers)
        series = tuple(jax.numpy.asarray(np.stack(parts)) for parts in zip(*rows, strict=True))
        program = jax.jit(lambda m, s: jax.lax.scan(lambda m, row: actuator.torque(m, *row, drive), m, s))
        theirs, found = program(actuator.initial(ROBOTS, jax.numpy), series)
    np.testing.assert_allclose(convert(found, "numpy"), expected, atol=2e-3 if learned else 2e-5)
    np.testing.assert_allclose(convert(theirs, "numpy"), memory, atol=1e-4)


def test_numbers_that_are_missing_are_asked_for() -> None:
    with pytest.raises(AssertionError, match="the task varies its drives"):
        varied().torque(varied().initial(ROBOTS, numpy_xp), *moment())
