"""Brax's critic finds the known value of an MDP that only time-outs cut, see :mod:`circle`, by Brax's own ``ppo.train``."""

from __future__ import annotations

import dataclasses
from typing import Any
from unittest import mock

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("brax")

import jax
import jax.numpy as jnp
from brax.training.agents.ppo import train as ppo
from brax.training.agents.ppo.losses import PPONetworkParams
from brax.training.agents.ppo.networks import make_ppo_networks
from brax.training.types import Transition

from circle import PHASES, ROBOTS, SMALL, Circle, error, true_values
from locoenvs.wrappers.brax import BraxEnv, brax_config, timeouts
from locoenvs.wrappers.brax import ppo as ours
from locoenvs.wrappers.brax.ppo import _replicated

SLOW = dataclasses.replace(SMALL, updates=200, learning_rate=0.01)


def learned_values(env: Circle, **changes: Any) -> np.ndarray:
    """The critic's value of each phase after training."""
    settings = {
        **brax_config(SLOW),
        "learning_rate_schedule": None,
        "clipping_epsilon_value": None,
        "num_evals": 1,
        **changes,
    }
    _, (normalizer, _, value), _ = ppo.train(BraxEnv(env), **settings)
    networks = settings["network_factory"]({"state": PHASES}, 1)
    return np.asarray(networks.value_network.apply(normalizer, value, {"state": jnp.eye(PHASES)}))


def test_the_critic_finds_the_known_value() -> None:
    with timeouts():
        assert error(learned_values(Circle())) < 0.05


def test_without_time_outs_it_is_not_found() -> None:
    with timeouts():
        values = learned_values(Circle(time_outs=False))
    assert error(values) > 0.3 and bool((values < true_values()).all())


def test_a_step_that_is_a_time_out_teaches_and_left_alone_brax_masks_it() -> None:
    one_update = {"num_timesteps": SLOW.samples_per_update, "num_updates_per_batch": 1, "num_minibatches": 1}
    one_update |= {"batch_size": ROBOTS, "learning_rate": 0.0}
    losses = {}
    every_step = lambda: BraxEnv(Circle(steps=1))  # noqa: E731
    with mock.patch.object(jax, "device_put_replicated", _replicated, create=True):
        settings = {**brax_config(SLOW), "learning_rate_schedule": None, "num_evals": 1, **one_update}
        losses["alone"] = float(ppo.train(every_step(), **settings)[2]["training/v_loss"])
    with timeouts():
        losses["ours"] = float(ppo.train(every_step(), **settings)[2]["training/v_loss"])
    assert losses["alone"] == 0 and losses["ours"] > 0.1


def test_networks_that_squash_actions_are_refused() -> None:
    settings = {**brax_config(SLOW), "network_factory": make_ppo_networks}
    with timeouts(), pytest.raises(ValueError, match='squash actions by tanh.*distribution_type="normal"'):
        ppo.train(BraxEnv(Circle()), **settings)


def test_minibatches_that_cannot_share_the_robots_are_refused() -> None:
    with pytest.raises(ValueError, match="num_envs=24: .* 5 minibatches need a multiple of 5 robots"):
        brax_config(dataclasses.replace(SLOW, minibatches=5))


def test_only_robots_whose_time_ran_out_get_the_value_of_their_final_observation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In the rewards that Brax's loss is given, which it scales itself: the value is of scaled rewards already."""
    given: list[Any] = []
    monkeypatch.setattr(ours, "_their_loss", lambda params, normalizer, data, *_, **__: given.append(data) or (0.0, {}))
    networks = ours.make_networks({"state": PHASES}, 1, ppo=SLOW)
    keys = jax.random.split(jax.random.PRNGKey(0), 2)
    params = PPONetworkParams(networks.policy_network.init(keys[0]), networks.value_network.init(keys[1]))
    draw = np.random.default_rng(0)
    seen = {name: jnp.asarray(draw.normal(size=(4, 3, PHASES))) for name in ("state", "final_state")}
    reward, time_out = jnp.asarray(draw.normal(size=(4, 3))), jnp.asarray(draw.integers(0, 2, size=(4, 3)) * 1.0)
    data = Transition(
        observation=seen,
        action=jnp.zeros((4, 3, 1)),
        reward=reward,
        discount=jnp.ones((4, 3)),
        next_observation=seen,
        extras={"state_extras": {"truncation": time_out}, "policy_extras": {}},
    )
    ours.timeout_loss(params, None, data, keys[0], networks, discounting=0.8, reward_scaling=5.0)
    values = networks.value_network.apply(None, params.value, {"state": seen["final_state"]})
    np.testing.assert_allclose(given[0].reward * 5.0, reward * 5.0 + 0.8 * time_out * values, rtol=1e-5)
    assert not given[0].extras["state_extras"]["truncation"].any() and 0 < time_out.mean() < 1
