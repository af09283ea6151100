"""Our batched environment in SKRL's own convention, on torch."""

from __future__ import annotations

from typing import Any

import gymnasium
import torch
from skrl.envs.wrappers.torch import Wrapper

from locoenvs.arrays import convert
from locoenvs.vector import LocoVectorEnv
from locoenvs.wrappers.adapter import bare, torch_device


class SkrlEnv(Wrapper):
    """SKRL's environment over a :class:`LocoVectorEnv`. Hand it to SKRL as it is: ``wrap_env`` would take it for another.

    The critic's group of a privileged environment is SKRL's state. ``infos`` holds "final_observations" and, if
    privileged, "final_states", valid where done, which :class:`~locoenvs.wrappers.skrl.ppo.TimeoutPPO` needs for the
    right value target; and "log", scalars that a trainer with ``environment_info="log"`` writes.

    Raises:
        TypeError: for anything but a bare :class:`LocoVectorEnv` that resets in the same step.
    """

    def __init__(self, env: LocoVectorEnv, seed: int | None = None) -> None:
        super().__init__(bare(env, "SkrlEnv"))
        observation, _ = env.reset(seed=seed)
        self._device = torch_device(env, observation)
        self.resume(observation)

    @property
    def observation_space(self) -> gymnasium.Space:
        """What the policy sees of one robot."""
        space = self._env.single_observation_space
        return space["policy"] if self._env.privileged else space

    @property
    def state_space(self) -> gymnasium.Space | None:
        """What the critic sees of one robot, if the environment is privileged."""
        return self._env.single_observation_space["critic"] if self._env.privileged else None

    @property
    def action_space(self) -> gymnasium.Space:
        """The actions of one robot."""
        return self._env.single_action_space

    def reset(self) -> tuple[torch.Tensor, dict[str, Any]]:
        """The current observation: new episodes begin by themselves, the first ones when this was made."""
        return self._observation, {}

    def resume(self, observation: Any) -> None:
        """Go on from ``observation``, which ``env.restore()`` returned."""
        self._observation, self._state = self._split(observation)

    def state(self) -> torch.Tensor | None:
        """What the critic sees now, if the environment is privileged."""
        return self._state

    def step(
        self, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, dict[str, Any]]:
        """One control step with ``actions`` (num_envs, J)."""
        given = actions if self._env.array == "torch" else convert(actions, self._env.array, self._env.device)
        observation, reward, terminated, truncated, info = self._env.step(given)
        self.resume(observation)
        final, final_state = self._split(info["final_obs"])
        infos = {
            "final_observations": final,
            "reset_reason": info["reset_reason"],
            "reward_terms": info["reward_terms"],
        }
        if final_state is not None:
            infos["final_states"] = final_state
        log = {name: self._tensor(value) for name, value in info["log"].items()}
        if float(log["episodes"]):
            infos["log"] = log
        # SKRL's agents add to the rewards in place, so they get a copy
        columns = (self._tensor(value).reshape(-1, 1) for value in (reward, terminated, truncated))
        reward, terminated, truncated = columns
        return self._observation, reward.clone(), terminated, truncated, infos

    def render(self, *args: Any, **kwargs: Any) -> Any:
        """A picture, if the environment was made with a render mode."""
        return self._env.render()

    def close(self) -> None:
        """Free what the engine holds."""
        self._env.close()

    def _tensor(self, array: Any) -> torch.Tensor:
        return convert(array, "torch", self._device)

    def _split(self, observation: Any) -> tuple[torch.Tensor, torch.Tensor | None]:
        if isinstance(observation, dict):
            return self._tensor(observation["policy"]), self._tensor(observation["critic"])
        return self._tensor(observation), None
