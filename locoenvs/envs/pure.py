"""The environment as pure functions, for JAX users: the state goes in and out, so it fits ``jax.jit`` and ``lax.scan``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from locoenvs.envs import backends
from locoenvs.envs.registration import task as task_of
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.mdp import dry
from locoenvs.mdp.mdp import Mdp, prepare
from locoenvs.mdp.observations import observe
from locoenvs.mdp.state import EnvState, Observation, Simulator, Transition
from locoenvs.mdp.step import initial, step
from locoenvs.mdp.terrain import map_of
from locoenvs.numerics import rng
from locoenvs.numerics.arrays import Array, is_traced, library
from locoenvs.tasks.names import nearest
from locoenvs.tasks.recipes import ActuatorKind
from locoenvs.tasks.task import Task


@dataclass(frozen=True)
class Functional:
    """``num_envs`` robots that do one task, as two pure functions.

    ``state`` is a pytree of arrays. Both functions may be called as they are, when each is one compiled program, or inside
    ``jax.jit`` and ``jax.lax.scan``. A robot that is done begins its next episode in the same step.

    >>> env = locoenvs.functional("Loco/AnymalC-Flat-v0", num_envs=4096)  # doctest: +SKIP
    >>> def control_step(carry, _):  # doctest: +SKIP
    ...     state, observation = carry
    ...     state, transition = env.step(state, policy(observation.policy))
    ...     return (state, transition.observation), transition.reward
    >>> rollout = jax.jit(lambda key: jax.lax.scan(control_step, env.reset(key), length=1000))  # doctest: +SKIP
    >>> (state, observation), rewards = rollout(jax.random.key(0))  # doctest: +SKIP
    """

    task: Task
    num_envs: int
    split: str
    mdp: Mdp
    simulator: Simulator
    _reset: Any
    _step: Any

    def reset(self, key: Any) -> tuple[EnvState, Observation]:
        """All robots at the beginning of their first episode, and what they see.

        ``key`` is an integer, as in ``env.reset(seed=key)`` with the same numbers, or one of JAX's random keys;
        ``jax.random.key(s)`` gives the numbers of the integer s. It may be traced.
        """
        return self._reset(_seed(key))

    def step(self, state: EnvState, action: Array) -> tuple[EnvState, Transition]:
        """One control step of all robots with ``action`` (num_envs, J), in units of the robot's action scale.

        Values are not looked at: a robot with an action that is not finite breaks, and its ``reset_reason`` says so.
        """
        shape = (self.num_envs, self.mdp.num_joints)
        if not isinstance(state, EnvState):
            raise TypeError(f"step takes the state that reset and step return, got {type(state).__name__}")
        robots = state.episodes.robot.shape
        if robots != (self.num_envs,):
            raise ValueError(
                f"the state has robots of shape {robots}, this environment has {self.num_envs}: do not vmap it"
            )
        if getattr(action, "shape", None) != shape:
            raise ValueError(f"action must be an array of shape {shape}, one row a robot, got {_shown(action)}")
        if not self.mdp.xp.issubdtype(action.dtype, self.mdp.xp.floating):
            raise ValueError(f"action must be floating point, got {action.dtype}: convert it to float32")
        return self._step(state, self.mdp.xp.asarray(action, dtype=self.mdp.xp.float32))


def functional(
    env_id: str,
    num_envs: int,
    *,
    backend: str = "mjx",
    recipe: str = "paper",
    actuator: ActuatorKind | None = None,
    task: Task | None = None,
    device: str | None = None,
    split: str = "train",
    stagger: bool | None = None,
    options: Mapping[str, object] | None = None,
    devices: int | None = None,
) -> Functional:
    """The environment of that id as pure functions. The options are those of :class:`~locoenvs.envs.vector.LocoVectorEnv`;
    ``recipe`` and ``actuator`` ("pd" or "lstm"), or ``task``, say what robots do.

    Robots are spread over so many ``devices`` in equal parts, beginning with ``device``: it is one program still, and states,
    observations and rewards are arrays that lie on all of them.
    """
    if split not in rng.SPLITS:
        raise ValueError(nearest("split", split, list(rng.SPLITS)))
    library("jax")
    task = task or task_of(env_id, recipe, actuator)
    height_map = map_of(task)
    given = dict(options or {}) if devices is None else {**(options or {}), "devices": devices}
    simulator: Any = backends.build(backend, task, height_map, num_envs, device, given)
    if not hasattr(simulator, "compile"):
        raise ValueError(f"backend {backends.resolve(backend)!r} keeps its state to itself: functional() needs 'mjx'")
    mdp = prepare(task, height_map, simulator.xp, simulator.device)
    dry.check(mdp)
    return _of(task, num_envs, mdp, simulator, split, split == "train" if stagger is None else stagger)


def functional_of(env: LocoVectorEnv) -> Functional:
    """The pure functions of an environment that was made, on its engine; they leave the environment's state alone.

    Raises ValueError if its engine keeps the state to itself.
    """
    if not hasattr(env.simulator, "compile"):
        raise ValueError("the environment's engine keeps its state to itself: make it with backend='mjx'")
    return _of(env.task, env.num_envs, env.mdp, env.simulator, env.split, env.stagger)


def _of(task: Task, num_envs: int, mdp: Mdp, simulator: Any, split: str, staggered: bool) -> Functional:
    def reset(mdp: Mdp, simulator: Simulator, seed: rng.Seed) -> tuple[EnvState, Observation]:
        state = initial(mdp, simulator, seed, rng.SPLITS[split], staggered)
        return state, observe(mdp, state.episodes)

    return Functional(
        task, num_envs, split, mdp, simulator, simulator.compile(reset, mdp), simulator.compile(step, mdp)
    )


def _seed(key: Any) -> rng.Seed:
    """The two words of a seed or of a key."""
    import jax
    import jax.numpy as jnp

    if isinstance(key, int):
        if not 0 <= key < 2**64:
            raise ValueError(f"key must be an integer in [0, 2^64) or one of JAX's keys, got {key}")
        return rng.words(key)
    array = jnp.asarray(key) if not isinstance(key, jax.Array) else key
    if jax.dtypes.issubdtype(array.dtype, jax.dtypes.prng_key):
        array = jax.random.key_data(array)
    if array.dtype == jnp.uint32 and array.shape == (2,):
        words = jax.lax.bitcast_convert_type(array, jnp.int32)
        return words[1], words[0]
    if jnp.issubdtype(array.dtype, jnp.integer) and array.shape == ():
        low = array.astype(jnp.int32)
        return low, low * 0
    raise ValueError(f"key must be one integer or one of JAX's keys for all robots, got {_shown(key)}")


def _shown(value: Any) -> str:
    traced = "a traced " if is_traced(value) else ""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{traced}{value.dtype} of shape {tuple(value.shape)}"
    return repr(value)
