"""SKRL's PPO on torch for one of several processes, each of which has a part of the robots."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import torch
from skrl.agents.torch.ppo import ppo as skrl_ppo
from skrl.models.torch import gaussian
from torch.distributions import Normal

from locoenvs.wrappers.diagnostics import Diagnosis, Ratios
from locoenvs.wrappers.part import Part
from locoenvs.wrappers.skrl.ppo import TimeoutPPO


class PartPPO(TimeoutPPO):
    """:class:`TimeoutPPO` on a ``part`` of the robots, which learns what it would on all of them, to rounding.

    SKRL averages gradients over processes. What it leaves alone is done here: exploration and minibatches are those of one process, and
    so parts of a minibatch are weighed by their samples; KL and the moments of advantages are those of all robots.
    """

    def __init__(self, *, part: Part, **kwargs: Any) -> None:
        self.part = part
        self.measure = part.moved
        super().__init__(**kwargs)

    def act(self, *args: Any, **kwargs: Any) -> Any:
        """Sample actions as one process would for all robots."""
        with _sampling(lambda normal: normal.loc + self.part.noise(normal.loc) * normal.scale):
            return super().act(*args, **kwargs)

    def update(self, *, timestep: int, timesteps: int) -> None:
        """Learn from the rollout."""
        gae = skrl_ppo.compute_gae

        def normalized(**named: Any) -> tuple[torch.Tensor, torch.Tensor]:
            returns, _ = gae(**named)
            return returns, self.part.normalized(returns - named["values"])

        def reduce(model: Any, average: Callable[[], None]) -> None:
            self.part.weigh_gradients(model.parameters())
            average()

        models = (self.policy, self.value)
        reduced = [functools.partial(reduce, model, model.reduce_parameters) for model in models]
        with (
            mock.patch.object(skrl_ppo, "compute_gae", normalized),
            mock.patch.object(self.memory, "sample", self._minibatches),
            mock.patch.object(self.policy, "reduce_parameters", reduced[0]),
            mock.patch.object(self.value, "reduce_parameters", reduced[1]),
            mock.patch.object(self.scheduler, "step", self._adapted(self.scheduler.step)),
            _sampling(lambda normal: self.part.unused(normal.loc)),
        ):
            super().update(timestep=timestep, timesteps=timesteps)

    def _minibatches(self, names: list[str], *, batch_size: int, mini_batches: int) -> Iterator[list[torch.Tensor]]:
        """The own samples of the minibatches that SKRL would take of all robots."""
        order = torch.randperm(self.memory.memory_size * self.part.robots)
        for samples in torch.tensor_split(order, mini_batches):  # as numpy's array_split, which SKRL uses
            self.part.minibatch = len(samples)
            rows, self.part.weight = self.part.own_samples(samples)
            yield self.memory.sample_by_index(names, indexes=rows)[0]

    def _adapted(self, step: Callable[[float], None]) -> Callable[[float], None]:
        """The scheduler's ``step`` by the KL of all robots: SKRL's own is the mean over processes, whatever parts they have."""

        def by_all(_: float) -> None:
            sums = self.part.summed(self.ratios.rows()[-self.cfg.mini_batches :])
            step(float((sums[:, 0] / sums[:, 2]).mean()))

        return by_all

    def _diagnosed(self, ratios: Ratios) -> Diagnosis:
        returns, values = (self.memory.get_tensor_by_name(name) for name in ("returns", "values"))
        return self.part.diagnosed(ratios, self.cfg.mini_batches, returns, values)


def _sampling(sample: Callable[[Normal], torch.Tensor]) -> Any:
    """Within it SKRL's policies draw their actions by ``sample`` of the distribution."""

    def sampled(mean: torch.Tensor, deviation: torch.Tensor) -> Normal:
        distribution: Any = Normal(mean, deviation)
        distribution.rsample = lambda: sample(distribution)
        return distribution

    return mock.patch.object(gaussian, "Normal", sampled)
