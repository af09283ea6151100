"""Brax: our environments in its own convention, and PPO as in the paper."""

import os

os.environ.setdefault("NPROC", "8")  # jax can deadlock on two cores with fewer threads

from locoenvs.wrappers.extras import needs

with needs("brax"):
    from locoenvs.wrappers.brax.env import BraxEnv
    from locoenvs.wrappers.brax.learner import train
    from locoenvs.wrappers.brax.ppo import brax_config, timeouts

LEARNER = train
"""What ``locoenvs train --learner brax`` calls."""

__all__ = ["LEARNER", "BraxEnv", "brax_config", "timeouts", "train"]
