"""RSL-RL: the learner of the paper."""

from locoenvs.wrappers.rsl_rl.env import RslRlVecEnv
from locoenvs.wrappers.rsl_rl.ppo import TimeoutPPO
from locoenvs.wrappers.rsl_rl.train import train

LEARNER = train
"""What ``locoenvs train --learner rsl_rl`` calls."""

__all__ = ["LEARNER", "RslRlVecEnv", "TimeoutPPO", "train"]
