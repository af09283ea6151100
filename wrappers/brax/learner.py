"""``locoenvs train --learner brax``: Brax's PPO, put together from its parts so that a run can be saved and gone on with.

``ppo.train`` of Brax is one call from the first update to the last, and its checkpoints leave the optimizer out.
"""

from __future__ import annotations

import functools
import time
from pathlib import Path
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from brax.training import acting
from brax.training.agents.ppo.losses import PPONetworkParams
from brax.training.agents.ppo.networks import make_inference_fn
from brax.training.agents.ppo.optimizer import adaptive_kl_learning_rate

from locoenvs.mdp.symmetry import Mirror
from locoenvs.numerics.arrays import Kind
from locoenvs.policies.policy import Layer
from locoenvs.tasks.task import Task
from locoenvs.training.settings import TrainSettings
from locoenvs.wrappers import training
from locoenvs.wrappers.brax.env import BraxEnv
from locoenvs.wrappers.brax.ppo import brax_config, watched_loss
from locoenvs.wrappers.diagnostics import Diagnosis, advantage, explained_variance, moved, policy_lag
from locoenvs.wrappers.flax_networks import from_layers, from_tensors, layers, sides, to_tensors
from locoenvs.wrappers.learner import Update
from locoenvs.wrappers.metered import MeteredEnv
from locoenvs.wrappers.ppo import PPOConfig


class BraxLearner:
    """Brax's PPO."""

    name: ClassVar[str] = "brax"
    packages: ClassVar[tuple[str, ...]] = ("brax", "jax", "flax", "optax")
    array: ClassVar[Kind] = "numpy"

    def __init__(self, env: MeteredEnv, ppo: PPOConfig, mirror: Mirror | None, seed: int) -> None:
        self.ppo, self.metered, self.env = ppo, env, BraxEnv(env, seed)
        self.settings = brax_config(ppo, mirror)
        self.sides = sides(mirror, ppo.hidden, self.env.action_size)
        self.networks = self.settings["network_factory"](self.env.observation_size, self.env.action_size)
        adam = optax.inject_hyperparams(optax.adam)(learning_rate=ppo.learning_rate)
        self.optimizer = optax.chain(optax.clip_by_global_norm(ppo.max_gradient_norm), adam)
        self.key, policy, value = jax.random.split(jax.random.PRNGKey(seed), 3)
        self.parameters = PPONetworkParams(
            policy=self.networks.policy_network.init(policy), value=self.networks.value_network.init(value)
        )
        self.optimizing = self.optimizer.init(self.parameters)
        self.state = jax.jit(self.env.reset)(self.key)
        self._place()
        if self.env.pure is not None:
            env.state = self.state.pipeline_state
        self._rollout, self._learn = jax.jit(self._rollout_of), jax.jit(self._learned)

    def update(self) -> Update:
        self.key, rollout, learning = jax.random.split(self.key, 3)
        begun = time.perf_counter()
        self.state, data = jax.block_until_ready(self._rollout(self.parameters, self.state, rollout))
        if self.env.pure is not None:
            self.metered.state = self.state.pipeline_state
            self.metered.seconds = time.perf_counter() - begun  # with inference: it is one compiled program
            data = self._counted(data)
        begun = time.perf_counter()
        learned = self._learn(self.parameters, self.optimizing, data, learning)
        self.parameters, self.optimizing, metrics, rows, first = jax.block_until_ready(learned)
        spent = time.perf_counter() - begun
        self._place()
        parts = {"surrogate": "policy_loss", "value": "v_loss", "kl": "kl_mean"}
        losses = {name: float(metrics[theirs]) for name, theirs in parts.items()}
        if self.ppo.entropy:
            losses["entropy"] = -float(metrics["entropy_loss"]) / self.ppo.entropy
        return Update(
            learning_seconds=spent,
            losses=losses,
            learning_rate=float(self.optimizing[-1].hyperparams["learning_rate"]),
            action_std=float(np.exp(self._policy["log_std"]).mean()),
            diagnosis=Diagnosis(
                policy_lag(rows, self.ppo.minibatches),
                advantage(first["advantage"]),
                explained_variance(first["return"], first["value"]),
            ),
        )

    def _counted(self, data: Any) -> Any:
        """The rollout without what only the ledger wants, which is told."""
        told = dict(data.extras["state_extras"])
        terms, reasons = told.pop("reward_terms"), told.pop("reset_reason")
        self.metered.count(self.ppo.horizon, data.action, data.reward, terms, reasons)
        return data._replace(extras={**data.extras, "state_extras": told})

    def _rollout_of(self, parameters: PPONetworkParams, state: Any, key: jax.Array) -> tuple[Any, Any]:
        """The state after ``horizon`` steps, and what they were, (num_envs, horizon, ...)."""
        policy = make_inference_fn(self.networks, compute_value=True)((None, parameters.policy, parameters.value))
        told = ("truncation",) if self.env.pure is None else ("truncation", "reward_terms", "reset_reason")
        state, data = acting.generate_unroll(self.env, state, policy, key, self.ppo.horizon, told)
        return state, jax.tree_util.tree_map(lambda x: jnp.swapaxes(x, 0, 1), data)

    def _learned(
        self, parameters: PPONetworkParams, optimizing: Any, data: Any, key: jax.Array
    ) -> tuple[Any, Any, Any, Any, Any]:
        """What the update makes of the parameters and the optimizer, the means of the loss's parts, :func:`moved` of each minibatch,
        and the first epoch's advantages, returns and values: Brax computes them anew in every minibatch."""
        ppo = self.ppo
        loss = functools.partial(
            watched_loss,
            ppo_network=self.networks,
            entropy_cost=ppo.entropy,
            discounting=ppo.discount,
            gae_lambda=ppo.trace,
            clipping_epsilon=ppo.clip,
            clipping_epsilon_value=ppo.clip,
            vf_coefficient=self.settings["vf_loss_coefficient"],
        )

        def minibatch(carry: Any, batch: Any) -> tuple[Any, Any]:
            parameters, optimizing, key = carry
            key, drawn = jax.random.split(key)
            (_, metrics), gradients = jax.value_and_grad(loss, has_aux=True)(parameters, None, batch, drawn)
            optimizing, _ = adaptive_kl_learning_rate(
                optimizing,
                metrics["kl_mean"],
                ppo.desired_kl,
                self.settings["learning_rate_schedule_min_lr"],
                ppo.max_learning_rate,
            )
            updates, optimizing = self.optimizer.update(gradients, optimizing)
            rows = moved(metrics.pop("log_ratio"), ppo.clip)
            samples = {name: metrics.pop(name) for name in ("advantage", "return", "value")}
            return (optax.apply_updates(parameters, updates), optimizing, key), (metrics, rows, samples)

        def epoch(carry: Any, _: Any) -> tuple[Any, Any]:
            parameters, optimizing, key = carry
            key, order, drawn = jax.random.split(key, 3)
            robots = jax.random.permutation(order, ppo.num_envs).reshape(ppo.minibatches, -1)
            batches = jax.tree_util.tree_map(lambda x: x[robots], data)
            (parameters, optimizing, _), told = jax.lax.scan(minibatch, (parameters, optimizing, drawn), batches)
            return (parameters, optimizing, key), told

        carry, (metrics, rows, samples) = jax.lax.scan(epoch, (parameters, optimizing, key), None, length=ppo.epochs)
        first = {name: value[0] for name, value in samples.items()}
        return carry[0], carry[1], jax.tree_util.tree_map(jnp.mean, metrics), rows.reshape(-1, 3), first

    @property
    def _policy(self) -> dict[str, Any]:
        return self.parameters.policy["params"]

    def save(self) -> dict[str, Any]:
        return {
            "parameters": to_tensors(self.parameters),
            "optimizer": to_tensors(self.optimizing),
            "key": to_tensors(self.key),
        }

    def load(self, saved: dict[str, Any], observation: Any) -> None:
        self.parameters = from_tensors(self.parameters, saved["parameters"])
        self.optimizing = from_tensors(self.optimizing, saved["optimizer"])
        self.key = from_tensors(self.key, saved["key"])
        self.state = self.env.resume(observation)
        self._place()

    def _place(self) -> None:
        """Put all where physics computes, as what comes back from there is: JAX compiles anew for what lies elsewhere, or anywhere."""
        if self.env.pure is None:
            return
        simulator = self.metered.simulator
        learned = (self.parameters, self.optimizing, self.key)
        self.parameters, self.optimizing, self.key = jax.device_put(learned, simulator.device)
        spread = getattr(simulator, "spread", None)
        self.state = jax.device_put(self.state, simulator.device) if spread is None else spread.placed(self.state)

    def layers(self) -> list[Layer]:
        return layers(self._policy["network"], self.sides)

    def start_from(self, weights: list[Layer]) -> None:
        policy = {**self.parameters.policy, "params": {**self._policy, "network": from_layers(weights)}}
        self.parameters = self.parameters.replace(policy=policy)


def train(env_id: str, settings: TrainSettings, task: Task | None = None, ppo: PPOConfig | None = None) -> Path:
    """Train a policy with Brax; its run folder. See :func:`locoenvs.wrappers.training.train`."""
    return training.train(BraxLearner, env_id, settings, task, ppo)
