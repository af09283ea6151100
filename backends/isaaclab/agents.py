"""The paper's PPO for Isaac Lab's RSL-RL script: ``<Name>PPORunnerCfg`` for each of :data:`~.tasks.TASKS`.

Isaac Lab's wrapper and RSL-RL bootstrap a time-out with the value of the observation before the step. ``locoenvs train``
uses the final observation.
"""

from __future__ import annotations

from typing import Any

from locoenvs.backends.isaaclab import requirements
from locoenvs.backends.isaaclab.tasks import TASKS, class_name
from locoenvs.envs.registration import task
from locoenvs.training.ppo import PPOConfig, config


def algorithm(ppo: PPOConfig) -> dict[str, Any]:
    """``ppo`` in the words of Isaac Lab's configuration of RSL-RL."""
    return {
        "num_learning_epochs": ppo.epochs,
        "num_mini_batches": ppo.minibatches,
        "clip_param": ppo.clip,
        "entropy_coef": ppo.entropy,
        "gamma": ppo.discount,
        "lam": ppo.trace,
        "learning_rate": ppo.learning_rate,
        "desired_kl": ppo.desired_kl,
        "max_grad_norm": ppo.max_gradient_norm,
    }


def runner_cfg(env_id: str) -> Any:
    """Isaac Lab's configuration of RSL-RL for an environment of the suite."""
    from isaaclab_rl.rsl_rl import RslRlMLPModelCfg, RslRlOnPolicyRunnerCfg, RslRlPpoAlgorithmCfg

    ppo = config(task(env_id))
    hidden = list(ppo.hidden)
    runner = RslRlOnPolicyRunnerCfg()
    runner.device = requirements.device(None)
    runner.num_steps_per_env, runner.max_iterations, runner.save_interval = ppo.horizon, ppo.updates, 50
    runner.experiment_name = class_name(env_id).lower()
    runner.obs_groups = {"actor": ["policy"], "critic": ["policy"]}
    noise = RslRlMLPModelCfg.GaussianDistributionCfg(init_std=ppo.initial_std)
    runner.actor = RslRlMLPModelCfg(hidden_dims=hidden, activation=ppo.activation, distribution_cfg=noise)
    runner.critic = RslRlMLPModelCfg(hidden_dims=hidden, activation=ppo.activation)
    runner.algorithm = RslRlPpoAlgorithmCfg(
        value_loss_coef=1.0, use_clipped_value_loss=True, schedule="adaptive", **algorithm(ppo)
    )
    return runner


def __getattr__(name: str) -> Any:
    """``<Name>PPORunnerCfg``: a function that makes the configuration, as Isaac Lab's registry takes it."""
    for env_id in TASKS.values():
        if name == f"{class_name(env_id)}PPORunnerCfg":
            return lambda: runner_cfg(env_id)
    raise AttributeError(f"there is no {name}")
