"""SKRL on JAX: the adapter, PPO as in the paper, and ``locoenvs train --learner skrl_jax``."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

os.environ.setdefault("NPROC", "8")  # jax can deadlock on two cores with fewer threads

import numpy as np

from locoenvs.wrappers.extras import needs

with needs("skrl-jax"):
    import jax
    import jax.numpy as jnp
    from flax import linen
    from skrl import config as skrl_settings
    from skrl.agents.jax.ppo import PPO
    from skrl.agents.jax.ppo import ppo as skrl_ppo
    from skrl.envs.wrappers.jax import Wrapper
    from skrl.memories.jax import RandomMemory
    from skrl.models.jax import DeterministicMixin, GaussianMixin, Model
    from skrl.resources.schedulers.jax import KLAdaptiveLR

from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.mdp.symmetry import Mirror
from locoenvs.numerics.arrays import Kind, convert
from locoenvs.policies.policy import Layer
from locoenvs.tasks.task import Task
from locoenvs.training.settings import TrainSettings
from locoenvs.wrappers import training
from locoenvs.wrappers.adapter import bare
from locoenvs.wrappers.diagnostics import Diagnosis, Ratios, moved
from locoenvs.wrappers.flax_networks import MLP, Side, from_layers, from_tensors, layers, sides, to_tensors
from locoenvs.wrappers.learner import Update
from locoenvs.wrappers.ppo import PPOConfig
from locoenvs.wrappers.skrl.face import Face, spaces
from locoenvs.wrappers.skrl.learner import losses, rollout
from locoenvs.wrappers.skrl.ppo import diagnosed, skrl_config


class SkrlJaxEnv(Face, Wrapper):
    """:class:`~locoenvs.wrappers.skrl.env.SkrlEnv` for SKRL on JAX: the same spaces, states and ``infos``.

    Raises:
        TypeError: for anything but a bare :class:`LocoVectorEnv` that resets in the same step.
    """

    def __init__(self, env: LocoVectorEnv, seed: int | None = None) -> None:
        super().__init__(bare(env, "SkrlJaxEnv"))
        self.resume(env.reset(seed=seed)[0])

    def step(self, actions: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array, dict[str, Any]]:
        """One control step with ``actions`` (num_envs, J)."""
        given = convert(actions, self._env.array, self._env.device)
        observation, reward, terminated, truncated, info = self._env.step(given)
        self.resume(observation)
        ends = (convert(value, "jax").astype(jnp.int8).reshape(-1, 1) for value in (terminated, truncated))
        return self._observation, convert(reward, "jax").reshape(-1, 1), *ends, self._infos(info)

    def _array(self, value: Any) -> jax.Array:
        return convert(value, "jax")


_moved = jax.jit(moved, static_argnums=1)


class TimeoutPPO(PPO):
    """PPO whose target at a time-out is r + gamma V(final observation), and whose advantages stop at every cut.

    What SKRL on JAX does left alone is what it does on torch, see :class:`locoenvs.wrappers.skrl.ppo.TimeoutPPO`.
    """

    diagnosis: Diagnosis | None = None

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._shaper, self.cfg.rewards_shaper = self.cfg.rewards_shaper, None  # before the bootstrap, not after it

    def record_transition(
        self,
        *,
        rewards: jax.Array,
        terminated: jax.Array,
        truncated: jax.Array,
        infos: Any,
        timestep: int,
        timesteps: int,
        **rest: Any,
    ) -> None:
        """Record one step, with gamma V(final observation) added to the reward of the robots whose time ran out."""
        if self.training:
            if self._shaper is not None:
                rewards = self._shaper(rewards, timestep, timesteps)
            if truncated.any():  # all robots: a shape of its own for every number of time-outs would compile anew
                inputs = {
                    "observations": self._observation_preprocessor(infos["final_observations"]),
                    "states": self._state_preprocessor(infos.get("final_states")),
                }
                values = self._value_preprocessor(self.value.act(inputs, role="value")[0], inverse=True)
                rewards = rewards + self.cfg.discount_factor * values * truncated
        super().record_transition(
            rewards=rewards,
            terminated=terminated | truncated,
            truncated=jnp.zeros_like(truncated),
            infos=infos,
            timestep=timestep,
            timesteps=timesteps,
            **rest,
        )

    def update(self, *, timestep: int, timesteps: int) -> None:
        """Learn from the rollout."""
        ratios, minibatch = Ratios(self.cfg.ratio_clip, _moved), skrl_ppo._update_policy

        def watched(act: Any, parameters: Any, inputs: Any, old: Any, advantages: Any, clip: Any, *rest: Any) -> Any:
            *found, (deviation, new) = minibatch(
                self._act, parameters, inputs, old, advantages, clip, self._entropy, rest[-1]
            )
            ratios.add(new - old)
            return *found, deviation

        with mock.patch.object(skrl_ppo, "_update_policy", watched):
            super().update(timestep=timestep, timesteps=timesteps)
        self.diagnosis = diagnosed(self.memory, ratios, self.cfg.mini_batches)

    def _act(self, inputs: Any, **named: Any) -> tuple[jax.Array, dict[str, Any]]:
        """The policy's ``act`` for SKRL's compiled minibatch, which returns nothing but "stddev": "log_prob" goes with it."""
        actions, outputs = self.policy.act(inputs, **named)
        return actions, {**outputs, "stddev": (outputs["stddev"], outputs["log_prob"])}

    def _entropy(self, stddev: tuple[jax.Array, jax.Array], **named: Any) -> jax.Array:
        """The policy's ``get_entropy`` of what :meth:`_act` gives."""
        return self.policy.get_entropy(stddev[0], **named)


class Actor(GaussianMixin, Model):
    """The policy: an MLP for the mean and one standard deviation an action. Actions are neither squashed nor clipped."""

    hidden: tuple[int, ...] = ()
    activation: str = "elu"
    initial_std: float = 1.0
    sides: tuple[Side, ...] | None = None

    def __init__(
        self,
        *,
        hidden: tuple[int, ...],
        activation: str,
        initial_std: float,
        sides: tuple[Side, ...] | None = None,
        **spaces: Any,
    ) -> None:
        Model.__init__(self, **spaces)
        self.hidden, self.activation, self.initial_std, self.sides = hidden, activation, initial_std, sides
        GaussianMixin.__init__(self, role="policy")

    @linen.compact
    def __call__(self, inputs: dict[str, Any], role: str) -> tuple[jax.Array, dict[str, Any]]:
        network = MLP(self.hidden, self.num_actions, self.activation, self.sides, name="net")
        # Of the type that learning returns, or it would be compiled for both.
        first = jnp.full((self.num_actions,), math.log(self.initial_std), jnp.float32)
        log_std = self.param("log_std", lambda _: first)
        return network(inputs["observations"]), {"log_std": log_std}


class Critic(DeterministicMixin, Model):
    """The value: an MLP that sees the state of a privileged environment, the observation otherwise."""

    hidden: tuple[int, ...] = ()
    activation: str = "elu"
    sides: tuple[Side, ...] | None = None

    def __init__(
        self, *, hidden: tuple[int, ...], activation: str, sides: tuple[Side, ...] | None = None, **spaces: Any
    ) -> None:
        Model.__init__(self, **spaces)
        self.hidden, self.activation, self.sides = hidden, activation, sides
        DeterministicMixin.__init__(self, role="value")

    @linen.compact
    def __call__(self, inputs: dict[str, Any], role: str) -> tuple[jax.Array, dict[str, Any]]:
        network = MLP(self.hidden, 1, self.activation, self.sides, name="net")
        return network(inputs["states" if self.num_states else "observations"]), {}


def models(env: SkrlJaxEnv, ppo: PPOConfig, mirror: Mirror | None = None) -> dict[str, Model]:
    """The networks of the paper, with their first weights."""
    shape: dict[str, Any] = {"hidden": ppo.hidden, "activation": ppo.activation}
    actions = env.action_space.shape[0]  # type: ignore[index]
    by_role: dict[str, Any] = {
        "policy": Actor(initial_std=ppo.initial_std, sides=sides(mirror, ppo.hidden, actions), **shape, **spaces(env)),
        "value": Critic(sides=sides(mirror, ppo.hidden, 1), **shape, **spaces(env)),
    }
    for role, key in zip(by_role, jax.random.split(skrl_settings.jax.key)):
        by_role[role].init_state_dict(role=role, key=key)
    return by_role


class SkrlJaxLearner:
    """SKRL's PPO on JAX."""

    name: ClassVar[str] = "skrl_jax"
    packages: ClassVar[tuple[str, ...]] = ("skrl", "jax", "flax", "optax")
    array: ClassVar[Kind] = "jax"

    def __init__(self, env: LocoVectorEnv, ppo: PPOConfig, mirror: Mirror | None, seed: int) -> None:
        self.ppo, self.acted = ppo, 0
        skrl_settings.jax.key = jax.random.PRNGKey(seed)
        self.env = SkrlJaxEnv(env, seed=seed)
        self.agent = TimeoutPPO(
            models=models(self.env, ppo, mirror),
            memory=RandomMemory(
                memory_size=ppo.horizon, num_envs=ppo.num_envs, device=self.env.device, replacement=False
            ),
            cfg=skrl_config(ppo, KLAdaptiveLR),
            **spaces(self.env),
        )
        self.agent.init()
        self.agent.enable_training_mode(True)

    def update(self) -> Update:
        self.agent.policy._g_i = self.acted  # SKRL's count of draws, which a compilation raises too
        rollout(self.env, self.agent, self.ppo.horizon - 1)
        begun = rollout(self.env, self.agent, 1)
        spent = time.perf_counter() - begun
        self.acted += self.ppo.horizon
        return Update(
            learning_seconds=spent,
            losses=losses(self.agent),
            learning_rate=float(self.agent.policy_learning_rate),
            action_std=float(np.exp(self._policy["log_std"]).mean()),
            diagnosis=self.agent.diagnosis,
        )

    @property
    def _policy(self) -> dict[str, Any]:
        return self.agent.policy.state_dict.params["params"]

    def save(self) -> dict[str, Any]:
        agent = self.agent
        return {
            "policy": to_tensors(agent.policy.state_dict.params),
            "value": to_tensors(agent.value.state_dict.params),
            "policy_optimizer": to_tensors(agent.policy_optimizer.state),
            "value_optimizer": to_tensors(agent.value_optimizer.state),
            "learning_rates": [float(agent.policy_learning_rate), float(agent.value_learning_rate)],
            "acted": self.acted,
        }

    def load(self, saved: dict[str, Any], observation: Any) -> None:
        agent = self.agent
        for role in ("policy", "value"):
            model, name = agent.models[role], f"{role}_optimizer"
            optimizer = getattr(agent, name)
            model.state_dict = model.state_dict.replace(params=from_tensors(model.state_dict.params, saved[role]))
            setattr(agent, name, optimizer.replace(state=from_tensors(optimizer.state, saved[name])))
        agent.policy_learning_rate, agent.value_learning_rate = saved["learning_rates"]
        self.acted = saved["acted"]
        self.env.resume(observation)

    def layers(self) -> list[Layer]:
        return layers(self._policy["net"], self.agent.policy.sides)

    def start_from(self, weights: list[Layer]) -> None:
        model = self.agent.policy
        params = {**model.state_dict.params, "params": {**self._policy, "net": from_layers(weights)}}
        model.state_dict = model.state_dict.replace(params=params)


def train(env_id: str, settings: TrainSettings, task: Task | None = None, ppo: PPOConfig | None = None) -> Path:
    """Train a policy with SKRL on JAX; its run folder. See :func:`locoenvs.wrappers.training.train`."""
    return training.train(SkrlJaxLearner, env_id, settings, task, ppo)


LEARNER = train
"""What ``locoenvs train --learner skrl_jax`` calls."""
