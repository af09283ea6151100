"""What is kept of falls: where to begin to see them again, and what happened."""

from __future__ import annotations

import dataclasses

import falls
import numpy as np
import pytest

from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.evidence.evaluate import evaluate
from locoenvs.evidence.failures.keeper import Keeper
from locoenvs.evidence.panel import Panel, load_panel

THROW = np.tile(np.float32([0, 6, -6]), 4)


def throw(observations: np.ndarray) -> np.ndarray:
    """Throws every robot over within a second or so."""
    return np.tile(THROW, (len(observations), 1))


def flat(robots: int = 6, seconds: float = 3.0) -> Panel:
    panel = load_panel("flat")
    timing = dataclasses.replace(panel.task.timing, episode_length=seconds)
    return dataclasses.replace(panel, num_robots=robots, task=dataclasses.replace(panel.task, timing=timing))


def test_a_fall_is_told_and_its_state_is_two_seconds_old() -> None:
    made = falls.evaluated()
    kept = made.keeper.kept
    assert made.keeper.every_fall == len(kept) == round(made.result.metrics["fall_rate"].value * 8) > 0
    for each in kept:
        fall, episodes = each.fall, each.state
        assert fall.kind == "stairs_up" and fall.level in (0, 1) and fall.since_push is not None
        assert 100 <= fall.step - each.step < 125, "the newest of those that are two seconds old"
        assert episodes["episodes.step"] == each.step and episodes["episodes.robot"] == fall.robot
        assert fall.seconds == pytest.approx(0.02 * fall.step) and fall.since_push == pytest.approx(fall.seconds - 2.4)
        assert fall.command[0] == 0.75 and fall.since_command is None and not fall.broken
    ended = dict(zip(range(8), made.keeper.steps))
    assert [ended[each.fall.robot] for each in kept] == [each.fall.step for each in kept]
    assert {steps for robot, steps in ended.items() if robot not in [k.fall.robot for k in kept]} == {150}


def test_a_robot_that_falls_at_once_is_kept_from_its_start() -> None:
    keeper = Keeper()
    result = evaluate(throw, flat(), "mujoco", watch=keeper)
    assert result.metrics["fall_rate"].value == 1 and keeper.every_fall == 6
    assert [each.fall.robot for each in keeper.kept] == [*range(6)]
    early = [each for each in keeper.kept if each.fall.step <= 100]
    assert early and all(each.step == 0 and each.state["episodes.step"] == 0 for each in early)
    assert all(each.fall.tilt_rate > 0 and each.fall.kind == "plane" for each in early)


def test_to_keep_falls_changes_no_number() -> None:
    one, two = (
        evaluate(throw, flat(4, 1.5), "mujoco", **({"watch": Keeper()} if watched else {})) for watched in (False, True)
    )
    assert dataclasses.replace(one, wall_seconds=0.0) == dataclasses.replace(two, wall_seconds=0.0)


def test_where_there_is_no_room_for_all_the_kinds_of_ground_share_it() -> None:
    """Of 2 slots the first two falls, on one kind of tile, take both; the first on another kind takes the later one's place."""
    panel = falls.panel(1.2)
    shares = [{"kind": kind, "share": 0.5} for kind in ("flat", "rough")]
    task = panel.task.with_({"terrain.shares": shares, "randomization.pushes": None})
    held_out = dataclasses.replace(panel, task=task)

    def tip(observations: np.ndarray) -> np.ndarray:
        """Those in the first column at once, the others later."""
        step[0] += 1
        actions = throw(observations)
        actions[1::2] *= step[0] > 15
        return actions

    step, keeper, everything = [0], Keeper(2), Keeper()
    evaluate(tip, held_out, "mujoco", watch=everything)
    step[0] = 0
    evaluate(tip, held_out, "mujoco", watch=keeper)
    by_time = sorted(everything.kept, key=lambda each: each.fall.step)
    kinds = [each.fall.kind for each in by_time]
    assert kinds[:2] == ["flat", "flat"] and "rough" in kinds
    assert keeper.every_fall == everything.every_fall
    assert sorted(each.fall.kind for each in keeper.kept) == ["flat", "rough"]
    assert by_time[0].fall in [each.fall for each in keeper.kept]


def test_to_keep_none_is_not_to_watch() -> None:
    with pytest.raises(ValueError, match="at least one fall must be kept, got 0"):
        Keeper(0)


def test_a_new_command_and_a_caught_foot_are_noticed() -> None:
    """The command is drawn anew at 0.5 s; a foot is pushed sideways at 0.6 s with half the robot's weight."""
    task = load_panel("flat").task.with_({"commands.resample_every": 0.5})
    env, keeper, count = LocoVectorEnv(task, 2, backend="mujoco", stagger=False), Keeper(), 2
    env.reset(seed=0)
    alive, nobody = np.ones(count, bool), np.zeros(count, bool)
    keeper(env, alive, nobody, {})
    moment = {"since_push": np.array([np.inf, 0.0]), "speed": np.zeros(count)}
    foot = task.robot.contact_bodies.index(task.robot.feet[2])
    for step in range(1, 36):
        env.step(np.zeros((count, 12), np.float32))
        if step == 30:
            env.state.episodes.readout.contact_force[1, foot] = (250.0, 0.0, 10.0)
        keeper(env, alive, alive if step == 35 else nobody, moment)
    first, second = (each.fall for each in keeper.kept)
    assert first.since_command == second.since_command == pytest.approx(0.2)
    assert second.caught == task.robot.feet[2] and second.since_caught == pytest.approx(0.1)
    assert first.since_push is None and second.since_push is None, "a push comes after the fall of its step"
    assert second.cause == "a foot was caught"
