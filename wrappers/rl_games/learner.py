"""``locoenvs train --learner rl_games``."""

from __future__ import annotations

import contextlib
import io
import tempfile
from pathlib import Path
from typing import Any, ClassVar

from rl_games.algos_torch.a2c_continuous import A2CAgent
from rl_games.common.algo_observer import AlgoObserver
from rl_games.common.tr_helpers import DefaultRewardsShaper
from torch import nn

from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.mdp.symmetry import Mirror
from locoenvs.numerics.arrays import Kind
from locoenvs.policies.policy import Layer
from locoenvs.tasks.task import Task
from locoenvs.training.settings import TrainSettings
from locoenvs.wrappers import training
from locoenvs.wrappers.learner import Update
from locoenvs.wrappers.networks import layers, set_layers
from locoenvs.wrappers.ppo import PPOConfig
from locoenvs.wrappers.rl_games.env import RlGamesVecEnv
from locoenvs.wrappers.rl_games.ppo import TimeoutA2CAgent, rl_games_config


class RlGamesLearner:
    """rl_games' PPO."""

    name: ClassVar[str] = "rl_games"
    packages: ClassVar[tuple[str, ...]] = ("rl-games",)
    array: ClassVar[Kind] = "torch"

    def __init__(self, env: LocoVectorEnv, ppo: PPOConfig, mirror: Mirror | None, seed: int) -> None:
        self.env = RlGamesVecEnv(env, seed)
        self.agent = built(self.env, rl_games_config(ppo, "given", mirror, str(self.env.device), seed)["params"])

    def update(self) -> Update:
        agent = self.agent
        agent.update_epoch()
        _, _, seconds, _, surrogate, value, _, entropy, kl, rate, _ = agent.train_epoch()
        agent.dataset.update_values_dict(None)
        agent.frame += agent.curr_frames
        value = [agent.central_loss] if agent.has_central_value else value
        parts = {"surrogate": surrogate, "value": value, "entropy": entropy, "kl": kl}
        return Update(
            learning_seconds=seconds,
            losses={name: sum(float(part) for part in values) / len(values) for name, values in parts.items()},
            learning_rate=float(rate),
            action_std=float(agent.model.a2c_network.sigma.detach().exp().mean()),
            diagnosis=agent.diagnosis,
        )

    def save(self) -> dict[str, Any]:
        agent = self.agent
        saved = {
            "model": agent.model.state_dict(),
            "optimizer": agent.optimizer.state_dict(),
            "learning_rate": agent.last_lr,
            "entropy": agent.entropy_coef,
            "epoch": agent.epoch_num,
            "frame": agent.frame,
            "dones": agent.dones,
        }
        if agent.has_central_value:
            saved["critic"] = agent.central_value_net.state_dict()
            saved["critic_optimizer"] = agent.central_value_net.optimizer.state_dict()
        return saved

    def load(self, saved: dict[str, Any], observation: Any) -> None:
        agent = self.agent
        agent.model.load_state_dict(saved["model"])
        agent.optimizer.load_state_dict(saved["optimizer"])
        if agent.has_central_value:
            agent.central_value_net.load_state_dict(saved["critic"])
            agent.central_value_net.optimizer.load_state_dict(saved["critic_optimizer"])
        agent.last_lr, agent.entropy_coef = saved["learning_rate"], saved["entropy"]
        agent.epoch_num, agent.frame = saved["epoch"], saved["frame"]
        agent.dones = saved["dones"].to(agent.ppo_device)
        agent.obs = agent.obs_to_tensors(self.env.tensors(observation))

    def layers(self) -> list[Layer]:
        return layers(self._actor())

    def start_from(self, weights: list[Layer]) -> None:
        set_layers(self._actor(), weights)

    def _actor(self) -> list[nn.Module]:
        network = self.agent.model.a2c_network
        return [*network.actor_mlp, network.mu]


def built(env: RlGamesVecEnv, params: dict[str, Any], kind: type[A2CAgent] = TimeoutA2CAgent) -> A2CAgent:
    """The agent of :func:`rl_games_config` on ``env``, ready for its first ``train_epoch``."""
    config = {
        **params["config"],
        "env_info": env.get_env_info(),
        "vec_env": env,
        "reward_shaper": DefaultRewardsShaper(**params["config"]["reward_shaper"]),
        "features": {"observer": AlgoObserver()},
    }
    # it prints what it builds, and insists on folders and a TensorBoard of its own, which the run has already
    with tempfile.TemporaryDirectory() as scratch, contextlib.redirect_stdout(io.StringIO()):
        agent = kind("run", params={**params, "config": {**config, "train_dir": scratch}})
        agent.writer.close()
    if agent.has_central_value:
        agent.central_value_net.writter = None
    agent.init_tensors()
    agent.obs = agent.env_reset()
    return agent


def train(env_id: str, settings: TrainSettings, task: Task | None = None, ppo: PPOConfig | None = None) -> Path:
    """Train a policy with rl_games; its run folder. See :func:`locoenvs.wrappers.training.train`."""
    return training.train(RlGamesLearner, env_id, settings, task, ppo)
