"""Brax's PPO with the right value target at time-outs, and the paper's settings in Brax's own configuration."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
from brax.training.agents.ppo import losses as brax_losses
from brax.training.agents.ppo.networks import PPONetworks
from brax.training.distribution import NormalDistribution, NormalTanhDistribution
from brax.training.networks import FeedForwardNetwork
from flax import linen
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from locoenvs.mdp.symmetry import Mirror
from locoenvs.wrappers.brax.env import FINAL
from locoenvs.wrappers.flax_networks import MLP, sides
from locoenvs.wrappers.ppo import PPOConfig

_their_loss = brax_losses.compute_ppo_loss
_their_gae = brax_losses.compute_gae


def timeout_loss(
    params: Any,
    normalizer_params: Any,
    data: Any,
    rng: jax.Array,
    ppo_network: PPONetworks,
    discounting: float = 0.9,
    reward_scaling: float = 1.0,
    **rest: Any,
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Brax's PPO loss whose value target at a time-out is r + gamma V(final observation).

    Left alone, Brax masks the step of a time-out, whose final observation its own automatic reset has overwritten; with
    ``bootstrap_on_timeout`` it adds gamma V of the observation *before* the step. ``data`` must come from
    :class:`~locoenvs.wrappers.brax.env.BraxEnv`.
    """
    if isinstance(ppo_network.parametric_action_distribution, NormalTanhDistribution):
        raise ValueError(
            "these networks squash actions by tanh to one action scale: take those of brax_config, or give "
            'make_ppo_networks distribution_type="normal"'
        )
    time_out = data.extras["state_extras"]["truncation"]
    following = data.next_observation
    final = {name: following[FINAL + name] for name in following if not name.startswith(FINAL)}
    values = jax.lax.stop_gradient(ppo_network.value_network.apply(normalizer_params, params.value, final))
    cut = {**data.extras["state_extras"], "truncation": jnp.zeros_like(time_out)}  # an end, its value in the reward
    data = data._replace(
        reward=data.reward + time_out * discounting * values / reward_scaling,
        extras={**data.extras, "state_extras": cut},
    )
    return _their_loss(
        params,
        normalizer_params,
        data,
        rng,
        ppo_network,
        discounting=discounting,
        reward_scaling=reward_scaling,
        **rest,
    )


def watched_loss(params: Any, normalizer: Any, data: Any, rng: Any, ppo_network: PPONetworks, **rest: Any) -> Any:
    """:func:`timeout_loss`, whose metrics also tell "log_ratio", "advantage", "return" and "value" of each sample, (horizon, robots)."""
    seen: dict[str, Any] = {}
    distribution = ppo_network.parametric_action_distribution
    their_log_prob = distribution.log_prob

    def log_prob(logits: Any, actions: Any) -> Any:
        new = their_log_prob(logits, actions)
        seen["log_ratio"] = jax.lax.stop_gradient(new - jnp.swapaxes(data.extras["policy_extras"]["log_prob"], 0, 1))
        return new

    def gae(**named: Any) -> tuple[Any, Any]:
        seen["return"], seen["advantage"] = returned = _their_gae(**named)
        seen["value"] = jax.lax.stop_gradient(named["values"])
        return returned

    with mock.patch.object(distribution, "log_prob", log_prob), mock.patch.object(brax_losses, "compute_gae", gae):
        loss, metrics = timeout_loss(params, normalizer, data, rng, ppo_network, **rest)
    return loss, {**metrics, **seen}


@contextlib.contextmanager
def timeouts() -> Iterator[None]:
    """Within it, Brax's ``ppo.train`` uses :func:`timeout_loss`, and runs with a jax that has no
    ``device_put_replicated`` any more (0.10 and newer), which brax 0.14.2 needs."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(brax_losses, "compute_ppo_loss", timeout_loss))
        if not hasattr(jax, "device_put_replicated"):
            stack.enter_context(mock.patch.object(jax, "device_put_replicated", _replicated, create=True))
        yield


def _replicated(tree: Any, devices: Sequence[Any]) -> Any:
    """The tree with a leading axis of the devices, one copy on each."""
    sharding = NamedSharding(Mesh(np.array(devices), ("device",)), PartitionSpec("device"))
    return jax.tree_util.tree_map(lambda x: jax.device_put(jnp.stack([jnp.asarray(x)] * len(devices)), sharding), tree)


class Actor(linen.Module):
    """An MLP for the mean and one standard deviation an action."""

    network: MLP
    initial_std: float

    @linen.compact
    def __call__(self, observation: jax.Array) -> tuple[jax.Array, jax.Array]:
        mean = self.network(observation)
        first = jnp.full(mean.shape[-1:], math.log(self.initial_std), jnp.float32)  # of the type that learning returns
        log_std = self.param("log_std", lambda _: first)
        return mean, jnp.broadcast_to(jnp.exp(log_std), mean.shape)


def make_networks(
    observation_size: Any,
    action_size: int,
    preprocess_observations_fn: Any = lambda observation, _: observation,
    *,
    ppo: PPOConfig,
    mirror: Mirror | None = None,
) -> PPONetworks:
    """Brax's network factory for the paper's networks. Actions are neither squashed nor clipped."""
    actor = Actor(MLP(ppo.hidden, action_size, ppo.activation, sides(mirror, ppo.hidden, action_size)), ppo.initial_std)
    critic = MLP(ppo.hidden, 1, ppo.activation, sides(mirror, ppo.hidden, 1))
    critic_group = "privileged_state" if "privileged_state" in observation_size else "state"

    def on(group: str, module: linen.Module, squeeze: bool) -> FeedForwardNetwork:
        def apply(normalizer: Any, parameters: Any, observation: Mapping[str, jax.Array]) -> Any:
            statistics = _select(normalizer, group)
            output = module.apply(parameters, preprocess_observations_fn(observation[group], statistics))
            return jnp.squeeze(output, axis=-1) if squeeze else output

        size = int(np.prod(observation_size[group]))
        return FeedForwardNetwork(init=lambda key: module.init(key, jnp.zeros((1, size))), apply=apply)

    return PPONetworks(
        policy_network=on("state", actor, squeeze=False),
        value_network=on(critic_group, critic, squeeze=True),
        parametric_action_distribution=NormalDistribution(event_size=action_size),
    )


def _select(normalizer: Any, group: str) -> Any:
    """The running statistics of one group of the observations."""
    if not hasattr(normalizer, "mean"):
        return normalizer
    parts = ("mean", "std", "summed_variance")
    return normalizer.replace(
        **{part: getattr(normalizer, part)[group] for part in parts if isinstance(getattr(normalizer, part), Mapping)}
    )


def brax_config(ppo: PPOConfig, mirror: Mirror | None = None) -> dict[str, Any]:
    """``ppo`` as the arguments of Brax's ``ppo.train``, beside the environment, with a report for each update.

    A minibatch of Brax is the whole rollout of some robots, and values are computed anew in each.

    Raises:
        ValueError: if the minibatches cannot share the robots.
    """
    if ppo.num_envs % ppo.minibatches:
        raise ValueError(
            f"num_envs={ppo.num_envs}: Brax's minibatches are whole rollouts, so {ppo.minibatches} minibatches need a "
            f"multiple of {ppo.minibatches} robots"
        )
    return {
        "num_timesteps": ppo.updates * ppo.samples_per_update,
        "num_evals": ppo.updates + 1,
        "run_evals": False,
        "num_eval_envs": ppo.num_envs,  # is looked at all the same
        "wrap_env": False,
        "max_devices_per_host": 1,  # its pmap wants an axis of devices before that of the robots
        "episode_length": ppo.horizon,  # of Brax's own evaluation, which is left out; the environment has its own limit
        "num_envs": ppo.num_envs,
        "unroll_length": ppo.horizon,
        "batch_size": ppo.num_envs // ppo.minibatches,
        "num_minibatches": ppo.minibatches,
        "num_updates_per_batch": ppo.epochs,
        "discounting": ppo.discount,
        "gae_lambda": ppo.trace,
        "clipping_epsilon": ppo.clip,
        "clipping_epsilon_value": ppo.clip,
        "entropy_cost": ppo.entropy,
        "vf_loss_coefficient": 2.0,  # of half the squared error
        "max_grad_norm": ppo.max_gradient_norm,
        "learning_rate": ppo.learning_rate,
        "learning_rate_schedule": "ADAPTIVE_KL",
        "learning_rate_schedule_min_lr": 1e-5,
        "learning_rate_schedule_max_lr": ppo.max_learning_rate,
        "desired_kl": ppo.desired_kl,
        "network_factory": functools.partial(make_networks, ppo=ppo, mirror=mirror),
    }
