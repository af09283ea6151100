"""The mirror image is the world's: a mirrored robot under mirrored actions moves as the mirror image."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest
from array_api_compat import numpy as xp

from fake import BIPED
from locoenvs.envs.registration import task as task_of
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.mdp import symmetry
from locoenvs.mdp.layout import layout
from locoenvs.mdp.mdp import Mdp, prepare
from locoenvs.mdp.observations import height_samples, observe
from locoenvs.mdp.state import Episodes, Readout
from locoenvs.mdp.symmetry import Mirror, images, mirror
from locoenvs.mdp.terrain import HeightMap, build
from locoenvs.numerics import rows
from locoenvs.numerics.arrays import Array
from locoenvs.numerics.rotation import from_heading
from locoenvs.tasks.entries import SlotSpec
from locoenvs.tasks.robot import Robot
from locoenvs.tasks.task import Commands, Curriculum, Randomization, Start, Task, Terrain
from locoenvs.tasks.vocabulary import OBSERVATION_SLOTS, observation_slot

FLAT, ROUGH = "Loco/AnymalC-Flat-v0", "Loco/AnymalC-Rough-v0"
ACROSS = np.array([1, -1, 1], np.float32)
"""A vector mirrored at the world's plane y = 0; a rotation turns the other way, -ACROSS."""


def observed(image: Mirror, observation: np.ndarray) -> np.ndarray:
    return image.observation_sign * observation[..., image.observation_index]


def acted(image: Mirror, action: np.ndarray) -> np.ndarray:
    return image.action_sign * action[..., image.action_index]


@pytest.mark.parametrize("env_id", [FLAT, ROUGH])
def test_the_image_of_the_image_is_the_original(env_id: str) -> None:
    task = task_of(env_id)
    image = mirror(task)
    seen = np.random.default_rng(0).normal(size=(3, layout(task)[-1].stop)).astype(np.float32)
    done = np.random.default_rng(1).normal(size=(3, 12)).astype(np.float32)
    assert np.array_equal(observed(image, observed(image, seen)), seen)
    assert np.array_equal(acted(image, acted(image, done)), done)
    assert not np.array_equal(observed(image, seen), seen)


def test_left_legs_become_right_legs() -> None:
    robot = task_of(FLAT).robot
    image = mirror(task_of(FLAT))
    names = [robot.joint_names[index] for index in image.action_index]
    expected = [("R" if name[0] == "L" else "L") + name[1:] for name in robot.joint_names]
    assert names == expected
    assert [sign for sign in image.action_sign] == [-1.0 if "HAA" in name else 1.0 for name in robot.joint_names]


def test_a_robot_that_names_no_mirror_image_is_refused() -> None:
    with pytest.raises(ValueError, match="'fake'.*Robot.mirror"):
        mirror(Task(dataclasses.replace(BIPED, mirror=()), terrain=Terrain(kind="plane")))


@pytest.fixture
def foot_contact() -> Iterator[None]:
    @observation_slot(unit="1", size=4)
    def foot_contact(mdp: Mdp, episodes: Episodes) -> Array:
        """1 for each foot on the ground"""
        return episodes.contact

    yield
    OBSERVATION_SLOTS.remove("foot_contact")


def test_an_observation_without_a_known_mirror_image_is_refused(foot_contact: None) -> None:
    task = task_of(FLAT).with_({"observations.slots.foot_contact": SlotSpec("foot_contact")})
    with pytest.raises(ValueError, match="'foot_contact' has no mirror image: .*mirror=.*mirror=False"):
        mirror(task)


@pytest.mark.parametrize("name", ["joint_velocity", "base_linear_velocity"])
def test_a_mirror_image_of_another_size_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    task = task_of(FLAT)
    longer = [dataclasses.replace(slot, stop=slot.stop + 1) if slot.name == name else slot for slot in layout(task)]
    monkeypatch.setattr(symmetry, "layout", lambda task: longer)
    with pytest.raises(ValueError, match=f"{name!r} has (4|13) values, but a mirror image of (3|12) .*of 12 joints"):
        mirror(task)


def test_hidden_layers_that_cannot_be_halved_are_refused() -> None:
    image = mirror(task_of(FLAT))
    for index, sign in images(image, (6, 4), 12):
        assert np.array_equal(index[index], np.arange(len(index))) and np.array_equal(
            sign * sign[index], np.ones(len(sign))
        )
    with pytest.raises(ValueError, match="a hidden layer of 5 units .*make its width even"):
        images(image, (6, 5), 12)


def even(robot: Robot) -> Robot:
    """The robot with its base exactly as heavy on the left as on the right."""
    base = robot.bodies[0]
    x, _, z = base.center_of_mass
    xx, yy, zz, _, xz, _ = base.inertia
    base = dataclasses.replace(base, center_of_mass=(x, 0.0, z), inertia=(xx, yy, zz, 0.0, xz, 0.0))
    return dataclasses.replace(robot, bodies=(base, *robot.bodies[1:]))


def same_chances(task: Task) -> Task:
    """The task without noise, pushes and differences between robots."""
    return dataclasses.replace(
        task,
        curriculum=Curriculum(enabled=False),
        commands=Commands(mode="yaw_rate"),
        observations=task.observations.perfect(),
        randomization=Randomization(friction=(1.0, 1.0), pushes=None, start=Start(position=0.0)),
    )


def image_of(start: Readout, image: Mirror) -> Readout:
    """The start state (1, ...) mirrored at the world's plane y = 0, from mechanics rather than from signs of slots."""
    return dataclasses.replace(
        start,
        base_position=start.base_position * ACROSS,
        base_quaternion=start.base_quaternion * np.array([1, -1, 1, -1], np.float32),
        base_linear_velocity=start.base_linear_velocity * ACROSS,
        base_angular_velocity=start.base_angular_velocity * -ACROSS,
        joint_position=acted(image, start.joint_position),
        joint_velocity=acted(image, start.joint_velocity),
    )


def difference_after(steps: int, task: Task) -> tuple[float, float, bool]:
    """The largest difference of any slot between the mirror image of robot 0's observation and robot 1's observation,
    how far robot 0 came from where it started, and whether it touched the ground."""
    image = mirror(task)
    env = LocoVectorEnv(task, 2, stagger=False, options={"threads": 1})
    env.reset(seed=0)
    rng = np.random.default_rng(4)
    one = rows.map_arrays(lambda a: a[:1], env.state.episodes.readout)
    tilt = np.array([[0.97, 0.06, -0.05, 0.21]], np.float32)
    one = dataclasses.replace(
        one,
        base_position=np.array([[0.3, 0.7, 0.58]], np.float32),
        base_quaternion=tilt / np.linalg.norm(tilt),
        base_linear_velocity=np.array([[0.4, 0.5, -0.1]], np.float32),
        base_angular_velocity=np.array([[0.3, -0.2, 0.5]], np.float32),
        joint_position=one.joint_position + rng.uniform(-0.1, 0.1, (1, 12)).astype(np.float32),
        joint_velocity=rng.uniform(-1, 1, (1, 12)).astype(np.float32),
    )
    both = rows.map_arrays(lambda a, b: np.concatenate([a, b]), one, image_of(one, image))
    command = np.array([[0.7, 0.4, 0.6, 0.0], [0.7, -0.4, -0.6, 0.0]], np.float32)
    episodes = dataclasses.replace(env.state.episodes, readout=both, command=command)
    env.state = dataclasses.replace(env.state, episodes=episodes)
    env.simulator.place(None, np.array([True, True]), both)
    worst, touched = 0.0, False
    for _ in range(steps):
        action = rng.uniform(-0.5, 0.5, (1, 12)).astype(np.float32)
        observation, _, terminated, truncated, _ = env.step(np.concatenate([action, acted(image, action)]))
        assert not (terminated | truncated).any()
        worst = max(worst, float(np.abs(observed(image, observation[0]) - observation[1]).max()))
        touched |= bool((env.state.episodes.readout.contact_force[0, :, 2] > 10).any())
        assert float(np.abs(observation[0] - observation[1]).max()) > 0.1
    moved = np.linalg.norm(env.state.episodes.readout.base_position[0] - one.base_position[0])
    env.close()
    return worst, float(moved), touched


def test_a_mirrored_robot_moves_as_the_mirror_image() -> None:
    task = same_chances(task_of(FLAT, actuator="pd"))
    worst, moved, touched = difference_after(20, dataclasses.replace(task, robot=even(task.robot)))
    assert moved > 0.1 and touched
    assert worst < 1e-3


def test_the_real_base_is_nearly_as_heavy_on_either_side() -> None:
    """ANYmal C's base has its center of mass 0.2 mm to the right and products of inertia that mirroring turns around. Over
    eight steps: in the ninth a foot lands one physics step earlier on one side."""
    worst, _, touched = difference_after(8, same_chances(task_of(FLAT, actuator="pd")))
    assert touched
    assert 1e-4 < worst < 0.02


def test_the_learned_drive_pulls_a_little_to_one_side() -> None:
    """Its network is fitted to a real drive's, which is no odd function: 0.37 N m at rest."""
    task = same_chances(task_of(FLAT, actuator="lstm"))
    worst, _, _ = difference_after(5, dataclasses.replace(task, robot=even(task.robot)))
    assert 1e-3 < worst < 0.3


def test_heights_are_mirrored_with_the_ground() -> None:
    """On a ground that rises to the front and to the left; its mirror image rises to the right."""
    task = same_chances(task_of(ROUGH))
    ground = build(task.terrain)
    rise, lean = 0.05, 0.1
    x = ground.origin[0] + ground.cell * np.arange(ground.heights.shape[1])
    y = ground.origin[1] + ground.cell * np.arange(ground.heights.shape[0])
    image = mirror(task)
    slot = next(slot for slot in layout(task) if slot.name == "heights")
    columns = image.observation_index[slot.start : slot.stop] - slot.start
    samples = []
    for side, heading in ((1, 0.3), (-1, -0.3)):
        heights = (rise * x[None] + side * lean * y[:, None]).astype(np.float32)
        made: HeightMap = dataclasses.replace(ground, heights=heights)
        mdp = prepare(task, made, xp)
        position = np.array([[1.3, side * 2.1, 0.9]], np.float32)
        samples.append(height_samples(mdp, position, from_heading(np.array([heading], np.float32)))[0])
    assert np.abs(samples[0] - samples[1]).max() > 0.02
    np.testing.assert_allclose(samples[0][columns], samples[1], rtol=0, atol=1e-5)


def test_a_mirrored_robot_observes_the_mirror_image_on_tiles_too() -> None:
    """The whole observation of a robot at the center line of a map that is its own mirror image."""
    task = same_chances(task_of(ROUGH))
    image = mirror(task)
    ground = build(task.terrain)
    x = ground.origin[0] + ground.cell * np.arange(ground.heights.shape[1])
    valley = dataclasses.replace(ground, heights=np.tile(0.05 * x, (ground.heights.shape[0], 1)).astype(np.float32))
    mdp = prepare(task, valley, xp)
    env = LocoVectorEnv(task, 1, stagger=False, options={"threads": 1})
    env.reset(seed=2)
    episodes = env.state.episodes
    env.close()
    start = dataclasses.replace(
        episodes.readout, joint_velocity=np.linspace(-1, 1, 12, dtype=np.float32)[None], base_position=np.zeros((1, 3))
    )
    last = np.linspace(-2, 1, 12, dtype=np.float32)[None]
    command = episodes.command
    here = observe(mdp, dataclasses.replace(episodes, readout=start, last_action=last)).policy
    there = observe(
        mdp,
        dataclasses.replace(
            episodes,
            readout=image_of(start, image),
            last_action=acted(image, last),
            command=command * np.array([1, -1, -1, 1], np.float32),
        ),
    ).policy
    np.testing.assert_allclose(observed(image, here), there, rtol=0, atol=1e-4)


def test_the_halves_of_a_hidden_layer_change_places_and_a_value_stays() -> None:
    """Units that were their own images could only say what left and right have in common."""
    own = mirror(task_of(FLAT))
    made = images(own, [4, 6], 12)
    assert [index.tolist() for index, _ in made[1:3]] == [[2, 3, 0, 1], [3, 4, 5, 0, 1, 2]]
    assert all((sign == 1).all() for _, sign in made[1:3])
    for index, sign in (made[0], made[3]):
        np.testing.assert_array_equal(index[index], np.arange(len(index)))
        np.testing.assert_array_equal(sign * sign[index], np.ones(len(index)))
    assert made[3][0] is own.action_index and images(own, [4], 1)[-1][0].tolist() == [0]
    assert images(own, [4], 1)[-1][1].tolist() == [1]
