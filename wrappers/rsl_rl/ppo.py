"""RSL-RL's PPO with the right value target at time-outs, and the paper's settings in RSL-RL's own configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any
from unittest import mock

import torch
from rsl_rl.algorithms import PPO
from rsl_rl.models import MLPModel
from rsl_rl.storage import RolloutStorage
from tensordict import TensorDict
from torch import nn

from locoenvs.mdp.symmetry import Mirror
from locoenvs.wrappers.diagnostics import Diagnosis, Ratios, advantage, explained_variance, moved
from locoenvs.wrappers.networks import mirrored
from locoenvs.wrappers.part import Part
from locoenvs.wrappers.ppo import PPOConfig


class TimeoutPPO(PPO):
    """PPO whose target at a time-out is r + gamma V(final observation).

    Left alone, RSL-RL adds gamma V of the observation *before* the step. Needs ``extras["final_observations"]`` of
    :class:`~locoenvs.wrappers.rsl_rl.env.RslRlVecEnv`. ``diagnosis`` says what the last update was like.

    Args:
        max_learning_rate: upper bound of the adaptive learning rate.
    """

    measure: Callable[[Any, float], Any] = staticmethod(moved)
    """What of a minibatch the diagnosis counts."""

    def __init__(self, *args: Any, max_learning_rate: float = 1e-2, **kwargs: Any) -> None:
        self.max_learning_rate = max_learning_rate
        self.diagnosis: Diagnosis | None = None
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

    def update(self) -> dict[str, float]:
        """Learn from the rollout; the mean losses."""
        ratios, actor, stored = Ratios(self.clip_param, self.measure), self.actor, self.storage
        recurrent = actor.is_recurrent or self.critic.is_recurrent
        batches = "recurrent_mini_batch_generator" if recurrent else "mini_batch_generator"
        generate, log_prob = getattr(stored, batches), actor.get_output_log_prob

        def watched(actions: torch.Tensor) -> torch.Tensor:
            found = log_prob(actions)
            ratios.against(lambda batch: batch.old_actions_log_prob, found.detach())
            return found

        with (
            mock.patch.object(stored, batches, lambda *args: ratios.each(generate(*args))),
            mock.patch.object(actor, "get_output_log_prob", watched),
        ):
            losses = super().update()
        self.diagnosis = self._diagnosed(ratios)
        return losses

    def _diagnosed(self, ratios: Ratios) -> Diagnosis:
        """What the update was like whose rollout is still stored."""
        returns, values = self.storage.returns, self.storage.values
        return Diagnosis(
            ratios.lag(self.num_mini_batches), advantage(returns - values), explained_variance(returns, values)
        )


class PartPPO(TimeoutPPO):
    """:class:`TimeoutPPO` on a ``part`` of the robots, which learns what it would on all of them, to rounding.

    RSL-RL averages gradients and KL over processes and lets the first one set the learning rate. What it leaves alone is done here: exploration and
    minibatches are those of one process, and so parts of a minibatch are weighed by their samples; advantages are normalized over all robots.
    """

    def __init__(self, *args: Any, part: Part, **kwargs: Any) -> None:
        self.part = part
        self.measure = part.moved
        super().__init__(*args, **kwargs)

    def act(self, obs: TensorDict) -> torch.Tensor:
        """Sample actions as one process would for all robots."""
        distribution: Any = self.actor.distribution
        sample = lambda: distribution.mean + self.part.noise(distribution.mean) * distribution.std  # noqa: E731
        with mock.patch.object(distribution, "sample", sample):
            return super().act(obs)

    def compute_returns(self, obs: TensorDict) -> None:
        """Returns and advantages of the rollout."""
        super().compute_returns(obs)
        self.storage.advantages = self.part.normalized(self.storage.returns - self.storage.values)

    def update(self) -> dict[str, float]:
        """Learn from the rollout; the mean losses of the own samples."""
        distribution: Any = self.actor.distribution
        divergence = self.actor.get_kl_divergence
        weighted = lambda old, new: divergence(old, new) * self.part.weight  # noqa: E731
        with (
            mock.patch.object(self.storage, "mini_batch_generator", self._minibatches),
            mock.patch.object(distribution, "sample", lambda: self.part.unused(distribution.mean)),
            mock.patch.object(self.actor, "get_kl_divergence", weighted),
        ):
            return super().update()

    def reduce_parameters(self) -> None:
        """Let the gradients be those of the whole minibatch."""
        self.part.weigh_gradients(chain(self.actor.parameters(), self.critic.parameters()))
        super().reduce_parameters()

    def _minibatches(self, count: int, epochs: int) -> Iterator[RolloutStorage.Batch]:
        """The own samples of the minibatches that RSL-RL would take of all robots."""
        stored, size = self.storage, self.part.robots * self.storage.num_transitions_per_env // count
        order = torch.randperm(count * size, device=self.device)
        parts = [self.part.own_samples(samples) for samples in order.split(size)]  # the same in every epoch
        named = ("observations", "actions", "values", "advantages", "returns")
        flat = {name: getattr(stored, name).flatten(0, 1) for name in named}
        flat["old_actions_log_prob"] = stored.actions_log_prob.flatten(0, 1)
        parameters = [values.flatten(0, 1) for values in stored.distribution_params or ()]
        for _ in range(epochs):
            for rows, self.part.weight in parts:
                self.part.minibatch = size
                own: dict[str, Any] = {name: values[rows] for name, values in flat.items()}
                yield RolloutStorage.Batch(**own, old_distribution_params=tuple(each[rows] for each in parameters))

    def _diagnosed(self, ratios: Ratios) -> Diagnosis:
        return self.part.diagnosed(ratios, self.num_mini_batches, self.storage.returns, self.storage.values)


class MirrorMLPModel(MLPModel):
    """RSL-RL's MLP that maps mirror images to mirror images, see :mod:`locoenvs.wrappers.networks`.

    For observations that are one policy group (or one critic group) of the task.
    """

    def __init__(
        self, obs: Any, obs_groups: Any, obs_set: str, output_dim: int, mirror: Mirror, **settings: Any
    ) -> None:
        super().__init__(obs, obs_groups, obs_set, output_dim, **settings)
        self.mlp: nn.Sequential = nn.Sequential(*mirrored(self.mlp, mirror))


def rsl_rl_config(ppo: PPOConfig, mirror: Mirror | None = None, part: Part | None = None) -> dict[str, Any]:
    """``ppo`` as the dictionary that RSL-RL 5 builds its algorithm from; ``mirror`` makes the networks symmetric.

    ``part`` is this process's where several train together.
    """
    together: dict[str, Any] = {} if part is None else {"class_name": f"{__name__}:PartPPO", "part": part}
    several = None if part is None else {"global_rank": part.ranks.rank, "world_size": part.ranks.size}
    network: dict[str, Any] = {"class_name": "MLPModel", "hidden_dims": list(ppo.hidden), "activation": ppo.activation}
    if mirror is not None:
        network |= {"class_name": "locoenvs.wrappers.rsl_rl.ppo:MirrorMLPModel", "mirror": mirror}
    return {
        "num_steps_per_env": ppo.horizon,
        "save_interval": ppo.updates,
        "obs_groups": {"actor": ["policy"], "critic": ["critic" if ppo.privileged else "policy"]},
        "multi_gpu": several,
        "actor": {
            **network,
            "distribution_cfg": {
                "class_name": "GaussianDistribution",
                "init_std": ppo.initial_std,
                "std_type": "scalar",
            },
        },
        "critic": dict(network),
        "algorithm": {
            "class_name": "locoenvs.wrappers.rsl_rl.ppo:TimeoutPPO",
            "num_learning_epochs": ppo.epochs,
            "num_mini_batches": ppo.minibatches,
            "clip_param": ppo.clip,
            "gamma": ppo.discount,
            "lam": ppo.trace,
            "entropy_coef": ppo.entropy,
            "learning_rate": ppo.learning_rate,
            "max_learning_rate": ppo.max_learning_rate,
            "desired_kl": ppo.desired_kl,
            "max_grad_norm": ppo.max_gradient_norm,
            "schedule": "adaptive",
            **together,
        },
    }
