"""What an update was like, in one definition for every learner: how far it left the policy that made its samples, and how good its critic was.

The adapters call these on what their library computes anyway: the probabilities of each minibatch just before its gradient step, the
rollout's returns and values. Arrays are those of torch, JAX or numpy and stay where they are; only the results are numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from locoenvs.numerics.arrays import convert


@dataclass(frozen=True)
class PolicyLag:
    """How far the policy that learns is from the one that made the samples. With r = new / old probability of a sample's action:

    ``kl`` is KL(old, new), nats, estimated without bias by the mean of r - 1 - log r (J. Schulman, Approximating
    KL Divergence, 2020) over the last epoch's samples, each just before its own gradient step. ``clip_fraction`` is the share of r
    outside [1 - clip, 1 + clip] among the samples of all minibatches, ``last_epoch_clip_fraction`` among those of the last epoch.
    ``gradient_steps`` is the age of the samples when they are thrown away: steps since the policy that made them.
    """

    kl: float
    clip_fraction: float
    last_epoch_clip_fraction: float
    gradient_steps: int


@dataclass(frozen=True)
class Advantage:
    """The advantages of an update as they are before any normalization; ``deviation`` is that of the population."""

    mean: float
    deviation: float
    minimum: float
    maximum: float


@dataclass(frozen=True)
class Diagnosis:
    """What an update was like. ``explained_variance`` is None where all returns are the same."""

    policy_lag: PolicyLag
    advantage: Advantage
    explained_variance: float | None


def moved(log_ratio: Any, clip: float) -> Any:
    """What :func:`policy_lag` needs of a minibatch's log r, of any shape: sum of r - 1 - log r, number outside the clip, number; (3,)."""
    xp = array_namespace(log_ratio)
    beyond = xp.expm1(log_ratio)  # r - 1, exact near 0
    outside = xp.astype(abs(beyond) > clip, log_ratio.dtype)
    return xp.stack([xp.sum(beyond - log_ratio), xp.sum(outside), xp.sum(xp.ones_like(log_ratio))])


def policy_lag(rows: Any, minibatches: int) -> PolicyLag:
    """Of what :func:`moved` said of all minibatches in their order, (steps, 3), of which an epoch has so many."""
    done = convert(rows, "numpy").astype(np.float64)
    divergence, outside, samples = done[-minibatches:].sum(axis=0)
    return PolicyLag(
        kl=float(divergence / samples),
        clip_fraction=float(done[:, 1].sum() / done[:, 2].sum()),
        last_epoch_clip_fraction=float(outside / samples),
        gradient_steps=len(done),
    )


def advantage(advantages: Any) -> Advantage:
    """Of advantages of any shape."""
    xp = array_namespace(advantages)
    parts = xp.stack([part(advantages) for part in (xp.mean, xp.std, xp.min, xp.max)])
    return Advantage(*map(float, parts))


def explained_variance(returns: Any, values: Any) -> float | None:
    """1 - Var[returns - values] / Var[returns]: 1 for a perfect critic, 0 for one that knows the mean alone."""
    xp = array_namespace(returns)
    unexplained, whole = (float(part) for part in xp.stack([xp.var(returns - values), xp.var(returns)]))
    return 1 - unexplained / whole if whole > 0 else None


class Ratios:
    """Adds up how the probabilities of a library's minibatches changed while it learns. ``measure`` is :func:`moved`, or that compiled."""

    def __init__(self, clip: float, measure: Callable[[Any, float], Any] = moved) -> None:
        self.clip, self._measure = clip, measure
        self._rows: list[Any] = []
        self._batch: Any = None

    def each(self, batches: Iterable[Any]) -> Iterator[Any]:
        """The same minibatches; what :meth:`against` sees belongs to the newest."""
        for self._batch in batches:
            yield self._batch

    def against(self, old: Callable[[Any], Any], new: Any) -> None:
        """The newest minibatch has the log probabilities ``old(batch)`` of the rollout, and ``new`` now."""
        self.add(new - old(self._batch).reshape(new.shape))

    def add(self, log_ratio: Any) -> None:
        """A minibatch's log r."""
        self._rows.append(self._measure(log_ratio, self.clip))

    def rows(self) -> Any:
        """What :func:`moved` said of each minibatch, (steps, 3)."""
        return array_namespace(self._rows[0]).stack(self._rows)

    def lag(self, minibatches: int) -> PolicyLag:
        """What they amount to, with so many minibatches an epoch."""
        return policy_lag(self.rows(), minibatches)
