"""One process's part of what a single process would do with all robots: their exploration, their minibatches, their statistics.

All processes draw the same random numbers as one process would, for all robots, and each uses those of its own. So a run's exploration and its
minibatches do not depend on how many processes share the robots, and one generator's state, the same in all, is all that a checkpoint needs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

from locoenvs.training.ranks import Ranks, current
from locoenvs.wrappers.diagnostics import Advantage, Diagnosis, Ratios, moved, policy_lag


@dataclass
class Part:
    """The robots ``own`` of all ``robots`` of a run, which other processes have the rest of.

    ``weight`` is that of this process's samples of the newest minibatch in the mean over the processes: 1 where each has as many;
    ``minibatch`` is how many samples it has in all processes.
    """

    ranks: Ranks
    robots: int
    weight: float = field(default=1.0, init=False)
    minibatch: int = field(default=0, init=False)

    @property
    def own(self) -> range:
        return self.ranks.robots(self.robots)

    def noise(self, mean: torch.Tensor) -> torch.Tensor:
        """Standard normal numbers for the actions of the own robots, (own, J) like their ``mean``: rows of what is drawn for all."""
        return _drawn(self.robots, mean)[self.own.start : self.own.stop]

    def unused(self, mean: torch.Tensor) -> torch.Tensor:
        """Actions of the newest minibatch that nobody uses. One process draws them for all of it, and what is drawn next comes after them."""
        _drawn(self.minibatch, mean)
        return mean

    def own_samples(self, samples: torch.Tensor) -> tuple[torch.Tensor, float]:
        """Where the own ones of a minibatch's samples are in the own rollout, and what ``weight`` they have.

        A rollout is flat, (T * N,), robots within steps. A process without a sample in the minibatch takes one of weight zero.
        """
        step, robot = samples // self.robots, samples % self.robots
        mine = (robot >= self.own.start) & (robot < self.own.stop)
        found = (step * len(self.own) + robot - self.own.start)[mine]
        weight = len(found) * self.ranks.size / len(samples)
        return (found if len(found) else torch.zeros_like(samples[:1])), weight

    def normalized(self, advantages: torch.Tensor) -> torch.Tensor:
        """Advantages less their mean, over their standard deviation, both over all processes."""
        mean, squares, count = self._moments(advantages)
        return (advantages - mean) / (torch.sqrt(squares / (count - 1)) + 1e-8)

    def weigh_gradients(self, parameters: Any) -> None:
        """Let the mean of the gradients over the processes be that of the whole minibatch."""
        for parameter in parameters:
            if parameter.grad is not None:
                parameter.grad.mul_(self.weight)

    def moved(self, log_ratio: torch.Tensor, clip: float) -> torch.Tensor:
        """:func:`~locoenvs.wrappers.diagnostics.moved` of the own samples of the newest minibatch: zeros where it has none of them."""
        return moved(log_ratio, clip) * float(self.weight > 0)

    def summed(self, values: torch.Tensor) -> torch.Tensor:
        """The sum over all processes."""
        values = values.clone()
        torch.distributed.all_reduce(values)
        return values

    def diagnosed(self, ratios: Ratios, minibatches: int, returns: torch.Tensor, values: torch.Tensor) -> Diagnosis:
        """What an update was like for all robots, with so many minibatches an epoch."""
        advantages = returns - values
        mean, squares, count = self._moments(advantages)
        ends = torch.stack([advantages.max(), -advantages.min()])
        torch.distributed.all_reduce(ends, op=torch.distributed.ReduceOp.MAX)
        whole = self._moments(returns)[1]
        return Diagnosis(
            policy_lag(self.summed(ratios.rows()), minibatches),
            Advantage(float(mean), float(torch.sqrt(squares / count)), -float(ends[1]), float(ends[0])),
            float(1 - squares / whole) if whole > 0 else None,
        )

    def _moments(self, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Mean, sum of squares about it, and number of the values of all processes."""
        count, total = self.summed(torch.stack([values.new_tensor(values.numel()), values.sum()]))
        mean = total / count
        squares = self.summed(torch.square(values - mean).sum())
        return mean, squares, count


def _drawn(rows: int, mean: torch.Tensor) -> torch.Tensor:
    """Standard normal numbers, (rows, J) like a ``mean``."""
    shape = (rows, mean.shape[-1])
    return torch.normal(mean.new_zeros(shape), mean.new_ones(shape))


def part_of(robots: int) -> Part | None:
    """This process's part of so many robots; None where it has them all."""
    return None if current().size == 1 else Part(current(), robots)
