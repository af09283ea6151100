"""rl_games: our environments by their ids in its YAML files, and PPO as in the paper."""

from locoenvs.wrappers.extras import needs

with needs("rl-games"):
    from locoenvs.wrappers.rl_games.env import RlGamesVecEnv, register
    from locoenvs.wrappers.rl_games.learner import train
    from locoenvs.wrappers.rl_games.ppo import TimeoutA2CAgent, make_runner, rl_games_config

LEARNER = train
"""What ``locoenvs train --learner rl_games`` calls."""

__all__ = ["LEARNER", "RlGamesVecEnv", "TimeoutA2CAgent", "make_runner", "register", "rl_games_config", "train"]
