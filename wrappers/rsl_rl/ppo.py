"""RSL-RL's PPO with the right value target at time-outs and a bound on the learning rate."""

from __future__ import annotations

from typing import Any

import torch
from rsl_rl.algorithms import PPO
from tensordict import TensorDict


class TimeoutPPO(PPO):
    """PPO whose target at a time-out is r + gamma V(final observation).

    Left alone, RSL-RL adds gamma V of the observation *before* the step. Needs ``extras["final_observations"]`` of
    :class:`~locoenvs.wrappers.rsl_rl.env.RslRlVecEnv`.

    Args:
        max_learning_rate: upper bound of the adaptive learning rate.
    """

    def __init__(self, *args: Any, max_learning_rate: float = 1e-2, **kwargs: Any) -> None:
        self.max_learning_rate = max_learning_rate
        super().__init__(*args, **kwargs)

    @property
    def learning_rate(self) -> float:
        """The adaptive learning rate."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self._learning_rate = min(value, self.max_learning_rate)

    def process_env_step(
        self, obs: TensorDict, rewards: torch.Tensor, dones: torch.Tensor, extras: dict[str, Any]
    ) -> None:
        """Record one step, with gamma V(final observation) added to the reward of the robots whose time ran out."""
        time_outs = extras["time_outs"].to(self.device)
        if self.critic.is_recurrent:
            hidden = self.critic.get_hidden_state()
            values = self.critic(extras["final_observations"].to(self.device)).detach().squeeze(-1)
            self.critic.reset(hidden_state=hidden)
            rewards = rewards + self.gamma * values * time_outs
        elif time_outs.device.type != "cpu":  # all of them: to ask how many are due would wait for the accelerator
            values = self.critic(extras["final_observations"].to(self.device)).detach().squeeze(-1)
            rewards = rewards + self.gamma * torch.where(time_outs, values, torch.zeros_like(values))
        elif time_outs.any():
            values = self.critic(extras["final_observations"][time_outs].to(self.device)).detach().squeeze(-1)
            rewards = rewards.clone()
            rewards[time_outs] += self.gamma * values
        rest = {name: value for name, value in extras.items() if name != "time_outs"}
        super().process_env_step(obs, rewards, dones, rest)
