"""Our batched environment in RSL-RL's own convention."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from rsl_rl.env import VecEnv
from tensordict import TensorDict

from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.numerics.arrays import convert
from locoenvs.wrappers.adapter import bare, torch_device


class RslRlVecEnv(VecEnv):
    """RSL-RL's environment over a :class:`LocoVectorEnv`.

    Observations are a TensorDict of "policy" and, if the environment is privileged, "critic". ``extras`` holds
    "time_outs" and "final_observations" (a TensorDict, valid where done), which
    :class:`~locoenvs.wrappers.rsl_rl.ppo.TimeoutPPO` needs for the right value target.

    Args:
        env: the environment.
        seed: of the first episodes.
        log: tell RSL-RL's runner about the episodes that ended, as ``extras["log"]``. That waits for an accelerator at
            every step.

    Raises:
        TypeError: for anything but a bare :class:`LocoVectorEnv` that resets in the same step.
    """

    def __init__(self, env: LocoVectorEnv, seed: int | None = None, log: bool = True) -> None:
        self.env = env = bare(env, "RslRlVecEnv")
        self.log = log
        self.num_envs = env.num_envs
        self.num_actions = env.mdp.num_joints
        self.max_episode_length = env.task.timing.max_episode_steps
        self.cfg = {"task": env.task.hash}
        observation, _ = env.reset(seed=seed)
        self.device = torch_device(env, observation)
        self._observation = self._tensors(observation)

    def resume(self, observation: Any) -> None:
        """Go on from ``observation``, which ``env.restore()`` returned."""
        self._observation = self._tensors(observation)

    def get_observations(self) -> TensorDict:
        """The current observation."""
        return self._observation

    @property
    def episode_length_buf(self) -> torch.Tensor:
        """Control steps in each episode, (num_envs,) int64."""
        return self._tensor(self.env.state.episodes.step).long()

    @episode_length_buf.setter
    def episode_length_buf(self, steps: torch.Tensor) -> None:
        episodes = self.env.state.episodes
        xp = self.env.mdp.xp
        values = xp.asarray(convert(steps.to(torch.int32), "numpy"), device=self.env.simulator.device)
        self.env.state = dataclasses.replace(self.env.state, episodes=dataclasses.replace(episodes, step=values))

    def step(self, actions: torch.Tensor) -> tuple[TensorDict, torch.Tensor, torch.Tensor, dict[str, Any]]:
        """One control step with ``actions`` (num_envs, J)."""
        given = actions if self.env.array == "torch" else convert(actions, self.env.array)
        observation, reward, terminated, truncated, info = self.env.step(given)
        self._observation = self._tensors(observation)
        extras = {
            "time_outs": self._tensor(info["time_outs"]),
            "final_observations": self._tensors(info["final_obs"]),
            "reset_reason": info["reset_reason"],
            "reward_terms": info["reward_terms"],
        }
        if self.log:
            values = torch.stack([self._tensor(value) for value in info["log"].values()]).tolist()  # one wait, not many
            log = dict(zip(info["log"], values))
            if log["episodes"]:  # RSL-RL averages over the steps that have a log
                extras["log"] = log
        done = self._tensor(terminated) | self._tensor(truncated)
        return self._observation, self._tensor(reward), done.to(torch.long), extras

    def _tensor(self, array: Any) -> torch.Tensor:
        return convert(array, "torch", self.device)

    def _tensors(self, observation: Any) -> TensorDict:
        groups = observation if isinstance(observation, dict) else {"policy": observation}
        tensors = {name: self._tensor(value) for name, value in groups.items()}
        return TensorDict(tensors, batch_size=[self.num_envs], device=self.device)
