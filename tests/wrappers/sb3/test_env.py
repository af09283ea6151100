"""The batched environment as Stable-Baselines3 sees it."""

from __future__ import annotations

import dataclasses
from typing import Any

import gymnasium
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

from stable_baselines3 import SAC

from circle import Circle
from locoenvs.envs.registration import task
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.tasks.task import Timing
from locoenvs.wrappers.sb3 import Sb3VecEnv

FLAT = "Loco/AnymalC-Flat-v0"


def made(robots: int = 4, episode_length: float = 20.0, **options: Any) -> LocoVectorEnv:
    chosen = dataclasses.replace(task(FLAT), timing=Timing(episode_length=episode_length))
    return LocoVectorEnv(chosen, robots, options={"threads": 1}, **options)


@pytest.mark.parametrize("array", ["numpy", "torch"])
def test_final_observations_are_where_they_are_looked_for(array: Any) -> None:
    env = Sb3VecEnv(made(episode_length=0.1, stagger=False, array=array), seed=0)
    assert env.reset().shape == (4, 48)
    for _ in range(4):
        _, reward, done, infos = env.step(np.zeros((4, 12), np.float32))
        assert not done.any() and infos == [{}] * 4
        assert len({id(info) for info in infos}) == 1  # one dict for all
    actions = np.full((4, 12), 0.5, np.float32)
    observation, reward, done, infos = env.step(actions)
    assert done.dtype == bool and done.all() and reward.dtype == np.float32
    last = next(slot for slot in env.env.observation_layout if slot.name == "last_action")
    for robot, info in enumerate(infos):
        assert set(info) == {"terminal_observation", "TimeLimit.truncated"} and info["TimeLimit.truncated"] is True
        assert np.array_equal(info["terminal_observation"][last.start : last.stop], actions[robot])
    assert not observation[:, last.start : last.stop].any()


def test_actions_of_a_space_that_is_too_wide_are_told_once(recwarn: pytest.WarningsRecorder) -> None:
    env = Sb3VecEnv(made(), seed=0)
    env.reset()
    env.step(np.full((4, 12), 19.0, np.float32))
    assert not [warning for warning in recwarn if "action_limit" in str(warning.message)]
    for _ in range(2):
        env.step(np.full((4, 12), -60.0, np.float32))
    told = [str(warning.message) for warning in recwarn if "action_limit" in str(warning.message)]
    assert len(told) == 1 and "actions of 60 action scales" in told[0]


def test_a_failure_is_not_a_time_out() -> None:
    env = Sb3VecEnv(Circle(time_outs=False))
    env.reset()
    _, _, done, infos = env.step(np.zeros((24, 1), np.float32))
    assert done.any() and all(infos[robot]["TimeLimit.truncated"] is False for robot in np.nonzero(done)[0])


def test_a_privileged_environment_gives_dicts() -> None:
    env = Sb3VecEnv(made(episode_length=0.02, privileged=True), seed=0)
    assert {name: value.shape for name, value in env.reset().items()} == {"policy": (4, 48), "critic": (4, 48)}
    _, _, _, infos = env.step(np.zeros((4, 12), np.float32))
    assert {name: value.shape for name, value in infos[0]["terminal_observation"].items()} == {
        "policy": (48,),
        "critic": (48,),
    }


def test_a_seed_is_used_once() -> None:
    env = Sb3VecEnv(made())
    env.seed(3)
    first = env.reset()
    assert not np.array_equal(env.reset(), first)
    env.seed(3)
    assert np.array_equal(env.reset(), first)


def test_attributes_are_those_of_the_batch() -> None:
    env = Sb3VecEnv(made())
    assert env.get_attr("num_envs") == [4] * 4 and env.get_attr("split", [0, 2]) == ["train"] * 2
    assert env.env_is_wrapped(gymnasium.wrappers.TimeLimit) == [False] * 4 and env.render_mode is None


@pytest.mark.parametrize("limit", [0.0, -1.0, 101.0])
def test_the_action_space_is_the_tasks_clip_unless_a_limit_in_it_is_given(limit: float) -> None:
    assert bool((Sb3VecEnv(made()).action_space.high == task(FLAT).action_clip).all())
    assert bool((Sb3VecEnv(made(), action_limit=2.0).action_space.high == 2.0).all())
    with pytest.raises(ValueError, match=rf"action_limit must be in \(0, 100\].*got {limit}"):
        Sb3VecEnv(made(), action_limit=limit)


def test_sac_stores_final_observations_and_does_not_take_time_outs_for_ends() -> None:
    env = Sb3VecEnv(made(8, episode_length=0.1, stagger=False), seed=0, action_limit=2.0)
    model = SAC("MlpPolicy", env, buffer_size=8 * 12, learning_starts=8 * 4, batch_size=16, device="cpu", seed=0)
    finals, step_wait = [], env.step_wait

    def watched() -> Any:
        returned = step_wait()
        finals.extend(info["terminal_observation"] for info in returned[3] if info)
        return returned

    env.step_wait = watched  # type: ignore[method-assign]
    model.learn(8 * 10)
    buffer = model.replay_buffer
    assert (
        buffer.dones[:10].sum() == 16 and bool((buffer.dones[4] == 1).all()) and bool((buffer.timeouts[4] == 1).all())
    )
    assert np.array_equal(buffer.next_observations[4], np.stack(finals[:8]))
    assert not np.array_equal(buffer.next_observations[4], buffer.observations[5])
    sampled = buffer._get_samples(np.full(8, 4))
    assert not bool(sampled.dones.any())  # bootstrapped through
    assert bool((np.abs(buffer.actions[:10]) <= 1).all()) and model._n_updates > 0
