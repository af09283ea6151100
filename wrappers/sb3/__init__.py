"""Stable-Baselines3: the adapter for any of its algorithms, and PPO as in the paper."""

from locoenvs.wrappers.extras import needs

with needs("sb3"):
    from locoenvs.wrappers.sb3.env import Sb3VecEnv
    from locoenvs.wrappers.sb3.learner import train
    from locoenvs.wrappers.sb3.ppo import BatchedBootstrap, LocoPolicy, TimeoutPPO, sb3_config

LEARNER = train
"""What ``locoenvs train --learner sb3`` calls."""

__all__ = ["LEARNER", "BatchedBootstrap", "LocoPolicy", "Sb3VecEnv", "TimeoutPPO", "sb3_config", "train"]
