"""What may differ between robots and episodes: each draws within its range, as long as it says, and is refused where it makes no sense."""

from __future__ import annotations

import dataclasses
import json
from types import ModuleType
from typing import Any

import array_api_compat.numpy as numpy_xp
import array_api_compat.torch as torch_xp
import numpy as np
import pytest

from fake import BIPED
from locoenvs.envs.registration import task as task_of
from locoenvs.mdp.draws import Draw
from locoenvs.mdp.mdp import Mdp, prepare
from locoenvs.mdp.sensing import slots
from locoenvs.mdp.start import begin
from locoenvs.mdp.state import Episodes
from locoenvs.mdp.terrain import build
from locoenvs.numerics import rng
from locoenvs.numerics.arrays import convert
from locoenvs.tasks.entries import TileShare
from locoenvs.tasks.task import HeightScan, Observations, Task, Terrain
from locoenvs.tasks.vocabulary import RANDOMIZATIONS

PLAIN = Task(
    BIPED,
    terrain=Terrain(
        levels=2, columns=2, border=2.0, shares=(TileShare("rough", 1.0, parameters={"roughness": (0.1, 0.1)}),)
    ),
    observations=Observations.paper(HeightScan(rows=4, columns=3)),
)
GROUND = build(PLAIN.terrain)
COUNT = 400
BODIES, JOINTS, HEIGHTS = 5, 2, 12

DRAWN: dict[str, tuple[dict[str, Any], dict[str, tuple[int, float, float]]]] = {
    "link_mass": ({"factor": (0.5, 1.5)}, {"mass": (BODIES, 0.5, 1.5)}),
    "center_of_mass": ({"offset": (-0.1, 0.05)}, {"center_of_mass": (3, -0.1, 0.05)}),
    "armature": ({"added": (0.25, 2.0)}, {"armature": (JOINTS, 0.25, 2.0)}),
    "motor_strength": ({"factor": (0.6, 0.9)}, {"strength": (JOINTS, 0.6, 0.9)}),
    "gains": (
        {"stiffness": (0.5, 0.75), "damping": (1.0, 4.0)},
        {"stiffness": (JOINTS, 0.5, 0.75), "damping": (JOINTS, 1.0, 4.0)},
    ),
    "encoder_offset": ({"offset": (-0.2, -0.1)}, {"offset": (JOINTS, -0.2, -0.1)}),
    "joint_friction": ({"torque": (1.0, 2.0)}, {"friction": (JOINTS, 1.0, 2.0)}),
    "joint_damping": ({"damping": (0.5, 0.75)}, {"viscous": (JOINTS, 0.5, 0.75)}),
    "action_delay": ({"delay": (0.01, 0.03)}, {"delay": (1, 0.01, 0.03)}),
    "observation_delay": ({"delay": (0.02, 0.1)}, {"delay": (1, 0.02, 0.1)}),
}
"""Randomization -> its parameters, and quantity -> how many numbers a robot, and their range."""

SENSORS: dict[str, tuple[dict[str, Any], dict[str, float]]] = {
    "imu_bias": (
        {"angular_velocity": 0.25, "gravity": 0.125},
        {"base_angular_velocity": 0.25, "projected_gravity": 0.125},
    ),
    "height_offset": ({"offset": (-0.5, 0.5)}, {"heights": 0.5}),
}
"""Randomization of sensors -> its parameters, and slot -> by how much it may be off."""

PER_EPISODE = [name for name in (*DRAWN, *SENSORS) if RANDOMIZATIONS[name].stage != "physics"]


def ready(task: Task = PLAIN, xp: ModuleType = numpy_xp) -> Mdp:
    return prepare(task, GROUND, xp)


def episodes(made: Mdp, number: int = 0, step: int = 0, count: int = COUNT) -> Episodes:
    robot = made.xp.arange(count, dtype=made.xp.int32)
    key = rng.robot_key(3, 0, robot, PLAIN.seed_families)
    begun = begin(made, robot, key, robot * 0, robot * 0, robot % 2)
    return dataclasses.replace(begun, number=robot * 0 + number, step=robot * 0 + step)


def drawn(name: str, made: Mdp, state: Episodes, **parameters: Any) -> dict[str, np.ndarray]:
    """What the randomization gives to robots that are in those episodes."""
    word = RANDOMIZATIONS[name]
    given = word.parameters({**(DRAWN | SENSORS).get(name, ({},))[0], **parameters})
    seen = (state, slots(made, state)) if word.stage == "sensors" else ()
    found = word.function(Draw(name, state.key, state.number, state.step), made, *seen, **given)
    if word.stage == "lag":
        found = {"delay": found}
    return {quantity: convert(value, "numpy") for quantity, value in found.items()}


def errors(name: str, number: int = 0, step: int = 0, **parameters: Any) -> dict[str, np.ndarray]:
    """By how much the slots are off."""
    made = ready()
    state = episodes(made, number, step)
    true = slots(made, state)
    return {slot: value - true[slot] for slot, value in drawn(name, made, state, **parameters).items()}


def test_these_are_all() -> None:
    own = {name for name, word in RANDOMIZATIONS.words().items() if word.package == "locoenvs"}
    assert own == {*DRAWN, *SENSORS, "height_drift", "height_dropout", "weak_motor"}
    for name, (_, quantities) in DRAWN.items():
        assert RANDOMIZATIONS[name].quantities == (tuple(quantities) if name != "observation_delay" else ()), name


def test_one_motor_is_weak_any_of_them() -> None:
    made = ready()
    strength = drawn("weak_motor", made, episodes(made), factor=(0.25, 0.75))["strength"]
    assert strength.shape == (COUNT, JOINTS) and ((strength < 1).sum(axis=1) == 1).all()
    weak = strength.min(axis=1)
    assert 0.25 <= weak.min() < 0.28 and 0.72 < weak.max() < 0.75 and weak.mean() == pytest.approx(0.5, abs=0.03)
    assert (strength < 1).mean(axis=0) == pytest.approx([0.5] * JOINTS, abs=0.08)
    again = drawn("weak_motor", made, episodes(made, number=1), factor=(0.25, 0.75))["strength"]
    assert (again != strength).any(axis=1).mean() > 0.9, "another in the next episode"


@pytest.mark.parametrize("name", DRAWN)
def test_each_number_is_uniform_in_its_range(name: str) -> None:
    made = ready()
    found = drawn(name, made, episodes(made))
    assert list(found) == list(DRAWN[name][1])
    for quantity, (size, low, high) in DRAWN[name][1].items():
        values = found[quantity]
        assert values.shape == (COUNT, size) and values.dtype == np.float32
        assert values.min() >= low and values.max() <= high
        share = (values - low) / (high - low)
        assert share.min() < 0.05 and share.max() > 0.95 and abs(share.mean() - 0.5) < 0.07
        assert (size == 1) or (np.ptp(values, axis=1) > 0).all(), "every joint, body or axis for itself"


@pytest.mark.parametrize("name", [name for name in DRAWN if RANDOMIZATIONS[name].stage == "physics"])
def test_bodies_are_a_robots_for_its_life(name: str) -> None:
    made = ready()
    first, later = drawn(name, made, episodes(made)), drawn(name, made, episodes(made, 3, 5))
    for quantity, values in first.items():
        np.testing.assert_array_equal(later[quantity], values)


@pytest.mark.parametrize("name", PER_EPISODE)
def test_drives_and_sensors_last_for_an_episode_or_a_robots_life(name: str) -> None:
    made, given = ready(), errors if name in SENSORS else None

    def numbers(number: int, step: int, per: str) -> dict[str, np.ndarray]:
        return given(name, number, step, per=per) if given else drawn(name, made, episodes(made, number, step), per=per)

    for per in ("robot", "episode"):
        first, later, another = numbers(1, 0, per), numbers(1, 9, per), numbers(2, 0, per)
        for quantity, values in first.items():
            np.testing.assert_array_equal(later[quantity], values)
            same = (another[quantity] == values).mean()
            assert same == 1 if per == "robot" else same < 0.05


def test_gains_of_one_joint_are_drawn_each_for_itself() -> None:
    made = ready()
    found = drawn("gains", made, episodes(made), stiffness=(0.5, 1.5), damping=(0.5, 1.5))
    assert abs(np.corrcoef(found["stiffness"].ravel(), found["damping"].ravel())[0, 1]) < 0.15


def test_the_mass_of_one_body_or_of_each_for_itself() -> None:
    made = ready()
    every = drawn("link_mass", made, episodes(made))["mass"]
    names = [body.name for body in BIPED.bodies]
    for index, body in enumerate(names):
        one = drawn("link_mass", made, episodes(made), body=body)["mass"]
        np.testing.assert_array_equal(one[:, index], every[:, index])
        assert (np.delete(one, index, axis=1) == 1).all()
    with pytest.raises(ValueError, match="there is no body 'tail'; there are base, left, left_foot, right, right_foot"):
        drawn("link_mass", made, episodes(made), body="tail")


@pytest.mark.parametrize("name", SENSORS)
def test_sensors_are_off_by_at_most_what_is_said(name: str) -> None:
    for slot, error in errors(name).items():
        most = SENSORS[name][1][slot]
        assert np.abs(error).max() <= most * 1.0001 and np.abs(error).max() > 0.9 * most
        assert abs(error.mean()) < 0.1 * most
        if slot == "heights":
            np.testing.assert_allclose(error, np.tile(error[:, :1], (1, HEIGHTS)), atol=1e-6)  # all of them alike
        else:
            assert (np.ptp(error, axis=1) > 0).all()  # each axis for itself
    assert set(errors(name)) == set(SENSORS[name][1])


def test_the_map_under_the_heights_slides_until_the_end_of_an_episode() -> None:
    most = PLAIN.timing.max_episode_steps
    off = [np.abs(errors("height_drift", step=step)["heights"]).mean() for step in (0, most // 4, most)]
    assert off[0] == 0 and 0 < off[1] < off[2]
    made = ready()
    state = episodes(made, step=most)
    shift = Draw("height_drift", state.key, state.number, state.step).between((-0.3, 0.3), 2, "episode")
    there = dataclasses.replace(state.readout, base_position=state.readout.base_position.copy())
    there.base_position[:, :2] += shift
    expected = slots(made, dataclasses.replace(state, readout=there))["heights"]
    np.testing.assert_allclose(drawn("height_drift", made, state, distance=0.3)["heights"], expected, atol=1e-5)


def test_some_heights_are_missing_at_each_step_and_read_as_far_below_as_they_can() -> None:
    made = ready()
    masks = []
    for number, step in ((0, 0), (0, 0), (0, 1), (1, 0)):
        state = episodes(made, number, step)
        found, true = drawn("height_dropout", made, state, share=0.25)["heights"], slots(made, state)["heights"]
        masks.append(found != true)
        assert (found[masks[-1]] == 1.0).all() and abs(masks[-1].mean() - 0.25) < 0.03
    assert (masks[0] == masks[1]).all() and (masks[0] != masks[2]).any() and (masks[0] != masks[3]).any()
    state = episodes(made)
    np.testing.assert_array_equal(
        drawn("height_dropout", made, state, share=0.0)["heights"], slots(made, state)["heights"]
    )
    assert (drawn("height_dropout", made, state, share=1.0)["heights"] == 1.0).all()


@pytest.mark.parametrize("name", ["imu_bias", "height_drift", "height_offset", "height_dropout"])
def test_a_robot_without_that_sensor_is_left_alone(name: str) -> None:
    seen = Observations(tuple(slot for slot in PLAIN.observations.slots if slot.name == "joint_position"))
    made = ready(dataclasses.replace(PLAIN, observations=seen))
    assert drawn(name, made, episodes(made)) == {}


@pytest.mark.parametrize("name", ["imu_bias", "height_drift", "height_offset", "height_dropout"])
@pytest.mark.parametrize("namespace", ["torch", "jax"])
def test_every_namespace_misreads_alike(name: str, namespace: str) -> None:
    made = ready()
    expected = drawn(name, made, episodes(made, 2, 100, 16))
    if namespace == "torch":
        theirs = ready(xp=torch_xp)
        found = drawn(name, theirs, episodes(theirs, 2, 100, 16))
    else:
        jax = pytest.importorskip("jax")
        theirs = ready(xp=jax.numpy)
        state = {field.name: getattr(episodes(made, 2, 100, 16), field.name) for field in dataclasses.fields(Episodes)}
        readout = {field: jax.numpy.asarray(value) for field, value in vars(state.pop("readout")).items()}
        arrays = {field: jax.numpy.asarray(value) for field, value in state.items() if value is not None}
        given, word = RANDOMIZATIONS[name].parameters(SENSORS.get(name, ({},))[0]), RANDOMIZATIONS[name]

        def misread(arrays: Any, readout: Any) -> Any:
            made = Episodes(**arrays, readout=type(episodes(ready(), count=1).readout)(**readout))
            draw = Draw(name, made.key, made.number, made.step)
            return word.function(draw, theirs, made, slots(theirs, made), **given)

        found = {slot: np.asarray(value) for slot, value in jax.jit(misread)(arrays, readout).items()}
    assert list(found) == list(expected)
    for slot, value in expected.items():
        np.testing.assert_allclose(found[slot], value, atol=2e-5)


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("link_mass", {"factor": [1.1, 0.9]}, "factor: the lower end 1.1 must not exceed the upper end 0.9"),
    ("center_of_mass", {"offset": [0.1, -0.1]}, "offset: the lower end 0.1 must not exceed the upper end -0.1"),
    ("armature", {"added": [2.0, 1.0]}, "added: the lower end 2.0"),
    ("motor_strength", {"factor": [2.0, 1.0]}, "factor: the lower end 2.0"),
    ("motor_strength", {"factor": [0.0, 1.0]}, "greater than 0, got 0"),
    ("motor_strength", {"per": "step"}, "'robot' or 'episode', got 'step'"),
    ("gains", {"stiffness": [2.0, 1.0]}, "stiffness: the lower end 2.0"),
    ("gains", {"damping": [2.0, 1.0]}, "damping: the lower end 2.0"),
    ("encoder_offset", {"offset": [0.1, 0.0]}, "offset: the lower end 0.1"),
    ("joint_friction", {"torque": [1.0, 0.5]}, "torque: the lower end 1.0"),
    ("joint_friction", {"torque": [-1.0, 0.5]}, "greater than or equal to 0, got -1"),
    ("joint_damping", {"damping": [1.0, 0.5]}, "damping: the lower end 1.0"),
    ("action_delay", {"delay": [0.02, 0.01]}, "delay: the lower end 0.02"),
    ("action_delay", {"delay": [0.0, 20.0]}, "less than or equal to 1, got 20"),
    ("observation_delay", {"delay": [0.02, 0.01]}, "delay: the lower end 0.02"),
    ("imu_bias", {"gravity": -0.1}, "greater than or equal to 0, got -0.1"),
    ("height_drift", {"distance": -0.1}, "greater than or equal to 0, got -0.1"),
    ("height_offset", {"offset": [0.1, 0.0]}, "offset: the lower end 0.1"),
    ("height_dropout", {"share": 1.5}, "less than or equal to 1, got 1.5"),
    ("height_dropout", {"shares": 0.5}, "unknown parameter of randomization.terms.height_dropout 'shares'; did you mean 'share'?"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "given", "message"), WRONG, ids=lambda value: value if isinstance(value, str) else "")
def test_what_makes_no_sense_is_refused_by_its_name(name: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as error:
        PLAIN.with_({f"randomization.terms.{name}": {"parameters": given}})
    assert message in str(error.value) and f"randomization.terms.{name}" in str(error.value)


def test_gains_play_no_part_in_a_learned_drive() -> None:
    learned = task_of("Loco/AnymalC-Flat-v0", actuator="lstm")
    with pytest.raises(
        ValueError, match="randomization.terms.gains: gains play no part in a learned drive: use the PD"
    ):
        learned.with_({"randomization.terms.gains": {}})
    for name in DRAWN.keys() - {"gains"}:
        learned.with_({f"randomization.terms.{name}": {}})


def test_a_task_with_all_of_them_survives_json_and_is_another_one() -> None:
    given = {name: parameters for name, (parameters, _) in (DRAWN | SENSORS).items()}  # type: ignore[operator]
    names = [name for name, word in RANDOMIZATIONS.words().items() if word.package == "locoenvs"]
    full = PLAIN.with_({f"randomization.terms.{name}": {"parameters": given.get(name, {})} for name in names})
    again = Task.from_json(full.to_json())
    assert again == full and again.hash == full.hash and hash(again) == hash(full)
    assert list(full.randomization.terms) == names and full.recipe == f"paper, and {len(names)} changes"
    stored = json.loads(full.to_json())["randomization"]["terms"]
    assert stored["action_delay"] == {"parameters": {"delay": [0.01, 0.03], "per": "episode"}, "version": 1}
    hashes = {PLAIN.hash, full.hash}
    hashes |= {PLAIN.with_({f"randomization.terms.{name}": {}}, "paper").hash for name in names}
    assert len(hashes) == 2 + len(names)
    without = full.with_({f"randomization.terms.{name}": None for name in names}, "paper")
    assert without == PLAIN and without.hash == PLAIN.hash == Task.from_json(PLAIN.to_json()).hash
