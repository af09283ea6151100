"""What the policy sees: each slot's value, its noise, and where the height samples are taken."""

from __future__ import annotations

import dataclasses
import math

import array_api_compat.numpy as xp
import numpy as np
import pytest

from fake import BIPED, FakeSimulator
from locoenvs.mdp.mdp import Mdp, prepare
from locoenvs.mdp.observations import height_samples, observe
from locoenvs.mdp.state import Episodes
from locoenvs.mdp.step import initial
from locoenvs.mdp.terrain import build
from locoenvs.numerics import rng
from locoenvs.numerics.rotation import from_heading
from locoenvs.tasks.entries import SlotSpec, TileShare
from locoenvs.tasks.task import Observations, Task, Terrain

SCAN = {"rows": 3, "columns": 2, "length": 0.8, "width": 0.6, "offset": 0.4, "clip": 0.9}
SEEN = Observations(
    (
        SlotSpec("base_linear_velocity", 2.0, 0.1),
        SlotSpec("base_angular_velocity", 0.25, 0.2),
        SlotSpec("projected_gravity", 1.0, 0.05),
        SlotSpec("command_linear_velocity", 2.0),
        SlotSpec("command_yaw_rate", 0.25),
        SlotSpec("joint_position", 1.5, 0.01),
        SlotSpec("joint_velocity", 0.05, 1.5),
        SlotSpec("last_action"),
        SlotSpec("heights", 5.0, 0.07, parameters=SCAN),
    )
)
TASK = Task(
    BIPED,
    terrain=Terrain(levels=2, columns=2, border=2.0, shares=(TileShare("flat", 1.0),)),
    observations=SEEN,
)


def prepared(observations: Observations = SEEN) -> Mdp:
    task = dataclasses.replace(TASK, observations=observations)
    return prepare(task, build(task.terrain), xp)


def episodes(made: Mdp, robots: int = 1) -> Episodes:
    """Robots whose every number is another, on level ground."""
    begun = initial(made, FakeSimulator(xp, robots), seed=5, split=0).episodes
    one = np.ones((robots, 1), np.float32)
    readout = dataclasses.replace(
        begun.readout,
        base_position=one * np.float32([0.3, -0.2, 0.65]),
        base_quaternion=one * np.float32([math.cos(0.2), math.sin(0.2), 0, 0]),  # rolled by 0.4 rad
        base_linear_velocity=one * np.float32([1, 2, 3]),
        base_angular_velocity=one * np.float32([4, 5, 6]),
        joint_position=one * np.float32([0.5, -0.9]),
        joint_velocity=one * np.float32([7, 8]),
    )
    command = one * np.float32([0.1, 0.2, 0.3, 0.4])
    return dataclasses.replace(begun, readout=readout, command=command, last_action=one * np.float32([9, 10]))


def test_every_slot_is_its_scale_times_its_value() -> None:
    made = prepared(SEEN.perfect())
    expected = {
        "base_linear_velocity": [2, 4, 6],
        "base_angular_velocity": [1, 1.25, 1.5],
        "projected_gravity": [0, -math.sin(0.4), -math.cos(0.4)],
        "command_linear_velocity": [0.2, 0.4],
        "command_yaw_rate": [0.075],
        "joint_position": [1.5 * 0.3, 1.5 * -0.7],
        "joint_velocity": [0.35, 0.4],
        "last_action": [9, 10],
        "heights": [5 * 0.25] * 6,
    }
    seen = observe(made, episodes(made)).policy[0]
    assert [slot.name for slot in made.layout] == list(expected)
    for slot in made.layout:
        np.testing.assert_allclose(seen[slot.start : slot.stop], expected[slot.name], atol=1e-5, err_msg=slot.name)


def test_each_slots_noise_is_uniform_of_its_width_and_another_in_every_step_and_episode() -> None:
    made = prepared()
    widths = {
        "base_linear_velocity": 0.1,
        "base_angular_velocity": 0.2,
        "projected_gravity": 0.05,
        "command_linear_velocity": 0.0,
        "command_yaw_rate": 0.0,
        "joint_position": 0.01,
        "joint_velocity": 1.5,
        "last_action": 0.0,
        "heights": 0.07,
    }
    scaled = np.concatenate([np.full(s.stop - s.start, widths[s.name] * s.scale) for s in made.layout])
    assert [slot.noise for slot in made.layout] == list(widths.values())
    now, noises = episodes(made, 300), []
    for number, step in ((0, 0), (0, 1), (1, 0), (1, 1)):
        n, count = np.full(300, number, np.int32), np.full(300, step, np.int32)
        seen = observe(made, dataclasses.replace(now, number=n, step=count))
        draws = rng.uniform(now.key, n, count, rng.Purpose.OBSERVATION_NOISE, made.observation_size)
        np.testing.assert_allclose(seen.policy - seen.critic, (2 * draws - 1) * scaled, atol=2e-6)
        np.testing.assert_array_equal(seen.critic, observe(prepared(SEEN.perfect()), now).critic)
        noises.append((seen.policy - seen.critic)[:, scaled > 0] / scaled[scaled > 0])
    for index, noise in enumerate(noises):
        assert noise.min() < -0.9 and noise.max() > 0.9 and np.abs(noise).max() <= 1.001
        assert all(np.abs(noise - other).max(axis=1).min() > 0.1 for other in noises[:index])


def test_observations_are_clipped_with_noise_and_without() -> None:
    for seen in (SEEN, SEEN.perfect()):
        made = prepared(dataclasses.replace(seen, clip=3.0))
        seen = observe(made, episodes(made))
        for group in (seen.policy, seen.critic):
            assert np.abs(group).max() == 3.0 and group[0, 2] == 3.0


@pytest.mark.parametrize("quarter", [0, 1, 2, 3])
def test_height_samples_go_from_back_to_front_and_there_from_right_to_left(quarter: int) -> None:
    """Rows along the robot's forward axis, whichever way it faces: the ground is a slope along x and a steeper one along y."""
    made = prepared()
    grid = made.height_map
    rows, columns = grid.heights.shape
    x, y = (np.arange(n) * grid.cell + start for n, start in ((columns, grid.origin[0]), (rows, grid.origin[1])))
    made = dataclasses.replace(made, ground=(0.1 * x[None, :] + 0.3 * y[:, None]).astype(np.float32))
    position, angle = np.float32([[0.5, -0.25, 0.6]]), quarter * math.pi / 2
    found = height_samples(made, position, from_heading(np.float32([angle])))
    expected = []
    for forward in (-0.4, 0.0, 0.4):
        for left in (-0.3, 0.3):
            at_x = 0.5 + math.cos(angle) * forward - math.sin(angle) * left
            at_y = -0.25 + math.sin(angle) * forward + math.cos(angle) * left
            expected.append(0.6 - 0.4 - 0.1 * at_x - 0.3 * at_y)
    np.testing.assert_allclose(found[0], expected, atol=1e-5)


def test_height_samples_are_clipped() -> None:
    made = prepared()
    found = height_samples(made, np.float32([[0, 0, 5], [0, 0, -5], [0, 0, 1.2]]), from_heading(np.zeros(3, "f4")))
    np.testing.assert_allclose(found, np.repeat([[0.9], [-0.9], [0.8]], 6, axis=1), atol=1e-6)
