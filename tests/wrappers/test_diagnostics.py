"""How an update is described: by numbers worked out by hand, and by every learner."""

from __future__ import annotations

import dataclasses
import importlib
import math
import os
from typing import Any

os.environ.setdefault("NPROC", "8")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from circle import SMALL, Circle
from locoenvs.numerics.arrays import Kind, convert
from locoenvs.wrappers.diagnostics import (
    Advantage,
    Diagnosis,
    Ratios,
    advantage,
    explained_variance,
    moved,
    policy_lag,
)

KINDS: list[Kind] = ["numpy", "torch", "jax"]
LEARNERS = {
    "rsl_rl": ("rsl_rl", "rsl_rl.learner", "RslRlLearner"),
    "skrl": ("skrl", "skrl.learner", "SkrlLearner"),
    "skrl_jax": ("flax", "skrl.with_jax", "SkrlJaxLearner"),
    "sb3": ("stable_baselines3", "sb3.learner", "Sb3Learner"),
    "rl_games": ("rl_games", "rl_games.learner", "RlGamesLearner"),
    "brax": ("brax", "brax.learner", "BraxLearner"),
}


def array(kind: Kind, values: Any) -> Any:
    pytest.importorskip(kind)
    return convert(np.array(values, np.float32), kind)


@pytest.mark.parametrize("kind", KINDS)
def test_ratios_become_divergence_and_shares(kind: Kind) -> None:
    """Two epochs of two minibatches, whose probabilities became so many times what they were."""
    ratios = Ratios(clip=0.25)
    for minibatch in ([1, 1], [1, 1.5], [2, 1.2], [0.5, 0.8]):
        ratios.add(array(kind, np.log(minibatch))[:, None])
    lag = ratios.lag(minibatches=2)
    last = [ratio - 1 - math.log(ratio) for ratio in (2, 1.2, 0.5, 0.8)]
    assert lag.kl == pytest.approx(sum(last) / 4, rel=1e-6)
    assert (lag.clip_fraction, lag.last_epoch_clip_fraction, lag.gradient_steps) == (3 / 8, 2 / 4, 4)


def test_a_small_divergence_is_not_lost_in_rounding() -> None:
    """r - 1 - log r of two numbers near 1 in float32."""
    shift = np.float32(1e-3)
    lag = policy_lag(np.stack([moved(np.full(1000, shift), 0.2)]), 1)
    assert lag.kl == pytest.approx(math.expm1(shift) - float(shift), rel=1e-3)


def test_minibatches_of_unequal_sizes_count_by_their_samples() -> None:
    lag = policy_lag(np.stack([moved(np.log([2.0, 2.0, 2.0]), 0.2), moved(np.log([1.0]), 0.2)]), 2)
    assert lag.clip_fraction == 0.75 and lag.kl == pytest.approx(0.75 * (1 - math.log(2)))


def test_the_divergence_is_that_of_the_two_policies() -> None:
    """KL(old, new) of two Gaussians, from samples of the old one."""
    old, new = torch.distributions.Normal(0.0, 1.0), torch.distributions.Normal(0.1, 1.1)
    drawn = old.sample(torch.Size([200_000]))
    ratios = Ratios(0.2)
    ratios.add(new.log_prob(drawn) - old.log_prob(drawn))
    assert ratios.lag(1).kl == pytest.approx(float(torch.distributions.kl_divergence(old, new)), rel=0.03)


@pytest.mark.parametrize("kind", KINDS)
def test_advantages_and_what_the_critic_explains(kind: Kind) -> None:
    assert advantage(array(kind, [[1, 2], [3, 6]])) == Advantage(3.0, pytest.approx(math.sqrt(3.5)), 1.0, 6.0)
    returns, values = array(kind, [0, 2, 4, 6]), array(kind, [1, 1, 5, 5])
    assert explained_variance(returns, values) == pytest.approx(1 - 1 / 5)
    assert explained_variance(returns, returns + 3) == 1.0  # an offset is no variance
    assert explained_variance(returns, returns * 0 + 3) == 0.0
    assert explained_variance(returns * 0, values) is None


@pytest.fixture(params=list(LEARNERS))
def kind(request: pytest.FixtureRequest) -> Any:
    library, module, name = LEARNERS[request.param]
    pytest.importorskip(library)
    return getattr(importlib.import_module(f"locoenvs.wrappers.{module}"), name)


def test_a_policy_that_does_not_learn_lags_by_nothing(kind: Any) -> None:
    torch.manual_seed(0)
    still = dataclasses.replace(SMALL, epochs=2, learning_rate=1e-12, max_learning_rate=1e-12)
    found = kind(Circle(kind.array), still, None, 0).update().diagnosis
    assert isinstance(found, Diagnosis)
    lag, seen = found.policy_lag, found.advantage
    assert (lag.clip_fraction, lag.last_epoch_clip_fraction, lag.gradient_steps) == (0.0, 0.0, 4) and abs(lag.kl) < 1e-9
    numbers = [*dataclasses.astuple(lag), *dataclasses.astuple(seen), found.explained_variance]
    assert all(type(number) in (int, float) for number in numbers) and np.isfinite(numbers).all(), found
    assert seen.minimum < seen.mean < seen.maximum and seen.deviation > 0


def test_a_policy_that_learns_moves_and_its_critic_learns_to_explain() -> None:
    """Rewards depend on the phase alone, which the critic sees; an entropy bonus and noise move the policy."""
    pytest.importorskip("rsl_rl")
    from locoenvs.wrappers.rsl_rl.learner import RslRlLearner

    torch.manual_seed(0)
    learner = RslRlLearner(Circle("torch"), dataclasses.replace(SMALL, desired_kl=100.0), None, 0)
    first, *_, last = [learner.update().diagnosis for _ in range(12)]
    assert first is not None and last is not None
    assert first.policy_lag.kl > 1e-4 and 0 < first.policy_lag.clip_fraction < first.policy_lag.last_epoch_clip_fraction
    assert first.explained_variance is not None and last.explained_variance is not None
    assert first.explained_variance < 0.5 < last.explained_variance <= 1


@pytest.mark.parametrize(("name", "library"), [("rsl_rl", "rsl_rl.algorithms"), ("skrl", "skrl.agents.torch.ppo")])
def test_to_be_watched_changes_no_bit_of_what_is_learned(
    name: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = pytest.importorskip(library).PPO
    _, module, kind = LEARNERS[name]
    made = getattr(importlib.import_module(f"locoenvs.wrappers.{module}"), kind)

    def learned() -> list[np.ndarray]:
        torch.manual_seed(0)
        one = made(Circle("torch"), SMALL, None, 0)
        for _ in range(2):
            one.update()
        return [*(part for layer in one.layers() for part in layer), torch.rand(1).numpy()]

    watched = learned()
    monkeypatch.setattr(importlib.import_module(f"locoenvs.wrappers.{name}.ppo").TimeoutPPO, "update", theirs.update)
    assert all(np.array_equal(ours, own) for ours, own in zip(watched, learned(), strict=True))
