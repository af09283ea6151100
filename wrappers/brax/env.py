"""Our batched environment in Brax's own convention: functions of a state, pure on MJX, over an engine on the host else."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from brax.envs.base import Env, State
from jax.experimental import io_callback

from locoenvs.envs.pure import Functional, functional_of
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.mdp.state import Observation
from locoenvs.numerics.arrays import convert
from locoenvs.wrappers.adapter import bare, check_split

FINAL = "final_"
"""What the names of the final observations begin with."""


class BraxEnv(Env):
    """Brax's environment over :func:`locoenvs.functional`, or over a :class:`LocoVectorEnv`.

    On an engine that is functional itself (MJX) a step is pure, and a training never leaves the device. Any other is
    called back on the host at every step.

    It is a batch already and resets by itself: train with ``wrap_env=False`` and ``num_envs=env.num_envs``. What a robot
    sees is a dict: "state", which the policy acts on, "privileged_state" for a critic that sees without noise, and each of
    them once more as "final_state" and "final_privileged_state": what the step before led to, before any reset.
    :func:`~locoenvs.wrappers.brax.ppo.timeouts` bootstraps from those. ``info["truncation"]`` marks the robots whose
    time ran out.

    Args:
        env: the environment.
        seed: of the first episodes. None draws it from the key on a functional engine, and from the environment else.
        privileged: observe "privileged_state" too; None is what the environment does.

    On the host, :meth:`reset` begins anew only if a step was taken since: Brax resets its training environment once more
    to evaluate.

    Raises:
        TypeError: for anything but the functional or the bare environment that resets in the same step.
        ValueError: for one of held-out panels.
    """

    def __init__(
        self, env: LocoVectorEnv | Functional, seed: int | None = None, privileged: bool | None = None
    ) -> None:
        self.env = env if isinstance(env, Functional) else bare(env, "BraxEnv")
        check_split(self.env.split, "BraxEnv")
        self.pure = self.env if isinstance(self.env, Functional) else None
        if isinstance(self.env, LocoVectorEnv) and hasattr(getattr(self.env, "simulator", None), "compile"):
            self.pure = functional_of(self.env)
        self.privileged = bool(getattr(env, "privileged", False)) if privileged is None else privileged
        if self.pure is None and self.privileged != getattr(env, "privileged", False):
            raise ValueError(f"privileged={privileged}: make the environment with privileged={privileged} too")
        self._seed = seed
        self._fresh: dict[str, np.ndarray] | None = None

    @property
    def observation_size(self) -> dict[str, int]:
        """The sizes of what one robot sees."""
        size = int(self.env.mdp.observation_size)
        names = ("state", "privileged_state") if self.privileged else ("state",)
        return {name: size for name in (*names, *(FINAL + name for name in names))}

    @property
    def action_size(self) -> int:
        """Joints of a robot."""
        return int(self.env.mdp.num_joints)

    @property
    def backend(self) -> str:
        """What Brax calls physics that is not its own."""
        return "host" if self.pure is None else "functional"

    def reset(self, rng: jax.Array) -> State:
        """The state of robots that begin. ``rng`` is one key, or a key a robot: Brax asks for as many as it believes in.

        Raises ValueError for keys of more robots than there are.
        """
        keys = rng.size // 2 if rng.dtype == jnp.uint32 else rng.size
        if keys > self.env.num_envs:
            raise ValueError(
                f"Brax asks for {keys} robots, but the environment has {self.env.num_envs}: set num_envs and num_eval_envs "
                "to that, and wrap_env=False"
            )
        if self.pure is None:
            return self._begun(None, io_callback(self._host_reset, self._seen()))
        key = rng.reshape(-1, 2)[0] if rng.dtype == jnp.uint32 else rng.reshape(-1)[0]
        state, observation = self.pure.reset(key if self._seed is None else self._seed)
        return self._begun(state, self._groups(observation, observation))

    def resume(self, observation: Any) -> State:
        """The state to go on from with ``observation``, which ``env.restore()`` returned."""
        assert isinstance(self.env, LocoVectorEnv)
        seen = {name: jnp.asarray(value) for name, value in self._groups(observation, observation).items()}
        return self._begun(None if self.pure is None else self.env.state, seen)

    def step(self, state: State, action: jax.Array) -> State:
        """One control step with ``action`` (num_envs, J)."""
        info, more = state.info, {}
        if self.pure is None:
            scalar = jax.ShapeDtypeStruct((self.env.num_envs,), jnp.float32)
            returned = (self._seen(), scalar, scalar, scalar)
            observation, reward, done, time_out = io_callback(self._host_step, returned, action, info["count"])
            physics = None
        else:
            physics, step = self.pure.step(state.pipeline_state, action)
            observation, reward = self._groups(step.observation, step.final_observation), step.reward
            done = (step.terminated | step.truncated).astype(jnp.float32)
            time_out = (step.truncated & ~step.terminated).astype(jnp.float32)
            more = {"reward_terms": dict(step.reward_terms), "reset_reason": step.reset_reason}
        going_on, sums = 1 - info["episode_done"], info["episode_metrics"]
        sums = {"sum_reward": sums["sum_reward"] * going_on + reward, "length": sums["length"] * going_on + 1}
        told = {"truncation": time_out, "episode_done": done, "episode_metrics": sums, "count": info["count"] + 1}
        return State(physics, observation, reward, done, state.metrics, {**info, **told, **more})

    def _begun(self, physics: Any, observation: dict[str, jax.Array]) -> State:
        """The state of robots that have done nothing yet. Its "count" keeps steps on the host in their order."""
        zero = jnp.zeros(self.env.num_envs)
        info: dict[str, Any] = {
            "truncation": zero,
            "episode_done": zero,
            "episode_metrics": {"sum_reward": zero, "length": zero},
            "count": jnp.zeros((), jnp.int32),
        }
        if self.pure is not None:
            info["reward_terms"] = {name: zero for name in self.env.mdp.reward_terms}
            info["reset_reason"] = zero.astype(jnp.int32)
        return State(physics, observation, zero, zero, {}, info)

    def _seen(self) -> dict[str, jax.ShapeDtypeStruct]:
        shapes = {name: (self.env.num_envs, size) for name, size in self.observation_size.items()}
        return {name: jax.ShapeDtypeStruct(shape, jnp.float32) for name, shape in shapes.items()}

    def _host_reset(self) -> dict[str, np.ndarray]:
        assert isinstance(self.env, LocoVectorEnv)
        if self._fresh is None:
            observation, _ = self.env.reset(seed=self._seed)
            self._fresh = self._on_host(observation, observation)
        return self._fresh

    def _host_step(self, action: Any, count: Any) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
        assert isinstance(self.env, LocoVectorEnv)
        self._fresh = None
        given = np.array(action)
        observation, reward, terminated, truncated, info = self.env.step(
            given if self.env.array == "numpy" else convert(given, self.env.array, self.env.device)
        )
        done = convert(terminated, "numpy") | convert(truncated, "numpy")
        numbers = (convert(reward, "numpy"), done, convert(info["time_outs"], "numpy"))
        reward, done, time_out = (np.asarray(value, dtype=np.float32) for value in numbers)
        return self._on_host(observation, info["final_obs"]), reward, done, time_out

    def _on_host(self, observation: Any, final: Any) -> dict[str, np.ndarray]:
        return {name: convert(value, "numpy") for name, value in self._groups(observation, final).items()}

    def _groups(self, observation: Any, final: Any) -> dict[str, Any]:
        """What robots see, by Brax's names."""
        named = {}
        for prefix, seen in (("", observation), (FINAL, final)):
            if isinstance(seen, Observation):
                seen = {"policy": seen.policy, "critic": seen.critic}
            named[f"{prefix}state"] = seen["policy"] if isinstance(seen, dict) else seen
            if self.privileged:
                named[f"{prefix}privileged_state"] = seen["critic"]
        return named
