"""``locoenvs train --learner rsl_rl``."""

from __future__ import annotations

import contextlib
import io
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
from locoenvs.wrappers.part import part_of
from locoenvs.wrappers.ppo import PPOConfig
from locoenvs.wrappers.rsl_rl.env import RslRlVecEnv
from locoenvs.wrappers.rsl_rl.ppo import TimeoutPPO, rsl_rl_config


class RslRlLearner:
    """RSL-RL's PPO."""

    name: ClassVar[str] = "rsl_rl"
    packages: ClassVar[tuple[str, ...]] = ("rsl-rl-lib",)
    array: ClassVar[Kind] = "torch"

    def __init__(self, env: LocoVectorEnv, ppo: PPOConfig, mirror: Mirror | None, seed: int) -> None:
        self.ppo = ppo
        self.env = RslRlVecEnv(env, seed=seed, log=False)
        settings = rsl_rl_config(ppo, mirror, part_of(ppo.num_envs))
        with contextlib.redirect_stdout(io.StringIO()):  # it prints the networks
            made = TimeoutPPO.construct_algorithm(self.env.get_observations(), self.env, settings, str(self.env.device))
        assert isinstance(made, TimeoutPPO)
        self.algorithm = made
        self.algorithm.train_mode()

    def update(self) -> Update:
        observation = self.env.get_observations()
        with torch.inference_mode():
            for _ in range(self.ppo.horizon):
                observation, rewards, dones, extras = self.env.step(self.algorithm.act(observation))
                self.algorithm.process_env_step(observation, rewards, dones, extras)
            begun = time.perf_counter()
            self.algorithm.compute_returns(observation)
        losses = self.algorithm.update()
        return Update(
            learning_seconds=time.perf_counter() - begun,
            losses={name: float(value) for name, value in losses.items()},
            learning_rate=self.algorithm.learning_rate,
            action_std=float(self.algorithm.actor.output_std.mean().detach()),
            diagnosis=self.algorithm.diagnosis,
        )

    def save(self) -> dict[str, Any]:
        return {"algorithm": self.algorithm.save(), "learning_rate": self.algorithm.learning_rate}

    def load(self, saved: dict[str, Any], observation: Any) -> None:
        self.algorithm.load(saved["algorithm"], None, strict=True)
        self.algorithm.learning_rate = saved["learning_rate"]
        self.env.resume(observation)

    def layers(self) -> list[Layer]:
        return layers(self.algorithm.get_policy().mlp)

    def start_from(self, weights: list[Layer]) -> None:
        set_layers(self.algorithm.get_policy().mlp, weights)


def train(env_id: str, settings: TrainSettings, task: Task | None = None, ppo: PPOConfig | None = None) -> Path:
    """Train a policy with RSL-RL; its run folder. See :func:`locoenvs.wrappers.training.train`."""
    return training.train(RslRlLearner, env_id, settings, task, ppo)
