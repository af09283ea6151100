"""Our batched environment in rl_games' own convention."""

from __future__ import annotations

from typing import Any

import torch
from rl_games.common import env_configurations, vecenv
from rl_games.common.ivecenv import IVecEnv

from locoenvs.envs.registration import IDS, make_vector
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.numerics.arrays import convert
from locoenvs.wrappers.adapter import bare, torch_device


class RlGamesVecEnv(IVecEnv):
    """rl_games' vectorized environment over a :class:`LocoVectorEnv`.

    The critic's group of a privileged environment is rl_games' state, for its central value. ``infos`` holds
    "time_outs" and "final_observations" (valid where done), which
    :class:`~locoenvs.wrappers.rl_games.ppo.TimeoutA2CAgent` needs for the right value target.

    Raises:
        TypeError: for anything but a bare :class:`LocoVectorEnv` that resets in the same step.
    """

    def __init__(self, env: LocoVectorEnv, seed: int | None = None) -> None:
        self.env = bare(env, "RlGamesVecEnv")
        self._begin(seed)
        self.device = torch_device(env, self._fresh)

    def get_env_info(self) -> dict[str, Any]:
        """The spaces of one robot."""
        space = self.env.single_observation_space
        groups = {"observation_space": space}
        if self.env.privileged:
            groups = {"observation_space": space["policy"], "state_space": space["critic"]}  # type: ignore[index]
        return {**groups, "action_space": self.env.single_action_space, "agents": 1, "value_size": 1}

    def seed(self, seed: int) -> None:
        """Begin anew with ``seed``."""
        self._begin(seed)

    def reset(self) -> Any:
        """The first observation of all robots, which begin anew unless they have not taken a step yet."""
        if self._fresh is None:
            self._begin(None)
        return self.tensors(self._fresh)

    def _begin(self, seed: int | None) -> None:
        self._fresh, _ = self.env.reset(seed=seed)

    def step(self, actions: torch.Tensor) -> tuple[Any, torch.Tensor, torch.Tensor, dict[str, Any]]:
        """One control step with ``actions`` (num_envs, J)."""
        given = actions if self.env.array == "torch" else convert(actions, self.env.array, self.env.device)
        observation, reward, terminated, truncated, info = self.env.step(given)
        self._fresh = None
        infos = {
            "time_outs": self._tensor(info["time_outs"]),
            "final_observations": self.tensors(info["final_obs"]),
            "reset_reason": info["reset_reason"],
            "reward_terms": info["reward_terms"],
        }
        done = self._tensor(terminated) | self._tensor(truncated)
        return self.tensors(observation), self._tensor(reward), done.to(torch.uint8), infos

    def tensors(self, observation: Any) -> Any:
        """An observation of the environment as rl_games takes it."""
        if isinstance(observation, dict):
            return {"obs": self._tensor(observation["policy"]), "states": self._tensor(observation["critic"])}
        return self._tensor(observation)

    def _tensor(self, array: Any) -> torch.Tensor:
        return convert(array, "torch", self.device)


def register(name: str, env: LocoVectorEnv) -> None:
    """Make ``env`` what ``env_name: <name>`` means in rl_games' configuration."""

    def make_env(_: str, num_actors: int, seed: int | None = None) -> RlGamesVecEnv:
        if num_actors != env.num_envs:
            raise ValueError(f"num_actors is {num_actors}, but the environment {name!r} has {env.num_envs} robots")
        return RlGamesVecEnv(env, seed)

    vecenv.register(name, make_env)
    env_configurations.register(name, {"vecenv_type": name, "env_creator": None})


def _register_ids() -> None:
    """Make the ids of the suite environments of rl_games; ``env_config`` has the options of ``gymnasium.make``."""

    def make_env(env_id: str, num_actors: int, seed: int | None = None, **options: Any) -> RlGamesVecEnv:
        return RlGamesVecEnv(make_vector(env_id, num_actors, **{"array": "torch", **options}), seed)

    vecenv.register("LOCOENVS", make_env)
    for env_id in IDS:
        env_configurations.register(env_id, {"vecenv_type": "LOCOENVS", "env_creator": None})


_register_ids()
