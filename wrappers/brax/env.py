"""Our batched environment in Brax's own convention: pure functions of a state, here over an engine on the host."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from brax.envs.base import Env, State
from jax.experimental import io_callback

from locoenvs.arrays import convert
from locoenvs.vector import LocoVectorEnv
from locoenvs.wrappers.adapter import bare

FINAL = "final_"
"""What the names of the final observations begin with."""


class BraxEnv(Env):
    """Brax's environment over a :class:`LocoVectorEnv` of any backend, which is called back on the host at every step.

    It is a batch already and resets by itself: train with ``wrap_env=False`` and ``num_envs=env.num_envs``. What a robot
    sees is a dict: "state", which the policy acts on, "privileged_state" for the critic of a privileged environment, and
    each of them once more as "final_state" and "final_privileged_state": what the step before led to, before any reset.
    :func:`~locoenvs.wrappers.brax.ppo.timeouts` bootstraps from those. ``info["truncation"]`` marks the robots whose
    time ran out.

    :meth:`reset` takes the seed that is given here, not the key, and begins anew only if a step was taken since: Brax
    resets its training environment once more to evaluate.

    Raises:
        TypeError: for anything but a bare :class:`LocoVectorEnv` that resets in the same step.
    """

    def __init__(self, env: LocoVectorEnv, seed: int | None = None) -> None:
        self.env = bare(env, "BraxEnv")
        self._seed = seed
        self._fresh: dict[str, np.ndarray] | None = None
        float32 = lambda *shape: jax.ShapeDtypeStruct((env.num_envs, *shape), jnp.float32)  # noqa: E731
        self._seen = {name: float32(size) for name, size in self.observation_size.items()}
        self._per_robot = float32()

    @property
    def observation_size(self) -> dict[str, int]:
        """The sizes of what one robot sees."""
        size = int(self.env.mdp.observation_size)
        names = ("state", "privileged_state") if self.env.privileged else ("state",)
        return {name: size for name in (*names, *(FINAL + name for name in names))}

    @property
    def action_size(self) -> int:
        """Joints of a robot."""
        return int(self.env.mdp.num_joints)

    @property
    def backend(self) -> str:
        """What Brax calls physics that is not its own."""
        return "host"

    def reset(self, rng: jax.Array) -> State:
        """The state of robots that begin."""
        return self._begun(io_callback(self._host_reset, self._seen))

    def resume(self, observation: Any) -> State:
        """The state to go on from with ``observation``, which ``env.restore()`` returned."""
        return self._begun({name: jnp.asarray(value) for name, value in self._groups(observation, observation).items()})

    def step(self, state: State, action: jax.Array) -> State:
        """One control step with ``action`` (num_envs, J)."""
        count = state.info["count"]
        returned = (self._seen, self._per_robot, self._per_robot, self._per_robot)
        observation, reward, done, time_out = io_callback(self._host_step, returned, action, count)
        return state.replace(  # type: ignore[attr-defined]
            obs=observation, reward=reward, done=done, info=self._info(reward, done, time_out, state.info, count + 1)
        )

    def _begun(self, observation: dict[str, jax.Array]) -> State:
        zero = jnp.zeros(self.env.num_envs)
        before = {"episode_metrics": {"sum_reward": zero, "length": zero}, "episode_done": zero}
        info = self._info(zero, zero, zero, before, jnp.zeros((), jnp.int32))
        info["episode_metrics"] = before["episode_metrics"]
        return State(None, observation, zero, zero, {}, info)

    def _info(
        self, reward: jax.Array, done: jax.Array, time_out: jax.Array, before: dict[str, Any], count: jax.Array
    ) -> dict[str, Any]:
        """What Brax's training reads. ``count`` keeps the steps on the host in their order."""
        going_on, sums = 1 - before["episode_done"], before["episode_metrics"]
        return {
            "truncation": time_out,
            "episode_done": done,
            "episode_metrics": {
                "sum_reward": sums["sum_reward"] * going_on + reward,
                "length": sums["length"] * going_on + 1,
            },
            "count": count,
        }

    def _host_reset(self) -> dict[str, np.ndarray]:
        if self._fresh is None:
            observation, _ = self.env.reset(seed=self._seed)
            self._fresh = self._groups(observation, observation)
        return self._fresh

    def _host_step(self, action: Any, count: Any) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
        self._fresh = None
        given = np.array(action)
        observation, reward, terminated, truncated, info = self.env.step(
            given if self.env.array == "numpy" else convert(given, self.env.array, self.env.device)
        )
        done = convert(terminated, "numpy") | convert(truncated, "numpy")
        numbers = (convert(reward, "numpy"), done, convert(info["time_outs"], "numpy"))
        reward, done, time_out = (np.asarray(value, dtype=np.float32) for value in numbers)
        return self._groups(observation, info["final_obs"]), reward, done, time_out

    def _groups(self, observation: Any, final: Any) -> dict[str, np.ndarray]:
        named = {}
        for prefix, seen in (("", observation), (FINAL, final)):
            if self.env.privileged:
                named[f"{prefix}state"] = convert(seen["policy"], "numpy")
                named[f"{prefix}privileged_state"] = convert(seen["critic"], "numpy")
            else:
                named[f"{prefix}state"] = convert(seen, "numpy")
        return named
