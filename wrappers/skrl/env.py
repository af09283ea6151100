"""Our batched environment in SKRL's own convention, on torch."""

from __future__ import annotations

from typing import Any

import torch
from skrl.envs.wrappers.torch import Wrapper

from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.numerics.arrays import convert
from locoenvs.wrappers.adapter import bare, torch_device
from locoenvs.wrappers.skrl.face import Face


class SkrlEnv(Face, Wrapper):
    """SKRL's environment over a :class:`LocoVectorEnv`. Hand it to SKRL as it is: ``wrap_env`` would take it for another.

    The critic's group of a privileged environment is SKRL's state. ``infos`` holds "final_observations" and, if
    privileged, "final_states", valid where done, which :class:`~locoenvs.wrappers.skrl.ppo.TimeoutPPO` needs for the
    right value target.

    Args:
        env: the environment.
        seed: of the first episodes.
        log: tell a trainer with ``environment_info="log"`` about the episodes that ended, as ``infos["log"]``. That waits
            for an accelerator at every step.

    Raises:
        TypeError: for anything but a bare :class:`LocoVectorEnv` that resets in the same step.
    """

    def __init__(self, env: LocoVectorEnv, seed: int | None = None, log: bool = True) -> None:
        super().__init__(bare(env, "SkrlEnv"))
        self.log = log
        observation, _ = env.reset(seed=seed)
        self._device = torch_device(env, observation)
        self.resume(observation)

    def step(
        self, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, dict[str, Any]]:
        """One control step with ``actions`` (num_envs, J)."""
        given = actions if self._env.array == "torch" else convert(actions, self._env.array, self._env.device)
        observation, reward, terminated, truncated, info = self._env.step(given)
        self.resume(observation)
        infos = self._infos(info)
        if self.log:
            log = {name: self._array(value) for name, value in info["log"].items()}
            if float(log["episodes"]):
                infos["log"] = log
        # SKRL's agents add to the rewards in place, so they get a copy
        columns = (self._array(value).reshape(-1, 1) for value in (reward, terminated, truncated))
        reward, terminated, truncated = columns
        return self._observation, reward.clone(), terminated, truncated, infos

    def _array(self, value: Any) -> torch.Tensor:
        return convert(value, "torch", self._device)
