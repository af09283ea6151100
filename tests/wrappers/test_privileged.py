"""The value of a time-out is that of what the privileged critic saw last: every learner's critic finds the known values."""

from __future__ import annotations

import dataclasses
import importlib
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from circle import PHASES, SMALL, Circle, error

STEADY = dataclasses.replace(SMALL, learning_rate=0.01, max_learning_rate=0.01, privileged=True)


def groups() -> tuple[torch.Tensor, torch.Tensor]:
    """What the policy and the critic see of each phase."""
    return torch.full((PHASES, PHASES), 0.3), torch.eye(PHASES)


def rsl_rl_values(learner: Any) -> Any:
    from tensordict import TensorDict

    policy, critic = groups()
    return learner.algorithm.critic(TensorDict({"policy": policy, "critic": critic}, batch_size=[PHASES]))


def skrl_values(learner: Any) -> Any:
    return learner.agent.value.act({"states": groups()[1]}, role="value")[0]


def skrl_jax_values(learner: Any) -> Any:
    states = importlib.import_module("jax.numpy").eye(PHASES)
    return learner.agent.value.act({"states": states}, role="value")[0]


def sb3_values(learner: Any) -> Any:
    return learner.model.policy.predict_values(dict(zip(("policy", "critic"), groups())))


def rl_games_values(learner: Any) -> Any:
    return learner.agent.get_values(dict(zip(("obs", "states"), groups())))


def brax_values(learner: Any) -> Any:
    seen = {name: group.numpy() for name, group in zip(("state", "privileged_state"), groups())}
    return learner.networks.value_network.apply(None, learner.parameters.value, seen)


LEARNERS = {
    "rsl_rl": ("rsl_rl", "rsl_rl.learner", "RslRlLearner", rsl_rl_values),
    "skrl": ("skrl", "skrl.learner", "SkrlLearner", skrl_values),
    "skrl_jax": ("flax", "skrl.with_jax", "SkrlJaxLearner", skrl_jax_values),
    "sb3": ("stable_baselines3", "sb3.learner", "Sb3Learner", sb3_values),
    "rl_games": ("rl_games", "rl_games.learner", "RlGamesLearner", rl_games_values),
    "brax": ("brax", "brax.learner", "BraxLearner", brax_values),
}


@pytest.mark.parametrize("name", list(LEARNERS))
def test_the_privileged_critic_finds_the_known_value(name: str) -> None:
    library, module, kind, values = LEARNERS[name]
    pytest.importorskip(library)
    made = getattr(importlib.import_module(f"locoenvs.wrappers.{module}"), kind)
    torch.manual_seed(0)
    learner = made(Circle(made.array, privileged=True), STEADY, None, 0)
    for _ in range(150):
        learner.update()
    with torch.no_grad():
        assert error(values(learner)) < 0.05
