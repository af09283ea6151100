"""A robot goes on in another environment: exactly where all is the same, and with all that both know where it is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from locoenvs.envs.registration import task as task_of
from locoenvs.envs.saved_state import rows_of
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.evidence.failures.transplant import jostled, put
from locoenvs.tasks.task import Task

LATE = {
    "randomization.terms.action_delay": {"parameters": {"delay": [0.005, 0.02]}},
    "randomization.terms.observation_delay": {"parameters": {"delay": [0.02, 0.04]}},
    "randomization.terms.link_mass": {},
}


def env_of(task: Task, robots: int) -> LocoVectorEnv:
    return LocoVectorEnv(task, robots, backend="mujoco", stagger=False, split="panel", autoreset_mode="disabled")


def walked(task: Task) -> dict[str, np.ndarray]:
    """What is saved of robot 2 of 3 after 8 steps of seed 5."""
    env = env_of(task, 3)
    env.reset(seed=5)
    for action in np.random.default_rng(1).normal(0, 0.3, (8, 3, 12)).astype(np.float32):
        env.step(action)
    return rows_of(env.save(), [2])


@pytest.mark.parametrize("actuator", ["pd", "lstm"])
def test_where_all_is_the_same_it_goes_on_exactly(actuator: Any) -> None:
    task = task_of("Loco/AnymalC-Flat-v0", actuator=actuator).with_(LATE)
    saved = walked(task)
    one, other = env_of(task, 1), env_of(task, 1)
    np.testing.assert_array_equal(put(one, saved, task, 5), other.restore(saved))
    for action in np.random.default_rng(2).normal(0, 0.3, (8, 1, 12)).astype(np.float32):
        one.step(action)
        other.step(action)
    np.testing.assert_equal(one.save(), other.save())


def test_drives_keep_what_they_remember_under_a_new_delay() -> None:
    """Three physics steps more on the way: the last target, as often as it takes; then what the network remembers."""
    task = task_of("Loco/AnymalC-Flat-v0", actuator="lstm")
    late = task.with_({"randomization.terms.action_delay": {"parameters": {"delay": [0.0, 0.015]}}})
    saved, env = walked(task), env_of(late, 1)
    put(env, saved, task, 5)
    memory = env.save()["physics.actuator"]
    np.testing.assert_array_equal(memory[3:], saved["physics.actuator"])
    np.testing.assert_array_equal(memory[:3], np.repeat(0.5 * saved["episodes.last_action"][None], 3, axis=0))


def test_a_delay_that_goes_forgets_what_was_on_its_way() -> None:
    late = task_of("Loco/AnymalC-Flat-v0", actuator="lstm").with_(LATE)
    prompt = task_of("Loco/AnymalC-Flat-v0", actuator="lstm")
    saved, env = walked(late), env_of(prompt, 1)
    put(env, saved, late, 5)
    np.testing.assert_array_equal(env.save()["physics.actuator"], saved["physics.actuator"][4:])


def test_what_a_robot_is_drawn_is_drawn_for_that_robot() -> None:
    """Robot 2 gets the friction that robot 2 of an evaluation of the changed task gets."""
    task = task_of("Loco/AnymalC-Flat-v0", actuator="pd")
    slippery = task.with_({"randomization.friction": [0.1, 0.4]})
    whole, env = env_of(slippery, 3), env_of(slippery, 1)
    whole.reset(seed=5)
    put(env, walked(task), task, 5)
    np.testing.assert_array_equal(env.save()["physics.friction"], whole.save()["physics.friction"][[2]])


def test_sensors_that_are_late_now_give_what_they_see_until_they_have_a_past() -> None:
    task = task_of("Loco/AnymalC-Flat-v0", actuator="pd")
    late = task.with_({"randomization.terms.observation_delay": {"parameters": {"delay": [0.04, 0.04]}}})
    saved, prompt, env = walked(task), env_of(task, 1), env_of(late, 1)
    np.testing.assert_array_equal(put(env, saved, task, 5), prompt.restore(saved))
    assert env.save()["episodes.sensed"].shape == (1, 2, 48)


def test_small_changes_are_of_velocities_alone_and_are_seen() -> None:
    task = task_of("Loco/AnymalC-Flat-v0", actuator="pd")
    env = env_of(task, 3)
    before = env.restore(rows_of(walked(task), [0, 0, 0]))
    saved = env.save()
    after = jostled(env, 0.1)
    changed = {name for name, value in env.save().items() if not np.array_equal(value, saved[name])}
    motion = ("base_linear_velocity", "base_angular_velocity", "joint_velocity")
    assert changed == {"physics.qvel", *(f"episodes.readout.{name}" for name in motion)}
    by = np.abs(env.save()["physics.qvel"] - saved["physics.qvel"])
    assert (by[0] == 0).all() and 0.05 < by[1:].max() <= 0.1
    np.testing.assert_array_equal(after[0], before[0])
    assert (after[1] != after[2]).any() and np.abs(after - before).max() <= 0.21, "velocities are scaled by 2 at most"
