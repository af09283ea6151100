"""SKRL on torch: the adapter for any of its agents, and PPO as in the paper. On JAX: ``locoenvs.wrappers.skrl.with_jax``."""

from locoenvs.wrappers.extras import needs

with needs("skrl"):
    from locoenvs.wrappers.skrl.env import SkrlEnv
    from locoenvs.wrappers.skrl.learner import train
    from locoenvs.wrappers.skrl.ppo import Actor, Critic, TimeoutPPO, skrl_config

LEARNER = train
"""What ``locoenvs train --learner skrl`` calls."""

__all__ = ["LEARNER", "Actor", "Critic", "SkrlEnv", "TimeoutPPO", "skrl_config", "train"]
