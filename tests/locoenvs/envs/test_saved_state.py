"""What was saved by another environment is refused in words, and changes nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from locoenvs.envs.registration import task as task_of
from locoenvs.envs.saved_state import rows_of, together
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.tasks.task import Task

A1 = task_of("Loco/A1-Flat-v0")


def changed(saved: dict[str, np.ndarray], **values: Any) -> dict[str, np.ndarray]:
    made = {name: value for name, value in saved.items() if values.get(name.replace(".", "_"), 0) is not None}
    return made | {name.replace("_", ".", 1): value for name, value in values.items() if value is not None}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clock": None}, "what was saved lacks 'clock'"),
        ({"physics_qpos": None}, "lacks 'physics.qpos'"),
        ({"physics_nonsense": np.zeros(3)}, "has 'physics.nonsense', which this backend does not know"),
        (
            {"physics_qpos": np.zeros((4, 3))},
            r"'physics.qpos' of float64 \(4, 3\), this environment's is float64 \(4, 19\)",
        ),
        ({"physics_qvel": np.full((4, 18), np.nan)}, "'physics.qvel' with numbers that are NaN or infinite"),
        ({"episodes_step": np.zeros(4)}, r"'episodes.step' of float64 \(4,\), this environment's is int32"),
        ({"episodes_robot": np.arange(3, dtype=np.int32)}, "has 3 robots, this environment 4"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(change: dict[str, Any], message: str) -> None:
    env = LocoVectorEnv(A1, 4, backend="mujoco")
    env.reset(seed=9)
    zero = np.zeros((4, 12), np.float32)
    for _ in range(3):
        env.step(zero)
    before = env.save()
    with pytest.raises(ValueError, match=message):
        env.restore(changed(before, **change))
    np.testing.assert_equal(env.save(), before)
    other = LocoVectorEnv(A1, 4, backend="mujoco")
    other.restore(before)
    np.testing.assert_equal(env.step(zero), other.step(zero))


def test_a_state_of_another_task_is_refused_and_one_of_version_0_1_0_is_not() -> None:
    env, other = (
        LocoVectorEnv(each, 4, backend="mujoco") for each in (A1, task_of("Loco/AnymalC-Flat-v0", actuator="pd"))
    )
    for each in (env, other):
        each.reset(seed=9)
    with pytest.raises(ValueError, match=f"is of task {other.task.hash}, this environment does task {A1.hash}"):
        env.restore(other.save())
    old = {name: value for name, value in env.save().items() if name != "task"}
    env.restore(old)


def test_a_state_that_does_not_fit_an_environment_that_was_not_reset_leaves_it_so() -> None:
    env = LocoVectorEnv(A1, 4, backend="mujoco")
    with pytest.raises(ValueError, match="lacks"):
        env.restore({})
    with pytest.raises(RuntimeError, match=r"call reset\(\) first"):
        env.save()


def rough(actuator: str) -> Task:
    """Short episodes on a small map, with varied drives and late sensors, so that all that a robot can remember is there."""
    small = {"terrain.levels": 2, "terrain.columns": 5, "terrain.border": 2.0, "curriculum.initial_level": 1}
    late = {"randomization.terms.action_delay": {}, "randomization.terms.observation_delay": {}}
    return task_of("Loco/AnymalC-Rough-v0", actuator=actuator).with_(small | late | {"timing.episode_length": 0.4})


def steps(env: LocoVectorEnv, actions: np.ndarray, robots: list[int]) -> list[Any]:
    """What the steps return for some robots, and what is saved of them after."""
    returned = []
    for action in actions:
        observation, reward, terminated, truncated, _ = env.step(action)
        returned += [np.asarray(each)[robots] for each in (observation, reward, terminated, truncated)]
    return [*returned, rows_of(env.save(), robots)]


@pytest.mark.parametrize(("actuator", "contact"), [(a, c) for a in ("pd", "lstm") for c in ("triangles", "mujoco")])
def test_some_of_the_robots_go_on_exactly_like_those_of_the_whole(actuator: str, contact: str) -> None:
    """Some are taken twice; new episodes begin on the way."""
    task, chosen = rough(actuator), [8, 3, 8, 0]
    whole, part = (
        LocoVectorEnv(task, count, backend="mujoco", options={"contact": contact}, stagger=False)
        for count in (9, len(chosen))
    )
    actions = np.random.default_rng(0).normal(0, 2, (25, 9, 12)).astype(np.float32)
    whole.reset(seed=4)
    steps(whole, actions[:10], chosen)
    seen = part.restore(rows_of(whole.save(), chosen))
    np.testing.assert_array_equal(seen, np.asarray(whole._observation(whole._observe(whole.state.episodes)))[chosen])
    after, again = steps(whole, actions[10:], chosen), steps(part, actions[10:, chosen], [*range(4)])
    assert (after[-1]["episodes.number"] > 0).all()
    np.testing.assert_equal(again, after)


@pytest.mark.slow
def test_on_mjx_robots_go_on_exactly_in_their_own_rows_among_as_many() -> None:
    pytest.importorskip("mujoco.mjx")
    flat = task_of("Loco/AnymalC-Flat-v0", actuator="pd")
    whole, part = (LocoVectorEnv(flat, 3, backend="mjx", options={"impl": "jax"}, stagger=False) for _ in range(2))
    actions = np.random.default_rng(0).normal(0, 1, (15, 3, 12)).astype(np.float32)
    whole.reset(seed=4)
    steps(whole, actions[:5], [1])
    chosen = [1, 1, 2]
    part.restore(rows_of(whole.save(), chosen))
    again = steps(part, actions[5:, chosen], [1, 2])  # who stays in its own row
    np.testing.assert_equal(again, steps(whole, actions[5:], [1, 2]))


def test_copies_of_one_robot_do_as_it_does() -> None:
    env, copies = (LocoVectorEnv(A1, count, backend="mujoco") for count in (3, 5))
    actions = np.random.default_rng(0).normal(0, 1, (10, 3, 12)).astype(np.float32)
    env.reset(seed=4)
    copies.restore(rows_of(env.save(), [1] * 5))
    for action in actions:
        alone, all_alike = env.step(action)[0], copies.step(np.repeat(action[1:2], 5, axis=0))[0]
        np.testing.assert_array_equal(all_alike, np.repeat(alone[1:2], 5, axis=0))


def test_robots_of_several_moments_go_on_together() -> None:
    """As it begins no robot can wait for a reset, and none is said to; later some may."""
    env, both = (
        LocoVectorEnv(rough("lstm"), count, backend="mujoco", stagger=False, autoreset_mode="disabled")
        for count in (3, 2)
    )
    env.reset(seed=4)
    first = env.save()
    action = np.zeros((3, 12), np.float32)
    env.step(action)
    later = env.save()
    both.restore(together([rows_of(first, [2]), rows_of(later, [0])]))
    both.step(action[:2])
    third, second = (LocoVectorEnv(rough("lstm"), 1, backend="mujoco", stagger=False) for _ in range(2))
    for index, (alone, robot, state) in enumerate(((third, 2, first), (second, 0, later))):
        alone.restore(rows_of(state, [robot]))
        alone.step(action[:1])
        wanted = rows_of(alone.save(), [0])
        found = rows_of(both.save(), [index])
        for name in sorted(set(wanted) - {"clock", "waiting"}):
            np.testing.assert_array_equal(found[name], wanted[name], err_msg=name)


@pytest.mark.parametrize(
    ("robots", "message"),
    [
        ([0, 4], "robot 4 is not in what was saved, which has robots 0 to 3"),
        ([-1], "robot -1 is not in what was saved"),
        ([], "a list of whole numbers, at least one"),
        ([0.5], "a list of whole numbers, at least one"),
    ],
)
def test_robots_that_are_not_there_are_refused(robots: list[int], message: str) -> None:
    env = LocoVectorEnv(A1, 4, backend="mujoco")
    env.reset(seed=9)
    with pytest.raises(ValueError, match=message):
        rows_of(env.save(), robots)


def test_robots_of_what_no_environment_saved_are_refused() -> None:
    env = LocoVectorEnv(A1, 4, backend="mujoco")
    env.reset(seed=9)
    with pytest.raises(ValueError, match="lacks 'episodes.robot'"):
        rows_of({"physics.qpos": np.zeros((4, 19))}, [0])
    with pytest.raises(ValueError, match=r"'physics.qvel' of shape \(2, 18\), with other robots than its 4"):
        rows_of(changed(env.save(), physics_qvel=np.zeros((2, 18))), [0])


def test_some_robots_of_another_task_or_robot_are_refused() -> None:
    other = LocoVectorEnv(task_of("Loco/AnymalC-Flat-v0", actuator="pd"), 4, backend="mujoco")
    env = LocoVectorEnv(A1, 2, backend="mujoco")
    other.reset(seed=9)
    with pytest.raises(ValueError, match=f"is of task {other.task.hash}"):
        env.restore(rows_of(other.save(), [1, 2]))
