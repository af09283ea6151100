"""The batched environment as RSL-RL sees it, and RSL-RL's own runner on it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("rsl_rl")

import torch
from rsl_rl.runners import OnPolicyRunner
from tensordict import TensorDict

import locoenvs  # noqa: F401
from locoenvs.envs.registration import task
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.tasks.task import Task, Timing
from locoenvs.wrappers.ppo import PPOConfig
from locoenvs.wrappers.rsl_rl import RslRlVecEnv, rsl_rl_config

FLAT = "Loco/AnymalC-Flat-v0"


def flat(episode_length: float = 20.0) -> Task:
    return dataclasses.replace(task(FLAT), timing=Timing(episode_length=episode_length))


def made(robots: int = 4, episode_length: float = 20.0, **options: Any) -> LocoVectorEnv:
    return LocoVectorEnv(flat(episode_length), robots, options={"threads": 1}, **options)


def test_what_rsl_rl_reads_is_there() -> None:
    env = RslRlVecEnv(made(), seed=0)
    assert (env.num_envs, env.num_actions, env.max_episode_length, env.device.type) == (4, 12, 1000, "cpu")
    observation = env.get_observations()
    assert isinstance(observation, TensorDict) and observation.batch_size == (4,)
    assert {name: tuple(value.shape) for name, value in observation.items()} == {"policy": (4, 48)}
    following, reward, done, extras = env.step(torch.zeros(4, 12))
    assert following is env.get_observations()
    assert reward.shape == done.shape == (4,) and reward.dtype == torch.float32 and done.dtype == torch.long
    assert set(extras) == {"time_outs", "final_observations", "reset_reason", "reward_terms"}
    assert extras["time_outs"].dtype == torch.bool and not extras["time_outs"].any()
    assert torch.equal(extras["final_observations"]["policy"], following["policy"])  # nobody is done


def test_a_time_out_is_marked_and_its_final_observation_is_of_the_episode_that_ended() -> None:
    env = RslRlVecEnv(made(episode_length=0.1, stagger=False), seed=0)
    for _ in range(4):
        _, _, done, extras = env.step(torch.zeros(4, 12))
        assert not done.any() and "log" not in extras
    actions = torch.full((4, 12), 0.5)
    observation, _, done, extras = env.step(actions)
    assert bool((done == 1).all()) and bool(extras["time_outs"].all())
    assert extras["log"]["episodes"] == 4 and extras["log"]["episode_seconds"] == pytest.approx(0.1)
    last_action = next(slot for slot in env.env.observation_layout if slot.name == "last_action")
    columns = slice(last_action.start, last_action.stop)
    assert torch.equal(extras["final_observations"]["policy"][:, columns], actions)
    assert torch.equal(observation["policy"][:, columns], torch.zeros(4, 12))
    assert env.episode_length_buf.tolist() == [0, 0, 0, 0]


def test_without_a_log_nothing_waits_for_it() -> None:
    env = RslRlVecEnv(made(episode_length=0.1, stagger=False), seed=0, log=False)
    steps = [env.step(torch.zeros(4, 12)) for _ in range(5)]
    assert bool((steps[-1][2] == 1).all()) and all("log" not in extras for *_, extras in steps)


def test_a_privileged_critic_sees_without_noise() -> None:
    env = RslRlVecEnv(made(privileged=True), seed=0)
    _, _, _, extras = env.step(torch.zeros(4, 12))
    for seen in (env.get_observations(), extras["final_observations"]):
        assert set(seen.keys()) == {"policy", "critic"}
        noise = (seen["policy"] - seen["critic"]).abs()
        bound = torch.as_tensor(env.env.mdp.noise)
        assert bool((noise <= bound + 1e-6).all()) and bool((noise[:, bound > 0] > 0).any())


def test_the_array_of_the_environment_does_not_matter() -> None:
    ours, theirs = RslRlVecEnv(made(array="numpy"), seed=3), RslRlVecEnv(made(array="torch"), seed=3)
    actions = torch.linspace(-1, 1, 48).reshape(4, 12)
    for _ in range(3):
        a, b = ours.step(actions), theirs.step(actions)
        assert torch.equal(a[0]["policy"], b[0]["policy"]) and torch.equal(a[1], b[1]) and torch.equal(a[2], b[2])
    assert torch.equal(a[3]["final_observations"]["policy"], b[3]["final_observations"]["policy"])
    assert all(isinstance(part, torch.Tensor) for part in (a[1], a[2], a[3]["time_outs"]))


def test_episode_steps_can_be_set() -> None:
    env = RslRlVecEnv(made(), seed=0)
    env.episode_length_buf = torch.tensor([0, 5, 998, 999])
    _, _, done, extras = env.step(torch.zeros(4, 12))
    assert extras["time_outs"].tolist() == [False, False, False, True]
    assert env.episode_length_buf.tolist() == [1, 6, 999, 0]


@pytest.mark.parametrize("array", ["numpy", "torch"])
def test_rsl_rls_own_runner_trains_on_it(tmp_path: Path, array: Any, capsys: pytest.CaptureFixture[str]) -> None:
    env = RslRlVecEnv(made(8, episode_length=0.2, array=array, privileged=True), seed=0)
    ppo = PPOConfig(num_envs=8, horizon=6, updates=2, epochs=2, minibatches=2, hidden=(16,), privileged=True)
    settings = rsl_rl_config(ppo)
    runner = OnPolicyRunner(env, settings, log_dir=str(tmp_path))
    before = {name: value.clone() for name, value in runner.alg.actor.state_dict().items()}
    runner.learn(2, init_at_random_ep_len=True)
    assert any(not torch.equal(value, before[name]) for name, value in runner.alg.actor.state_dict().items())
    assert all(bool(torch.isfinite(value).all()) for value in runner.alg.critic.state_dict().values())
    assert "episode_seconds" in capsys.readouterr().out
    assert np.isfinite(runner.alg.learning_rate)


def test_a_recurrent_critic_of_two_groups_trains_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    env = RslRlVecEnv(made(8, episode_length=0.1, array="torch", privileged=True), seed=0)
    settings = rsl_rl_config(PPOConfig(num_envs=8, horizon=6, updates=2, epochs=2, minibatches=2, hidden=(16,)))
    settings["obs_groups"] = {"actor": ["policy"], "critic": ["policy", "critic"]}
    for network in (settings["actor"], settings["critic"]):
        network |= {"class_name": "RNNModel", "rnn_type": "gru", "rnn_hidden_dim": 8, "rnn_num_layers": 1}
    runner = OnPolicyRunner(env, settings, log_dir=str(tmp_path))
    assert next(runner.alg.critic.rnn.parameters()).shape[1] == 96
    before = [value.clone() for value in runner.alg.critic.parameters()]
    runner.learn(2)
    after = list(runner.alg.critic.parameters())
    assert all(bool(torch.isfinite(value).all()) for value in after)
    assert any(not torch.equal(a, b) for a, b in zip(before, after)) and "episode_seconds" in capsys.readouterr().out
