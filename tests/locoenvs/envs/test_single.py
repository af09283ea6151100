"""One robot alone: an ordinary environment with the same numbers as robot 0 of a batch."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import locoenvs  # noqa: F401
from locoenvs.backends.mujoco.simulator import MujocoSimulator
from locoenvs.envs.single import LocoEnv
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.tasks.recipes import task as recipe_task
from locoenvs.tasks.robots import ROBOTS
from locoenvs.tasks.task import Task, Terrain, Timing

ENV_ID = "Loco/AnymalC-Flat-v0"
FLAT = recipe_task(ROBOTS["AnymalC"], "flat")
ROUGH = dataclasses.replace(
    recipe_task(ROBOTS["AnymalC"], "rough"),
    terrain=Terrain(levels=4, columns=7, border=4.0),
    timing=Timing(episode_length=0.3),
)


def make(task: Task = FLAT, **options: Any) -> LocoEnv:
    return gymnasium.make(ENV_ID, task=task, **options).unwrapped  # type: ignore[return-value]


ADVICE = "symmetric and normalized"
"""The one thing that the checks advise: to scale actions to +-1. Ours are in units of the robot's action scale."""


def warnings_of(check: Callable[[], None]) -> list[str]:
    """What a check warns of, but for the advice above."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check()
    return [str(warning.message) for warning in caught if ADVICE not in str(warning.message)]


@pytest.mark.parametrize("options", [{}, {"privileged": True}], ids=str)
def test_gymnasiums_own_check(options: dict[str, Any]) -> None:
    env = make(**options)
    assert warnings_of(lambda: check_env(env, skip_render_check=True)) == []


@pytest.mark.parametrize("options", [{}, {"privileged": True}], ids=str)
def test_stable_baselines_own_check(options: dict[str, Any]) -> None:
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    env = make(**options)
    assert warnings_of(lambda: checker.check_env(env, warn=True)) == []


@pytest.mark.parametrize("privileged", [False, True])
def test_it_is_robot_0_of_a_batch(privileged: bool) -> None:
    """Episode after episode on rough ground: same observations, rewards, ends and curriculum, bit by bit."""
    env = make(ROUGH, privileged=privileged)
    batch = LocoVectorEnv(ROUGH, 3, stagger=False, privileged=privileged)
    row = (lambda o: {k: v[0] for k, v in o.items()}) if privileged else (lambda o: o[0])
    seen, info = env.reset(seed=11)
    expected, _ = batch.reset(seed=11)
    assert info == {}
    episodes = 0
    for t in range(50):
        np.testing.assert_equal(seen, row(expected))
        assert env.observation_space.contains(seen)
        action = (0.5 * np.sin(np.arange(12) + 0.4 * t)).astype(np.float32)
        seen, reward, terminated, truncated, info = env.step(action)
        expected, rewards, terminations, truncations, infos = batch.step(np.stack([action] * 3))
        np.testing.assert_equal(seen, row(infos["final_obs"]))
        assert (reward, terminated, truncated) == (rewards[0], terminations[0], truncations[0])
        assert [type(value) for value in (reward, terminated, truncated)] == [float, bool, bool]
        assert info == {
            "time_outs": infos["time_outs"][0],
            "reset_reason": batch.reset_reasons[infos["reset_reason"][0]],
            "reward_terms": {name: value[0] for name, value in infos["reward_terms"].items()},
        }
        if terminated or truncated:
            episodes += 1
            seen, _ = env.reset()
        assert env.batch.state.episodes.level[0] == batch.state.episodes.level[0]
    assert episodes >= 3 and env.batch.state.episodes.number[0] == batch.state.episodes.number[0] == episodes


def test_seeds() -> None:
    env = make()
    first, _ = env.reset(seed=1)
    second, _ = env.reset()
    assert env.np_random_seed == 1 and not np.array_equal(first, second)
    np.testing.assert_array_equal(env.reset(seed=1)[0], first)
    np.testing.assert_array_equal(env.reset()[0], second)
    assert not np.array_equal(env.reset(seed=2)[0], first)
    unseeded = [make().reset()[0] for _ in range(2)]
    assert not np.array_equal(*unseeded)


def test_what_it_refuses() -> None:
    env = make()
    with pytest.raises(RuntimeError, match=r"call reset\(\) first"):
        env.step(np.zeros(12, np.float32))
    with pytest.raises(ValueError, match=r"no options for one robot alone, got \['reset_mask'\]"):
        env.reset(options={"reset_mask": [True]})
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"the action must have shape \(12,\), got \(1, 12\)"):
        env.step(np.zeros((1, 12), np.float32))
    with pytest.raises(ValueError, match="floating point, got int64"):
        env.step(np.zeros(12, np.int64))
    with pytest.raises(ValueError, match="NaN or infinite"):
        env.step(np.full(12, np.nan))


def test_it_must_be_reset_when_done_and_cannot_be_used_when_closed() -> None:
    env = make(dataclasses.replace(FLAT, timing=Timing(episode_length=0.04)))
    env.reset(seed=0)
    action = np.zeros(12, np.float32)
    assert [env.step(action)[3] for _ in range(2)] == [False, True]
    with pytest.raises(RuntimeError, match=r"^the episode is over: call reset\(\) before the next step$"):
        env.step(action)
    env.reset()
    assert env.step(action)[4]["reset_reason"] == "running"
    env.close()
    env.close()
    with pytest.raises(RuntimeError, match="closed"):
        env.reset()


def test_gymnasiums_check_draws_where_there_is_no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr(MujocoSimulator, "render", lambda *_: np.zeros((480, 640, 3), np.uint8))
    env = gymnasium.make("Loco/A1-Flat-v0")
    assert env.unwrapped.metadata["render_modes"] == ["rgb_array"]
    assert warnings_of(lambda: check_env(env.unwrapped)) == []


def test_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    env = make(render_mode="rgb_array")
    monkeypatch.setattr(env.batch.simulator, "render", lambda physics, robot, size: np.full((4, 6, 3), robot, np.uint8))
    env.reset(seed=0)
    picture = env.render()
    assert isinstance(picture, np.ndarray) and picture.shape == (4, 6, 3)
    assert env.metadata == {"render_modes": ["rgb_array", "human"], "render_fps": 50}
    plain = make()
    plain.reset(seed=0)
    assert plain.render() is None


def test_actions_from_all_of_a_wide_space_are_told_once_with_the_way_out() -> None:
    env = make()
    env.reset(seed=0)
    with pytest.warns(UserWarning, match="such as SAC, TD3 and DDPG, .* action_limit=2") as told:
        for _ in range(60):
            *_, terminated, truncated, _ = env.step(np.full(12, 50.0, np.float32))
            if terminated or truncated:
                env.reset()
    assert len(told) == 1
    narrow = make(action_limit=2.0)
    assert narrow.action_space.high.tolist() == [2.0] * 12
    with pytest.raises(ValueError, match=r"action_limit must be in \(0, 100\], the task's clip of actions, got 200"):
        make(action_limit=200.0)


@pytest.mark.parametrize("way", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))], ids=["copy", "pickle"])
def test_a_copy_goes_on_as_the_original(way: Callable[[Any], Any]) -> None:
    env = make(ROUGH)
    env.reset(seed=5)
    action = np.full(12, 0.3, np.float32)
    for _ in range(3):
        env.step(action)
    other = way(env)
    for _ in range(40):
        ours, theirs = env.step(action), other.step(action)
        np.testing.assert_equal(theirs, ours)
        if ours[2] or ours[3]:
            np.testing.assert_equal(other.reset(), env.reset())
    np.testing.assert_equal(way(make()).reset(seed=1)[0], make().reset(seed=1)[0])
