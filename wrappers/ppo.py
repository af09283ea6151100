"""The paper's PPO (its appendix) as data. Each learner's folder says it in that learner's own configuration."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from locoenvs.task import Task


@dataclass(frozen=True)
class PPOConfig:
    """PPO's settings. A sample is one control step of one robot; an update uses ``num_envs * horizon`` samples."""

    num_envs: int = 4096
    horizon: int = 24
    updates: int = 1500
    epochs: int = 5
    minibatches: int = 4
    hidden: tuple[int, ...] = (512, 256, 128)
    activation: str = "elu"
    clip: float = 0.2
    entropy: float = 0.01
    discount: float = 0.99
    trace: float = 0.95
    learning_rate: float = 1e-3
    max_learning_rate: float = 1e-2
    desired_kl: float = 0.01
    max_gradient_norm: float = 1.0
    initial_std: float = 1.0
    mirror: bool = False
    """Networks that treat left and right alike, see :mod:`locoenvs.wrappers.networks`."""
    privileged: bool = False
    """A critic that sees without noise."""

    @property
    def samples_per_update(self) -> int:
        return self.num_envs * self.horizon


def config(task: Task) -> PPOConfig:
    """The settings for a task's recipe: the paper's, or those that learn on a laptop."""
    flat = task.terrain.kind == "plane"
    if task.recipe == "walk":
        return WALK_FLAT if flat else WALK_ROUGH
    return PPOConfig(hidden=(128, 64, 32), updates=300) if flat else PPOConfig()


WALK_FLAT = PPOConfig(
    num_envs=512,
    updates=1500,
    hidden=(256, 128, 64),
    entropy=0.005,
    max_learning_rate=2e-3,
    mirror=True,
    privileged=True,
)
"""Flat ground on two cores: few robots and so many updates, networks that know left from right only as mirror images."""

WALK_ROUGH = dataclasses.replace(WALK_FLAT, updates=4000, max_learning_rate=5e-4)
"""Rough ground on two cores, from a policy that walks on flat ground."""


def geometry(ppo: PPOConfig, task: Task) -> dict[str, Any]:
    """What the settings amount to: samples, robot-seconds, reuse."""
    samples = ppo.samples_per_update * ppo.updates
    return {
        "samples_per_update": ppo.samples_per_update,
        "minibatch_size": ppo.samples_per_update // ppo.minibatches,
        "sample_reuse": ppo.epochs,
        "samples": samples,
        "seconds_per_robot": round(samples / ppo.num_envs * task.timing.control_dt, 3),
        "robot_seconds": round(samples * task.timing.control_dt, 1),
        "robots_per_seed_family": ppo.num_envs / task.seed_families,
        **dataclasses.asdict(ppo),
    }
