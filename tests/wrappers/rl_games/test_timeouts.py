"""rl_games' critic finds the known value of an MDP that only time-outs cut, see :mod:`circle`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("rl_games")

import torch
from rl_games.algos_torch.a2c_continuous import A2CAgent

from circle import GAMMA, PHASES, ROBOTS, SMALL, Circle, error, true_values
from locoenvs.wrappers.rl_games import RlGamesVecEnv, TimeoutA2CAgent, rl_games_config
from locoenvs.wrappers.rl_games.learner import built


def agent_on(env: Circle, kind: type[A2CAgent] = TimeoutA2CAgent, **config: Any) -> A2CAgent:
    torch.manual_seed(0)
    params = rl_games_config(SMALL, "circle")["params"]
    params["config"] |= {"lr_schedule": None, "clip_value": False, **config}
    return built(RlGamesVecEnv(env), params, kind)


def learned_values(kind: type[A2CAgent], time_outs: bool = True) -> np.ndarray:
    """The critic's value of each phase after training."""
    agent = agent_on(Circle("torch", time_outs), kind)
    for update in range(120):
        agent.last_lr = 0.02 * 0.96**update
        agent.update_epoch()
        agent.train_epoch()
    return agent.get_values({"obs": torch.eye(PHASES)}).numpy()


def test_the_critic_finds_the_known_value() -> None:
    assert error(learned_values(TimeoutA2CAgent)) < 0.05


def test_left_alone_rl_games_does_not_find_it() -> None:
    assert error(learned_values(A2CAgent)) > 0.1


def test_without_time_outs_it_is_not_found() -> None:
    values = learned_values(TimeoutA2CAgent, time_outs=False)
    assert error(values) > 0.3 and bool((values[:, 0] < true_values()).all())


def test_only_robots_whose_time_ran_out_get_the_value_of_their_final_observation() -> None:
    agent = agent_on(Circle("torch"), reward_shaper={"scale_value": 10.0})
    obs, rewards, dones, infos = agent.env_step(torch.zeros(ROBOTS, 1))
    expected = 10 * rewards + GAMMA * dones[:, None] * agent.get_values({"obs": infos["final_observations"]})
    torch.testing.assert_close(agent.rewards_shaper(rewards), expected)
    assert dones.sum() == 6 and set(np.round(rewards.unique().numpy(), 3)) == {np.float32(0.1), np.float32(1.0)}
    assert "time_outs" not in infos  # so that rl_games adds nothing of its own
