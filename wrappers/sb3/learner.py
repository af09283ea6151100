"""``locoenvs train --learner sb3``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, ClassVar

import torch

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
from locoenvs.wrappers.sb3.env import Sb3VecEnv
from locoenvs.wrappers.sb3.ppo import TimeoutPPO, sb3_config


class Sb3Learner:
    """Stable-Baselines3's PPO."""

    name: ClassVar[str] = "sb3"
    packages: ClassVar[tuple[str, ...]] = ("stable-baselines3",)
    array: ClassVar[Kind] = "numpy"

    def __init__(self, env: LocoVectorEnv, ppo: PPOConfig, mirror: Mirror | None, seed: int) -> None:
        self.ppo = ppo
        adapter = Sb3VecEnv(env, seed=seed)
        self.model = TimeoutPPO(env=adapter, device=env.device or "cpu", **sb3_config(ppo, mirror))
        _, self.callback = self.model._setup_learn(ppo.samples_per_update * ppo.updates)  # resets the environment

    def update(self) -> Update:
        model = self.model
        model.collect_rollouts(model.env, self.callback, model.rollout_buffer, n_rollout_steps=self.ppo.horizon)
        begun = time.perf_counter()
        model.train()
        spent = time.perf_counter() - begun
        seen = model.logger.name_to_value
        return Update(
            learning_seconds=spent,
            losses={
                "value": float(seen["train/value_loss"]),
                "surrogate": float(seen["train/policy_gradient_loss"]),
                "entropy": -float(seen["train/entropy_loss"]),
            },
            learning_rate=float(model.policy.optimizer.param_groups[0]["lr"]),
            action_std=float(model.policy.log_std.detach().exp().mean()),
            diagnosis=model.diagnosis,
        )

    def save(self) -> dict[str, Any]:
        return {
            "policy": self.model.policy.state_dict(),
            "optimizer": self.model.policy.optimizer.state_dict(),
            "learning_rate": self.model.adaptive_rate,
            "timesteps": self.model.num_timesteps,
            "episode_starts": torch.from_numpy(self.model._last_episode_starts),
        }

    def load(self, saved: dict[str, Any], observation: Any) -> None:
        self.model.policy.load_state_dict(saved["policy"])
        self.model.policy.optimizer.load_state_dict(saved["optimizer"])
        self.model.adaptive_rate = saved["learning_rate"]
        self.model.num_timesteps = saved["timesteps"]
        self.model._last_obs = observation
        self.model._last_episode_starts = saved["episode_starts"].numpy()

    def layers(self) -> list[Layer]:
        return layers(self.model.policy.actor())

    def start_from(self, weights: list[Layer]) -> None:
        set_layers(self.model.policy.actor(), weights)


def train(env_id: str, settings: TrainSettings, task: Task | None = None, ppo: PPOConfig | None = None) -> Path:
    """Train a policy with Stable-Baselines3; its run folder. See :func:`locoenvs.wrappers.training.train`."""
    return training.train(Sb3Learner, env_id, settings, task, ppo)
