"""The paper's PPO for Isaac Lab's RSL-RL script: ``<Name>PPORunnerCfg`` for each of :data:`~.tasks.TASKS`.

Isaac Lab's wrapper and RSL-RL bootstrap a time-out with the value of the observation before the step. ``locoenvs train``
uses the final observation.
"""

from __future__ import annotations

from typing import Any

from locoenvs.backends.isaaclab import requirements
from locoenvs.backends.isaaclab.tasks import TASKS, class_name
from locoenvs.envs.registration import IDS

PPO: dict[str, Any] = {
    "num_learning_epochs": 5,
    "num_mini_batches": 4,
    "clip_param": 0.2,
    "entropy_coef": 0.01,
    "gamma": 0.99,
    "lam": 0.95,
    "learning_rate": 1e-3,
    "desired_kl": 0.01,
    "max_grad_norm": 1.0,
}
"""What does not depend on the ground."""
STEPS = 24
"""Control steps of each robot between updates."""
NETWORK = {"rough": (512, 256, 128), "flat": (128, 64, 32)}
UPDATES = {"rough": 1500, "flat": 300}


def runner_cfg(env_id: str) -> Any:
    """Isaac Lab's configuration of RSL-RL for an environment of the suite."""
    from isaaclab_rl.rsl_rl import RslRlMLPModelCfg, RslRlOnPolicyRunnerCfg, RslRlPpoAlgorithmCfg

    ground = IDS[env_id][1]
    hidden = list(NETWORK[ground])
    made = RslRlOnPolicyRunnerCfg()
    made.device = requirements.device(None)
    made.num_steps_per_env, made.max_iterations, made.save_interval = STEPS, UPDATES[ground], 50
    made.experiment_name = class_name(env_id).lower()
    made.obs_groups = {"actor": ["policy"], "critic": ["policy"]}
    noise = RslRlMLPModelCfg.GaussianDistributionCfg(init_std=1.0)
    made.actor = RslRlMLPModelCfg(hidden_dims=hidden, activation="elu", distribution_cfg=noise)
    made.critic = RslRlMLPModelCfg(hidden_dims=hidden, activation="elu")
    made.algorithm = RslRlPpoAlgorithmCfg(value_loss_coef=1.0, use_clipped_value_loss=True, schedule="adaptive", **PPO)
    return made


def __getattr__(name: str) -> Any:
    """``<Name>PPORunnerCfg``: a function that makes the configuration, as Isaac Lab's registry takes it."""
    for env_id in TASKS.values():
        if name == f"{class_name(env_id)}PPORunnerCfg":
            return lambda: runner_cfg(env_id)
    raise AttributeError(f"there is no {name}")
