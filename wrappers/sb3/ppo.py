"""Stable-Baselines3's PPO with all time-outs of a step in one call and an adaptive learning rate, set as in the paper."""

from __future__ import annotations

import math
from statistics import fmean
from typing import Any
from unittest import mock

import gymnasium
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback, ConvertCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.utils import obs_as_tensor, update_learning_rate
from torch import nn

from locoenvs.mdp.symmetry import Mirror
from locoenvs.wrappers.diagnostics import Diagnosis, Ratios, advantage, explained_variance
from locoenvs.wrappers.networks import ACTIVATIONS, mirrored
from locoenvs.wrappers.ppo import PPOConfig

MEANS = ("train/value_loss", "train/policy_gradient_loss", "train/entropy_loss", "train/clip_fraction")
"""What Stable-Baselines3 logs as means over all epochs of an update."""


class BatchedBootstrap(BaseCallback):
    """Adds gamma V(final observation) to the rewards of the robots whose time ran out, all in one call of the critic.

    Stable-Baselines3 does the same robot by robot. What is done here it leaves alone: the robots'
    "TimeLimit.truncated" is False afterwards, so let callbacks that read it come before this one.
    """

    def _init_callback(self) -> None:
        if not isinstance(self.model, OnPolicyAlgorithm):
            raise TypeError(
                f"BatchedBootstrap is for PPO and A2C: {type(self.model).__name__} keeps time-outs apart in its replay "
                "buffer by itself"
            )

    def _on_step(self) -> bool:
        infos, rewards = self.locals["infos"], self.locals["rewards"]
        rows = [robot for robot in np.nonzero(self.locals["dones"])[0] if infos[robot].get("TimeLimit.truncated")]
        if rows:
            final = _stacked([infos[robot]["terminal_observation"] for robot in rows])
            with torch.no_grad():
                values = self.model.policy.predict_values(obs_as_tensor(final, self.model.device))
            rewards[rows] += self.model.gamma * values.squeeze(-1).cpu().numpy()
            for robot in rows:
                infos[robot]["TimeLimit.truncated"] = False
        return True


def _stacked(observations: list[Any]) -> Any:
    if isinstance(observations[0], dict):
        return {name: np.stack([observation[name] for observation in observations]) for name in observations[0]}
    return np.stack(observations)


class TimeoutPPO(PPO):
    """PPO with :class:`BatchedBootstrap`, and a learning rate that follows the KL divergence after each epoch.

    ``diagnosis`` says what the last update was like.

    Args:
        desired_kl: KL divergence between the policies before and after an epoch; the rate is divided by 1.5 above twice
            this, and multiplied by 1.5 below half of it. None keeps Stable-Baselines3's own schedule.
        max_learning_rate: upper bound of the adaptive rate; the lower one is 1e-5.
    """

    n_epochs: int
    diagnosis: Diagnosis | None = None

    def __init__(
        self, *args: Any, desired_kl: float | None = None, max_learning_rate: float = 1e-2, **kwargs: Any
    ) -> None:
        self.desired_kl = desired_kl
        self.max_learning_rate = max_learning_rate
        super().__init__(*args, **kwargs)
        self.adaptive_rate = float(self.lr_schedule(1.0)) if desired_kl is not None else None

    def _init_callback(self, callback: Any, progress_bar: bool = False) -> BaseCallback:
        given = [] if callback is None else callback if isinstance(callback, list) else [callback]
        given = [each if isinstance(each, BaseCallback) else ConvertCallback(each) for each in given]
        return super()._init_callback([*given, BatchedBootstrap()], progress_bar)

    def _update_learning_rate(self, optimizers: Any) -> None:
        if self.adaptive_rate is None:
            super()._update_learning_rate(optimizers)
            return
        self.logger.record("train/learning_rate", self.adaptive_rate)
        for optimizer in optimizers if isinstance(optimizers, list) else [optimizers]:
            update_learning_rate(optimizer, self.adaptive_rate)

    def train(self) -> None:
        """Learn from the rollout."""
        stored, sample, evaluate = self.rollout_buffer, self.rollout_buffer.get, self.policy.evaluate_actions
        clip: Any = self.clip_range
        ratios = Ratios(clip(self._current_progress_remaining))

        def watched(*arguments: Any) -> Any:
            values, log_prob, entropy = evaluate(*arguments)
            ratios.against(lambda batch: batch.old_log_prob, log_prob.detach())
            return values, log_prob, entropy

        with (
            mock.patch.object(stored, "get", lambda size: ratios.each(sample(size))),
            mock.patch.object(self.policy, "evaluate_actions", watched),
        ):
            self._learn_epochs()
        self.diagnosis = Diagnosis(
            ratios.lag(math.ceil(stored.values.size / self.batch_size)),
            advantage(stored.advantages),
            explained_variance(stored.returns, stored.values),
        )

    def _learn_epochs(self) -> None:
        if self.adaptive_rate is None:
            super().train()
            return
        epochs, self.n_epochs = self.n_epochs, 1
        told: dict[str, list[float]] = {name: [] for name in MEANS}
        try:
            for _ in range(epochs):
                super().train()
                self._adapt(float(self.logger.name_to_value["train/approx_kl"]))
                for name, values in told.items():
                    values.append(float(self.logger.name_to_value[name]))
        finally:
            self.n_epochs = epochs
        for name, values in told.items():
            self.logger.record(name, fmean(values))

    def _adapt(self, kl: float) -> None:
        assert self.adaptive_rate is not None and self.desired_kl is not None
        if kl > 2 * self.desired_kl:
            self.adaptive_rate = max(1e-5, self.adaptive_rate / 1.5)
        elif 0 < kl < self.desired_kl / 2:
            self.adaptive_rate = min(self.max_learning_rate, self.adaptive_rate * 1.5)


class LocoPolicy(ActorCriticPolicy):
    """Two MLPs; the critic sees the group "critic" of a privileged environment's observations.

    Args:
        mirror: makes both networks left-right symmetric, see :mod:`locoenvs.wrappers.networks`.
    """

    action_net: nn.Module
    value_net: nn.Module

    def __init__(self, observation_space: Any, *args: Any, mirror: Mirror | None = None, **kwargs: Any) -> None:
        self.mirror = mirror
        privileged = isinstance(observation_space, gymnasium.spaces.Dict)
        super().__init__(observation_space, *args, share_features_extractor=not privileged, **kwargs)

    def make_features_extractor(self) -> BaseFeaturesExtractor:
        if not isinstance(self.observation_space, gymnasium.spaces.Dict):
            return super().make_features_extractor()
        return _Group(self.observation_space, "critic" if hasattr(self, "pi_features_extractor") else "policy")

    def actor(self) -> list[nn.Module]:
        """The modules that map an observation to the mean of the actions."""
        return [*self.mlp_extractor.policy_net, self.action_net]

    def _build(self, lr_schedule: Any) -> None:
        super()._build(lr_schedule)
        if self.mirror is None:
            return
        *hidden, self.action_net = mirrored(self.actor(), self.mirror)
        self.mlp_extractor.policy_net = nn.Sequential(*hidden)
        *hidden, self.value_net = mirrored([*self.mlp_extractor.value_net, self.value_net], self.mirror)
        self.mlp_extractor.value_net = nn.Sequential(*hidden)
        self.optimizer = self.optimizer_class(self.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return super()._get_constructor_parameters() | {"mirror": self.mirror}


class _Group(BaseFeaturesExtractor):
    """One group of the observations, as it is."""

    def __init__(self, observation_space: gymnasium.spaces.Dict, group: str) -> None:
        super().__init__(observation_space, gymnasium.spaces.flatdim(observation_space[group]))
        self.group = group

    def forward(self, observations: dict[str, torch.Tensor]) -> torch.Tensor:
        return observations[self.group]


def sb3_config(ppo: PPOConfig, mirror: Mirror | None = None) -> dict[str, Any]:
    """``ppo`` as the arguments of :class:`TimeoutPPO`, beside the environment.

    Stable-Baselines3 does not clip the value loss as the paper does: its own clip would cut the gradient.
    """
    return {
        "policy": LocoPolicy,
        "policy_kwargs": {
            "net_arch": {"pi": list(ppo.hidden), "vf": list(ppo.hidden)},
            "activation_fn": ACTIVATIONS[ppo.activation],
            "ortho_init": False,
            "log_std_init": float(np.log(ppo.initial_std)),
            "mirror": mirror,
        },
        "n_steps": ppo.horizon,
        "batch_size": ppo.samples_per_update // ppo.minibatches,
        "n_epochs": ppo.epochs,
        "gamma": ppo.discount,
        "gae_lambda": ppo.trace,
        "clip_range": ppo.clip,
        "ent_coef": ppo.entropy,
        "vf_coef": 1.0,
        "max_grad_norm": ppo.max_gradient_norm,
        "learning_rate": ppo.learning_rate,
        "max_learning_rate": ppo.max_learning_rate,
        "desired_kl": ppo.desired_kl,
    }
