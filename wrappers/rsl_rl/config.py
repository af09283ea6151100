"""The paper's PPO (its appendix) as data, and in RSL-RL's own configuration format."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from locoenvs.symmetry import Mirror
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
    """Networks that treat left and right alike, see :mod:`locoenvs.wrappers.rsl_rl.mirror`."""

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
    num_envs=512, updates=800, hidden=(256, 128, 64), entropy=0.005, max_learning_rate=2e-3, mirror=True
)
"""Flat ground on two cores: few robots and so many updates, networks that know left from right only as mirror images."""

WALK_ROUGH = dataclasses.replace(WALK_FLAT, updates=4000)
"""Rough ground on two cores."""


def rsl_rl_config(ppo: PPOConfig, mirror: Mirror | None = None, privileged: bool = False) -> dict[str, Any]:
    """``ppo`` as the dictionary that RSL-RL 5 builds its algorithm from; ``mirror`` makes the networks symmetric."""
    network: dict[str, Any] = {"class_name": "MLPModel", "hidden_dims": list(ppo.hidden), "activation": ppo.activation}
    if mirror is not None:
        network |= {"class_name": "locoenvs.wrappers.rsl_rl.mirror:MirrorMLPModel", "mirror": mirror}
    return {
        "num_steps_per_env": ppo.horizon,
        "save_interval": ppo.updates,
        "obs_groups": {"actor": ["policy"], "critic": ["critic" if privileged else "policy"]},
        "multi_gpu": None,
        "actor": {
            **network,
            "distribution_cfg": {
                "class_name": "GaussianDistribution",
                "init_std": ppo.initial_std,
                "std_type": "scalar",
            },
        },
        "critic": dict(network),
        "algorithm": {
            "class_name": "locoenvs.wrappers.rsl_rl.ppo:TimeoutPPO",
            "num_learning_epochs": ppo.epochs,
            "num_mini_batches": ppo.minibatches,
            "clip_param": ppo.clip,
            "gamma": ppo.discount,
            "lam": ppo.trace,
            "entropy_coef": ppo.entropy,
            "learning_rate": ppo.learning_rate,
            "max_learning_rate": ppo.max_learning_rate,
            "desired_kl": ppo.desired_kl,
            "max_grad_norm": ppo.max_gradient_norm,
            "schedule": "adaptive",
        },
    }


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
