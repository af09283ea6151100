"""SKRL's PPO on torch with the right value target at time-outs, and the paper's settings in SKRL's own configuration."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any
from unittest import mock

import torch
from skrl.agents.torch.ppo import PPO
from skrl.models.torch import DeterministicMixin, GaussianMixin, Model
from skrl.resources.schedulers.torch import KLAdaptiveLR
from torch import nn

from locoenvs.mdp.symmetry import Mirror
from locoenvs.wrappers.diagnostics import Diagnosis, Ratios, advantage, explained_variance, moved
from locoenvs.wrappers.networks import mlp
from locoenvs.wrappers.ppo import PPOConfig
from locoenvs.wrappers.skrl.face import spaces


class TimeoutPPO(PPO):
    """PPO whose target at a time-out is r + gamma V(final observation), and whose advantages stop at every cut.

    Left alone, SKRL's advantages leak from one episode into the one before it; with ``time_limit_bootstrap`` it adds
    gamma V of the observation *after* the reset. That setting has no effect here. Needs ``infos["final_observations"]``
    of :class:`~locoenvs.wrappers.skrl.env.SkrlEnv`. ``diagnosis`` says what the last update was like.
    """

    diagnosis: Diagnosis | None = None
    measure: Callable[[Any, float], Any] = staticmethod(moved)
    """What of a minibatch the diagnosis counts."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._shaper, self.cfg.rewards_shaper = self.cfg.rewards_shaper, None  # before the bootstrap, not after it

    def record_transition(
        self,
        *,
        rewards: torch.Tensor,
        terminated: torch.Tensor,
        truncated: torch.Tensor,
        infos: Any,
        timestep: int,
        timesteps: int,
        **rest: Any,
    ) -> None:
        """Record one step, with gamma V(final observation) added to the reward of the robots whose time ran out."""
        if self.training:
            if self._shaper is not None:
                rewards = self._shaper(rewards, timestep, timesteps)
            rows: Any = truncated.squeeze(-1)
            if rows.device.type != "cpu":  # all of them: to ask how many are due would wait for the accelerator
                values = self._values(infos, slice(None))
                rewards = rewards + self.cfg.discount_factor * torch.where(truncated, values, torch.zeros_like(values))
            elif rows.any():
                rewards = rewards.clone()
                rewards[rows] += self.cfg.discount_factor * self._values(infos, rows)
        super().record_transition(
            rewards=rewards,
            terminated=terminated | truncated,
            truncated=torch.zeros_like(truncated),
            infos=infos,
            timestep=timestep,
            timesteps=timesteps,
            **rest,
        )

    def update(self, *, timestep: int, timesteps: int) -> None:
        """Learn from the rollout."""
        self.ratios = ratios = Ratios(self.cfg.ratio_clip, self.measure)
        memory, sample, act = self.memory, self.memory.sample, self.policy.act
        old = self._tensors_names.index("log_prob")

        def watched(inputs: dict[str, Any], **rest: Any) -> tuple[torch.Tensor, dict[str, Any]]:
            actions, outputs = act(inputs, **rest)
            ratios.against(lambda batch: batch[old], outputs["log_prob"].detach())
            return actions, outputs

        with (
            mock.patch.object(memory, "sample", lambda **named: ratios.each(sample(**named))),
            mock.patch.object(self.policy, "act", watched),
        ):
            super().update(timestep=timestep, timesteps=timesteps)
        self.diagnosis = self._diagnosed(ratios)

    def _diagnosed(self, ratios: Ratios) -> Diagnosis:
        """What the update was like whose rollout is still in the memory."""
        return diagnosed(self.memory, ratios, self.cfg.mini_batches)

    def _values(self, infos: Any, rows: Any) -> torch.Tensor:
        """The critic's values of those robots' final observations, (rows, 1)."""
        states = infos.get("final_states")
        inputs = {
            "observations": self._observation_preprocessor(infos["final_observations"][rows]),
            "states": self._state_preprocessor(None if states is None else states[rows]),
        }
        with torch.no_grad():
            return self._value_preprocessor(self.value.act(inputs, role="value")[0], inverse=True)


def diagnosed(memory: Any, ratios: Ratios, minibatches: int) -> Diagnosis:
    """What an update was like whose rollout is still in SKRL's memory, of torch or of JAX."""
    returns, values = (memory.get_tensor_by_name(name) for name in ("returns", "values"))
    return Diagnosis(ratios.lag(minibatches), advantage(returns - values), explained_variance(returns, values))


class Actor(GaussianMixin, Model):
    """The policy: an MLP for the mean and one standard deviation an action. Actions are neither squashed nor clipped."""

    def __init__(self, env: Any, ppo: PPOConfig, mirror: Mirror | None = None) -> None:
        Model.__init__(self, **spaces(env))
        GaussianMixin.__init__(self, role="policy")
        self.net = mlp(self.num_observations, ppo.hidden, self.num_actions, ppo.activation, mirror)
        self.log_std = nn.Parameter(torch.full((self.num_actions,), math.log(ppo.initial_std)))

    def compute(self, inputs: dict[str, Any], role: str = "") -> tuple[torch.Tensor, dict[str, Any]]:
        return self.net(inputs["observations"]), {"log_std": self.log_std}


class Critic(DeterministicMixin, Model):
    """The value: an MLP that sees the state of a privileged environment, the observation otherwise."""

    def __init__(self, env: Any, ppo: PPOConfig, mirror: Mirror | None = None) -> None:
        Model.__init__(self, **spaces(env))
        DeterministicMixin.__init__(self, role="value")
        self.group = "states" if self.num_states else "observations"
        self.net = mlp(self.num_states or self.num_observations, ppo.hidden, 1, ppo.activation, mirror)

    def compute(self, inputs: dict[str, Any], role: str = "") -> tuple[torch.Tensor, dict[str, Any]]:
        return self.net(inputs[self.group]), {}


def skrl_config(ppo: PPOConfig, scheduler: Any = KLAdaptiveLR) -> dict[str, Any]:
    """``ppo`` as SKRL's dictionary for PPO; ``scheduler`` is SKRL's KLAdaptiveLR of torch or of jax.

    The memory is ``RandomMemory(memory_size=ppo.horizon, num_envs=ppo.num_envs, replacement=False)``. SKRL does not clip
    the value loss as the paper does: its own clip would cut the gradient.
    """
    return {
        "rollouts": ppo.horizon,
        "learning_epochs": ppo.epochs,
        "mini_batches": ppo.minibatches,
        "discount_factor": ppo.discount,
        "gae_lambda": ppo.trace,
        "learning_rate": ppo.learning_rate,
        "learning_rate_scheduler": scheduler,
        "learning_rate_scheduler_kwargs": {
            "kl_threshold": ppo.desired_kl,
            "min_lr": 1e-5,
            "max_lr": ppo.max_learning_rate,
        },
        "grad_norm_clip": ppo.max_gradient_norm,
        "ratio_clip": ppo.clip,
        "value_clip": 0.0,
        "entropy_loss_scale": ppo.entropy,
        "value_loss_scale": 1.0,
        "experiment": {"write_interval": 0, "checkpoint_interval": 0},
    }
