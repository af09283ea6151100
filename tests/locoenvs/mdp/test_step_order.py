"""The order of a step: which of two states, commands, velocities or draws each quantity is of."""

from __future__ import annotations

import dataclasses
from typing import Any

import array_api_compat.numpy as xp
import numpy as np
import pytest

from fake import BIPED, FakeSimulator
from locoenvs.mdp.mdp import Mdp, prepare
from locoenvs.mdp.state import EnvState, Readout
from locoenvs.mdp.step import initial, reset, step
from locoenvs.mdp.terrain import build
from locoenvs.numerics import rng
from locoenvs.numerics.arrays import Array
from locoenvs.numerics.rotation import from_heading, heading
from locoenvs.tasks.entries import Entry, TileShare
from locoenvs.tasks.task import (
    Commands,
    Curriculum,
    Observations,
    PenaltySchedule,
    Pushes,
    Randomization,
    Rewards,
    Start,
    Task,
    Terrain,
    Timing,
)

TASK = Task(
    BIPED,
    timing=Timing(episode_length=0.2),
    terrain=Terrain(levels=3, columns=2, border=2.0, shares=(TileShare("flat", 1.0),)),
    curriculum=Curriculum(enabled=False),
    commands=Commands(minimum_speed=0.0),
    observations=Observations.paper(heights=None, noise=False),
    randomization=Randomization(pushes=None),
)


class Turning(FakeSimulator):
    """Turns its base by 0.3 rad in every step, and remembers its targets."""

    def advance(self, physics: object, target: Array) -> tuple[object, Readout]:
        assert isinstance(physics, Readout)
        self.target = target
        turned = from_heading(heading(physics.base_quaternion) + np.float32(0.3))
        return super().advance(dataclasses.replace(physics, base_quaternion=turned), target)


def begun(task: Task = TASK, robots: int = 5) -> tuple[Mdp, Any, EnvState]:
    made, simulator = prepare(task, build(task.terrain), xp), Turning(xp, robots)
    return made, simulator, initial(made, simulator, seed=7, split=0)


def still(robots: int = 5) -> np.ndarray:
    return np.zeros((robots, 2), np.float32)


def test_the_target_is_the_default_pose_plus_the_scale_times_the_clipped_action() -> None:
    made, simulator, state = begun(dataclasses.replace(TASK, action_clip=2.0), robots=2)
    after, _ = step(made, simulator, state, np.float32([[1, -1], [3, -9]]))
    np.testing.assert_allclose(simulator.target, [[0.2 + 0.5, -0.2 - 0.5], [0.2 + 1.0, -0.2 - 1.0]], rtol=1e-6)
    assert after.episodes.last_action.tolist() == [[1, -1], [2, -2]]


@pytest.mark.parametrize("mode", ["heading", "yaw_rate"])
def test_rewards_are_for_the_command_that_holds_after_the_step(mode: Any) -> None:
    """The new one where one was due, with the yaw rate that the heading asks for now."""
    commands = dataclasses.replace(TASK.commands, mode=mode, resample_every=0.04)
    made, simulator, state = begun(dataclasses.replace(TASK, commands=commands))
    for when in range(1, 9):
        before = state.episodes.command
        state, transition = step(made, simulator, state, still())
        command, readout = state.episodes.command, state.episodes.readout
        assert np.all(command[:, :2] != before[:, :2]) == (when % 2 == 0)
        assert np.any(command[:, 2] != before[:, 2]) == (mode == "heading" or when % 2 == 0)
        error = (command[:, 3] - heading(readout.base_quaternion) + np.pi) % (2 * np.pi) - np.pi
        if mode == "heading":
            np.testing.assert_allclose(command[:, 2], np.clip(0.5 * error, -1, 1), atol=1e-5)
        missed = np.sum((command[:, :2] - readout.base_linear_velocity[:, :2]) ** 2, axis=-1)
        turned = (command[:, 2] - readout.base_angular_velocity[:, 2]) ** 2
        terms = transition.reward_terms
        np.testing.assert_allclose(terms["linear_velocity_tracking"], 0.02 * np.exp(-missed / 0.25), rtol=1e-4)
        np.testing.assert_allclose(terms["angular_velocity_tracking"], 0.01 * np.exp(-turned / 0.25), rtol=1e-4)


def test_rewards_see_the_velocity_before_a_push_and_the_observation_that_after_it() -> None:
    pushing = dataclasses.replace(TASK, randomization=Randomization(pushes=Pushes(interval=0.02)))
    quiet, pushed = (step(*begun(task), still())[1] for task in (TASK, pushing))
    for name, value in quiet.reward_terms.items():
        np.testing.assert_array_equal(pushed.reward_terms[name], value, name)
    np.testing.assert_array_equal(pushed.reward, quiet.reward)
    assert quiet.reward_terms["linear_velocity_tracking"].min() > 0
    velocities = [each.observation.policy[:, :3] for each in (quiet, pushed)]
    assert np.abs(velocities[0] - velocities[1])[:, :2].max(axis=1).min() > 0.01
    np.testing.assert_array_equal(pushed.final_observation.policy, pushed.observation.policy)


@pytest.mark.parametrize("mode", ["add", "set"])
def test_a_push_changes_or_sets_the_horizontal_velocity_in_the_world(mode: Any) -> None:
    """By one draw along x and another along y; a base that has turned sees it turned."""
    pushes = Pushes(interval=0.02, velocity=0.8, mode=mode)
    made, simulator, state = begun(dataclasses.replace(TASK, randomization=Randomization(pushes=pushes)))
    given: list[np.ndarray] = []
    simulator.push = lambda physics, mask, velocity: given.append(velocity) or physics
    for count in (1, 2):
        before = state.episodes
        after, _ = step(made, simulator, state, still())
        angle = heading(after.episodes.readout.base_quaternion)
        cos, sin = np.cos(angle), np.sin(angle)
        v = state.physics.base_linear_velocity
        world = np.stack([cos * v[:, 0] - sin * v[:, 1], sin * v[:, 0] + cos * v[:, 1]], axis=-1)
        draws = rng.uniform(before.key, before.number, np.full(5, count, np.int32), rng.Purpose.PUSH, 2)
        expected = 0.8 * (2 * draws - 1) + (world if mode == "add" else 0)
        np.testing.assert_allclose(given[-1], expected, atol=1e-6)
        seen = after.episodes.readout.base_linear_velocity
        x, y = expected.T
        np.testing.assert_allclose(seen, np.stack([cos * x + sin * y, cos * y - sin * x, v[:, 2]], axis=-1), atol=1e-6)
        state = after
    assert np.abs(given[0] - given[1]).min() > 1e-3


def test_the_commanded_distance_adds_up_over_the_episode_and_begins_anew() -> None:
    """By the command that holds after each step: what was asked for changes on the way."""
    commands = dataclasses.replace(TASK.commands, resample_every=0.04)
    made, simulator, state = begun(dataclasses.replace(TASK, commands=commands))
    expected = np.zeros(5)
    assert state.episodes.commanded_distance.tolist() == [0] * 5
    for _ in range(9):
        state, _ = step(made, simulator, state, still())
        expected += 0.02 * np.linalg.norm(state.episodes.command[:, :2], axis=-1)
        np.testing.assert_allclose(state.episodes.commanded_distance, expected, rtol=1e-5)
    state, transition = step(made, simulator, state, still())
    assert transition.truncated.all() and state.episodes.commanded_distance.tolist() == [0] * 5


def test_every_episode_has_draws_of_its_own() -> None:
    """Start, command, later commands and pushes of episode n are those of (key, n, step), for every robot."""
    task = dataclasses.replace(
        TASK,
        commands=dataclasses.replace(TASK.commands, mode="yaw_rate", resample_every=0.04),
        randomization=Randomization(pushes=Pushes(interval=0.04, mode="set")),
    )
    made, simulator, state = begun(task)
    key, zero, seen = state.episodes.key, np.zeros(5, np.int32), []
    for number in range(3):
        start, n = state.episodes.readout, np.full(5, number, np.int32)
        draw = lambda purpose, count, step=0, n=n: rng.uniform(key, n, zero + np.int32(step), purpose, count)  # noqa: E731
        assert state.episodes.number.tolist() == n.tolist()
        center = made.tile_centers[state.episodes.level, state.episodes.column, :2]
        expected = {
            "position": center + 2 * draw(rng.Purpose.START_POSITION, 2) - 1,
            "heading": np.pi * (2 * draw(rng.Purpose.START_HEADING, 1)[:, 0] - 1),
            "velocity": draw(rng.Purpose.START_VELOCITY, 6) - 0.5,
            "joints": made.default_pose * (0.5 + draw(rng.Purpose.START_JOINTS, 2)),
            "command": 2 * draw(rng.Purpose.COMMAND, 4)[:, :3] - 1,
        }
        found = {
            "position": start.base_position[:, :2],
            "heading": heading(start.base_quaternion),
            "velocity": np.concatenate([start.base_linear_velocity, start.base_angular_velocity], axis=-1),
            "joints": start.joint_position,
            "command": state.episodes.command[:, :3],
        }
        for _ in range(2):
            state, _ = step(made, simulator, state, still())
        expected["next command"] = 2 * draw(rng.Purpose.COMMAND, 4, step=2)[:, :3] - 1
        found["next command"] = state.episodes.command[:, :3]
        expected["push"] = np.linalg.norm(2 * draw(rng.Purpose.PUSH, 2, step=2) - 1, axis=-1)
        found["push"] = np.linalg.norm(state.episodes.readout.base_linear_velocity[:, :2], axis=-1)
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, atol=2e-6, err_msg=f"{name} of episode {number}")
        seen.append(np.concatenate([np.reshape(value, (5, -1)) for value in found.values()], axis=1))
        state = reset(made, simulator, state, np.ones(5, bool))
    for a, b in ((0, 1), (1, 2), (0, 2)):
        assert np.abs(seen[a] - seen[b]).max(axis=0).min() > 0.01


def test_a_start_may_be_the_same_every_time() -> None:
    start = Start(position=0.0, joint_scale=(1.0, 1.0), velocity=0.0, random_heading=False)
    made, simulator, state = begun(dataclasses.replace(TASK, randomization=Randomization(pushes=None, start=start)))
    readout = state.episodes.readout
    center = made.tile_centers[state.episodes.level, state.episodes.column]
    np.testing.assert_array_equal(readout.base_position[:, :2], center[:, :2])
    np.testing.assert_array_equal(readout.base_quaternion, np.tile([1, 0, 0, 0], (5, 1)))
    np.testing.assert_array_equal(readout.joint_position, np.tile(made.default_pose, (5, 1)))
    assert not readout.base_linear_velocity.any() and not readout.base_angular_velocity.any()


def test_a_failure_costs_although_the_total_is_clipped_at_zero() -> None:
    """The total of the other terms is clipped, then the termination is added."""
    made, simulator, state = begun(TASK.with_({"rewards.terms.termination.weight": -200.0}), robots=3)
    simulator.forces[0, 0, 2] = simulator.forces[2, 0, 2] = 5.0  # the base touches
    simulator.forces[2, 1, 2] = simulator.forces[2, 3, 2] = 5.0  # and both legs
    action = np.float32([[0, 0], [0, 0], [20, 20]])
    _, transition = step(made, simulator, state, action)
    others = sum(value for name, value in transition.reward_terms.items() if name != "termination")
    assert others[0] > 0 and others[1] > 0 and others[2] < 0
    np.testing.assert_allclose(transition.reward, [others[0] - 4, others[1], -4], rtol=1e-6)
    assert transition.reward_terms["termination"].tolist() == [-4, 0, -4]


def test_the_first_yaw_rate_of_an_episode_follows_from_its_heading() -> None:
    made, simulator, state = begun()
    for _ in range(2):
        episodes = state.episodes
        error = episodes.command[:, 3] - heading(episodes.readout.base_quaternion)
        error = (error + np.pi) % (2 * np.pi) - np.pi
        np.testing.assert_allclose(episodes.command[:, 2], np.clip(0.5 * error, -1, 1), atol=1e-6)
        state = reset(made, simulator, state, np.ones(5, bool))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_robot_whose_action_is_no_number_breaks_where_its_last_action_held_it(value: float) -> None:
    made, simulator, state = begun(robots=2)
    state, _ = step(made, simulator, state, np.float32([[1, -1], [0.5, 0.4]]))
    _, transition = step(made, simulator, state, np.float32([[0, 0], [0.1, value]]))
    assert transition.reset_reason.tolist() == [0, 3] and transition.terminated.tolist() == [False, True]
    np.testing.assert_allclose(simulator.target, [[0.2, -0.2], [0.2 + 0.25, -0.2 + 0.2]], rtol=1e-6)
    assert np.isfinite(transition.reward).all() and np.isfinite(transition.final_observation.policy).all()


def test_a_broken_robot_ends_in_the_state_before() -> None:
    made, simulator, state = begun(robots=2)
    simulator.broken[1] = True
    _, transition = step(made, simulator, state, np.float32([[1, 1], [1, 1]]))
    positions = made.layout[5]
    assert positions.name == "joint_position"
    before = state.episodes.readout.joint_position - made.default_pose
    final = transition.final_observation.policy[:, positions.start : positions.stop]
    np.testing.assert_allclose(final[1], before[1], atol=1e-6)
    np.testing.assert_allclose(final[0], [0.5, 0.5], atol=1e-6)


def test_any_one_terminating_body_ends_an_episode_and_not_all_of_them_together() -> None:
    robot = dataclasses.replace(BIPED, terminating=("base", "left"), penalized=("right",))
    made, simulator, state = begun(dataclasses.replace(TASK, robot=robot), robots=3)
    base, left, right = (robot.contact_bodies.index(name) for name in robot.terminating + robot.penalized)
    simulator.forces[0, [base, left]] = (0.8, 0, 0)
    simulator.forces[1, left] = (0, -0.8, 0.8)
    simulator.forces[2, right] = (0, 0, 5)
    _, transition = step(made, simulator, state, still(3))
    assert transition.terminated.tolist() == [False, True, False]


def test_a_force_that_ends_an_episode_and_one_that_is_a_foot_on_the_ground_are_the_tasks() -> None:
    task = dataclasses.replace(
        TASK,
        terminations={"base_contact": Entry(parameters={"force": 3.0})},
        rewards=dataclasses.replace(TASK.rewards, foot_contact_force=4.0),
    )
    made, simulator, state = begun(task, robots=3)
    simulator.forces[:, 0, 0] = [2.9, 3.1, 0]
    simulator.forces[:, 2, 2] = [4.0, 0, 4.1]  # at the threshold it is none yet
    simulator.forces[:, 4, 2] = [-5.0, 0, 4.1]  # nor is what pulls a foot down
    state, transition = step(made, simulator, state, still(3))
    assert transition.terminated.tolist() == [False, True, False]
    assert state.episodes.contact.tolist() == [[False, False], [False, False], [True, True]]


def test_one_foot_on_the_ground_is_one_now() -> None:
    """Only the air time takes the step before for contact too."""
    made, simulator, state = begun(TASK.with_({"rewards.terms.single_foot.weight": 1.0}), robots=1)
    paid = []
    for left, right in ((2, 2), (2, 0), (0, 0)):
        simulator.forces[0, 2, 2], simulator.forces[0, 4, 2] = left, right
        state, transition = step(made, simulator, state, still(1))
        paid.append(round(float(transition.reward_terms["single_foot"][0]), 6))
    assert paid == [0, 0.02, 0]


def test_changes_are_those_since_the_step_before() -> None:
    """Joints jump to their targets: velocities are their steps over 0.02 s, accelerations those of the velocities."""
    made, simulator, state = begun(robots=1)
    actions = np.float32([[0, 0], [1, 0], [3, -1]])
    joints, velocity, last = state.episodes.readout.joint_position, np.zeros(2), np.zeros(2)
    for action in actions:
        state, transition = step(made, simulator, state, action[None])
        target = made.default_pose + 0.5 * action
        faster = (target - joints) / 0.02 - velocity
        terms = transition.reward_terms
        expected = -2.5e-7 * 0.02 * np.sum((faster / 0.02) ** 2)
        np.testing.assert_allclose(terms["joint_motion"], expected, rtol=1e-4, atol=1e-7)
        np.testing.assert_allclose(terms["action_rate"], -0.01 * 0.02 * np.sum((action - last) ** 2), rtol=1e-5)
        joints, velocity, last = target, (target - joints) / 0.02, action


def test_the_clock_of_training_counts_every_step_and_no_reset_stops_it() -> None:
    schedule = PenaltySchedule(start=0.2, control_steps=10)
    made, simulator, state = begun(dataclasses.replace(TASK, rewards=Rewards(penalty_schedule=schedule)), robots=2)
    for count in range(14):
        assert int(state.clock) == count
        action, last = np.full((2, 2), count % 2, np.float32), state.episodes.last_action
        state, transition = step(made, simulator, state, action)
        cost = 0.01 * 0.02 * np.sum((action - last) ** 2, axis=-1) * min(1.0, 0.2 + 0.08 * count)
        np.testing.assert_allclose(transition.reward_terms["action_rate"], -cost, rtol=1e-5)
        if count % 4 == 3:
            state = reset(made, simulator, state, np.ones(2, bool))


def test_robots_begin_at_their_start_height_over_their_tiles_ground_and_keep_their_column() -> None:
    """On hills and in pits: each tile's center has a height of its own."""
    terrain = Terrain(
        levels=3, columns=2, border=2.0, shares=(TileShare("slope_up", 0.5), TileShare("slope_down", 0.5))
    )
    randomization = Randomization(pushes=None, start=Start(position=0.0))
    task = dataclasses.replace(
        TASK, terrain=terrain, randomization=randomization, curriculum=Curriculum(initial_level=2)
    )
    made, simulator, state = begun(task, robots=12)
    for _ in range(2):
        episodes = state.episodes
        centers = made.tile_centers[episodes.level, episodes.column]
        assert episodes.column.tolist() == [0, 1] * 6 and np.ptp(centers[:, 2]) > 1
        np.testing.assert_allclose(episodes.readout.base_position, centers + np.float32([0, 0, 0.5]), atol=1e-5)
        state = reset(made, simulator, state, np.ones(12, bool))


def test_without_a_curriculum_a_robot_that_leaves_its_tile_begins_on_it_again() -> None:
    made, simulator, state = begun(robots=6)
    far = dataclasses.replace(state.episodes.readout, base_position=state.episodes.readout.base_position + 5)
    moved = dataclasses.replace(state, episodes=dataclasses.replace(state.episodes, readout=far))
    after = reset(made, simulator, moved, np.ones(6, bool)).episodes
    assert after.level.tolist() == state.episodes.level.tolist() == [0, 0, 1, 1, 2, 2]
    assert after.column.tolist() == [0, 1] * 3


def test_the_log_tells_of_the_episodes_that_ended_only() -> None:
    """Their levels, their seconds, and their terms per second of a full episode, so that a short one counts less."""
    made, simulator, state = begun(robots=6)
    sums = np.zeros((6, len(made.reward_terms)))
    for count in range(3):
        simulator.forces[[1, 2], 0, 2] = 5.0 * (count == 2)
        state, transition = step(made, simulator, state, np.full((6, 2), count % 2, np.float32))
        sums += np.stack(list(transition.reward_terms.values()), axis=-1)
        assert transition.log["episodes"] == (2 if count == 2 else 0)
    log = transition.log
    assert log["level"] == 0.5 and log["episode_seconds"] == pytest.approx(0.06)  # of levels 0 and 1
    for index, name in enumerate(made.reward_terms):
        assert log[f"reward/{name}"] == pytest.approx(sums[[1, 2], index].mean() / 0.2, rel=1e-4)
