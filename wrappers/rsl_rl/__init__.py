"""RSL-RL: the learner of the paper."""

import os

os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # RSL-RL imports GitPython, which insists on a git binary

from locoenvs.wrappers.extras import needs

with needs("rsl-rl"):
    from locoenvs.wrappers.rsl_rl.env import RslRlVecEnv
    from locoenvs.wrappers.rsl_rl.learner import train
    from locoenvs.wrappers.rsl_rl.ppo import TimeoutPPO, rsl_rl_config
    from locoenvs.wrappers.rsl_rl.recurrent import save_recurrent_policy

LEARNER = train
"""What ``locoenvs train --learner rsl_rl`` calls."""

__all__ = ["LEARNER", "RslRlVecEnv", "TimeoutPPO", "rsl_rl_config", "save_recurrent_policy", "train"]
