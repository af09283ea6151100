"""The batched environment as rl_games sees it, and rl_games' own Runner on it from a YAML file."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("rl_games")

import torch
import yaml
from rl_games.common import vecenv

from circle import Circle
from locoenvs.envs.registration import make_vector, task
from locoenvs.wrappers.ppo import PPOConfig
from locoenvs.wrappers.rl_games import RlGamesVecEnv, TimeoutA2CAgent, make_runner, register, rl_games_config
from locoenvs.wrappers.rl_games.learner import built

FLAT = "Loco/AnymalC-Flat-v0"
SMALL = PPOConfig(num_envs=8, horizon=6, updates=2, epochs=2, minibatches=2, hidden=(16,))


def test_observations_states_and_ends_are_tensors() -> None:
    env = RlGamesVecEnv(make_vector(FLAT, 4, privileged=True, options={"threads": 1}), seed=0)
    assert {name: tuple(value.shape) for name, value in env.reset().items()} == {"obs": (4, 48), "states": (4, 48)}
    obs, reward, done, infos = env.step(torch.zeros(4, 12))
    assert set(obs) == set(infos["final_observations"]) == {"obs", "states"}
    assert reward.shape == done.shape == (4,) and done.dtype == torch.uint8 and infos["time_outs"].dtype == torch.bool
    info = env.get_env_info()
    assert info["observation_space"].shape == info["state_space"].shape == (48,) and info["action_space"].shape == (12,)


@pytest.mark.parametrize("privileged", [False, True])
def test_rl_games_own_runner_trains_an_id_from_yaml(tmp_path: Path, monkeypatch: Any, privileged: bool) -> None:
    monkeypatch.chdir(tmp_path)
    config = rl_games_config(PPOConfig(**{**vars(SMALL), "privileged": privileged}), FLAT, seed=3)
    config["params"]["config"]["env_config"] |= {"privileged": privileged, "options": {"threads": 1}}
    Path("walk.yaml").write_text(yaml.safe_dump(config))
    runner = make_runner()
    runner.load(yaml.safe_load(Path("walk.yaml").read_text()))
    runner.run({"train": True})
    checkpoints = list(Path("runs").rglob("*.pth"))
    assert len(checkpoints) == 1 and "ep_2" in checkpoints[0].name
    config["params"]["config"]["player"] |= {"games_num": 1, "max_steps": 3, "render": False}
    flat = task(FLAT)
    short = dataclasses.replace(flat, timing=dataclasses.replace(flat.timing, episode_length=0.1))
    config["params"]["config"]["env_config"] |= {"stagger": False, "task": short}  # it plays one episode
    player = make_runner()
    player.load(config)
    player.run({"train": False, "play": True, "checkpoint": str(checkpoints[0])})


@pytest.mark.parametrize("privileged", [False, True])
def test_a_privileged_environment_and_a_privileged_critic_go_together(privileged: bool) -> None:
    params = rl_games_config(PPOConfig(**{**vars(SMALL), "privileged": not privileged}), FLAT)["params"]
    env = make_vector(FLAT, 8, array="torch", privileged=privileged, options={"threads": 1})
    with pytest.raises(ValueError, match="privileged environment and a central_value_config go together"):
        built(RlGamesVecEnv(env), params)


def test_its_sac_is_refused() -> None:
    config = rl_games_config(SMALL, FLAT)
    config["params"]["algo"]["name"] = "sac"
    runner = make_runner()
    runner.load(config)
    with pytest.raises(ValueError, match="before the step.*use Stable-Baselines3's SAC"):
        runner.run({"train": True})


@pytest.mark.parametrize("seed", [0, 3])
def test_rl_games_own_runner_seeds_the_robots(seed: int) -> None:
    runner = make_runner()
    runner.load(rl_games_config(SMALL, FLAT, seed=seed))
    options = {**runner.params["config"]["env_config"], "options": {"threads": 1}}
    seen = vecenv.create_vec_env(FLAT, 4, **options).reset()
    expected, _ = make_vector(FLAT, 4, array="torch", options={"threads": 1}).reset(seed=seed)
    assert torch.equal(seen, expected)


def test_an_environment_of_ones_own_is_injected_by_name(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    env = Circle("torch", robots=8)
    register("circle", env)
    runner = make_runner()
    runner.load(rl_games_config(SMALL, "circle"))
    runner.run({"train": True})
    assert env.age.max() > 0
    runner.load(rl_games_config(PPOConfig(num_envs=16, horizon=6, minibatches=2), "circle"))
    with pytest.raises(ValueError, match="num_actors is 16, but the environment 'circle' has 8 robots"):
        runner.run({"train": True})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clip_actions": True}, r"clamp actions to \[-1, 1\] and then stretch.*Set clip_actions: False"),
        ({"max_steps": 100}, "set max_frames instead"),
    ],
)
def test_settings_that_would_change_actions_or_fail_are_refused(change: dict[str, Any], message: str) -> None:
    params = rl_games_config(SMALL, "circle")["params"]
    params["config"] |= change
    with pytest.raises(ValueError, match=message):
        built(RlGamesVecEnv(Circle("torch", robots=8)), params)


def test_the_adaptive_rate_has_the_bounds_of_the_settings() -> None:
    params = rl_games_config(PPOConfig(**{**vars(SMALL), "max_learning_rate": 2e-3}), "circle")["params"]
    agent = built(RlGamesVecEnv(Circle("torch", robots=8)), params)
    assert isinstance(agent, TimeoutA2CAgent) and (agent.scheduler.min_lr, agent.scheduler.max_lr) == (1e-5, 2e-3)
