"""The batched environment: a Gymnasium vector environment over one simulator, aware of time-outs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from locoenvs.envs import arguments, backends, saved_state
from locoenvs.envs.arguments import RENDER_MODES, Autoreset
from locoenvs.envs.shared import Shared
from locoenvs.envs.window import has_display, window
from locoenvs.mdp import dry
from locoenvs.mdp.layout import Slot
from locoenvs.mdp.mdp import Mdp, prepare
from locoenvs.mdp.observations import observe
from locoenvs.mdp.state import EnvState, Episodes, Observation, Simulator, Transition
from locoenvs.mdp.step import initial, reset, step, step_then_wait
from locoenvs.mdp.terrain import map_of
from locoenvs.numerics import rng, rows
from locoenvs.numerics.arrays import Array, Kind, convert, is_traced, kind_of, on_cpu
from locoenvs.tasks.task import Task


class LocoVectorEnv(VectorEnv, gymnasium.Env):  # type: ignore[misc]
    """``num_envs`` robots that do one task, stepped together.

    It is both a :class:`gymnasium.vector.VectorEnv` and a :class:`gymnasium.Env`, so ``gymnasium.make(id, num_envs=N)``
    and ``gymnasium.make_vec(id, num_envs=N)`` return it as it is.

    A time-out is not a failure: ``info["time_outs"]`` marks the robots whose value target is r + gamma V(final
    observation), and ``info["final_obs"]`` holds that observation in the rows of ``info["_final_obs"]``. ``info`` also has
    ``reset_reason`` (index into :attr:`reset_reasons`), ``reward_terms`` (name -> (num_envs,), weighted, summing to the
    reward before any clip at zero) and ``log`` (name -> scalar). Returned arrays belong to the caller.

    Args:
        task: what the robots must do.
        num_envs: number of robots.
        backend: name of the physics, or "auto" for the best one on this machine.
        device: where the physics runs; None for the backend's default.
        array: what :meth:`step` takes and returns: "numpy", "torch" or "jax".
        autoreset_mode: "same_step" (a robot that is done begins its next episode at once), "next_step" (at the next
            step, which ignores its action) or "disabled" (by ``reset(options={"reset_mask": done})``).
        privileged: observe a dict of "policy" and "critic", the critic's without noise.
        split: which random streams to use, one of :data:`locoenvs.numerics.rng.SPLITS`.
        stagger: start the first episodes at random steps; None for training only.
        first_robot: the robots are those of this number and the next ones, where another process has the ones before.
        render_mode: None, "rgb_array" (:meth:`render` returns pictures) or "human" (a window shows one robot after every
            reset and step; it needs a display).
        render_robot: index of the one robot that is drawn; None draws all, of which there may be :data:`~locoenvs.envs.arguments.MOST_PICTURES`.
        width: of a picture, pixels.
        height: of a picture, pixels.
        action_limit: bounds of the action space, in action scales, for algorithms that draw from all of it, such as SAC; None
            for the task's clip.
        options: passed on to the backend.
    """

    metadata: dict[str, Any] = {"render_modes": [*RENDER_MODES], "autoreset_mode": AutoresetMode.SAME_STEP}

    def __init__(
        self,
        task: Task,
        num_envs: int = 1,
        *,
        backend: str = "auto",
        device: str | None = None,
        array: Kind = "numpy",
        autoreset_mode: Autoreset | AutoresetMode = "same_step",
        privileged: bool = False,
        split: str = "train",
        stagger: bool | None = None,
        first_robot: int = 0,
        render_mode: str | None = None,
        render_robot: int | None = None,
        width: int = 640,
        height: int = 480,
        action_limit: float | None = None,
        options: Mapping[str, object] | None = None,
    ) -> None:
        self._arguments = {name: value for name, value in locals().items() if name not in ("self", "__class__")}
        mode = arguments.check(
            task,
            num_envs,
            array=array,
            autoreset_mode=autoreset_mode,
            split=split,
            first_robot=first_robot,
            options=options,
            render_mode=render_mode,
            render_robot=render_robot,
            width=width,
            height=height,
            action_limit=action_limit,
        )
        self.task = task
        self.num_envs = num_envs
        self.array: Kind = array
        self.device = device
        self.privileged = privileged
        self.split = split
        self.stagger = split == "train" if stagger is None else stagger
        self.first_robot = first_robot
        self.render_mode = render_mode
        self.render_robot = render_robot
        self._picture_size = int(width), int(height)
        self.autoreset_mode = mode
        self.metadata = {
            "render_modes": [mode for mode in self.metadata["render_modes"] if mode != "human" or has_display()],
            "autoreset_mode": self.autoreset_mode,
            "render_fps": round(1 / task.timing.control_dt),
        }
        height_map = map_of(task)
        self.simulator = backends.build(backend, task, height_map, num_envs, device, options or {})
        if render_mode == "human":
            self._window = window(self.simulator)
        self.mdp = prepare(task, height_map, self.simulator.xp, self.simulator.device)
        dry.check(self.mdp)
        bound = task.observations.clip
        size = self.mdp.observation_size
        box = lambda: gymnasium.spaces.Box(-bound, bound, (size,), np.float32)  # noqa: E731
        self.single_observation_space = (
            gymnasium.spaces.Dict({"policy": box(), "critic": box()}) if privileged else box()
        )
        limit = task.action_clip if action_limit is None else action_limit
        self.single_action_space = gymnasium.spaces.Box(-limit, limit, (self.mdp.num_joints,), np.float32)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._compiled = hasattr(self.simulator, "compile")
        self._step = self._ready(step, donate=True)
        self._step_then_wait = self._ready(step_then_wait, donate=True)
        self._reset = self._ready(reset, donate=True)
        self._initial = self._ready(initial, static=("split", "stagger"))
        self._observe = self._ready(_observe)
        self._state: EnvState | None = None
        self._waiting: Array | None = None  # robots that are done and not reset yet
        self._process = os.getpid()

    def _ready(self, function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
        """``function(mdp, simulator, ...)`` of this environment, compiled whole where the engine is functional."""
        if self._compiled:
            return self.simulator.compile(function, self.mdp, **options)  # type: ignore[attr-defined]
        return lambda *arguments, **named: function(self.mdp, self.simulator, *arguments, **named)

    @property
    def state(self) -> EnvState:
        """The memory of all robots. A functional engine's next step reuses that memory: copy what you keep.

        Raises RuntimeError before the first reset and after :meth:`close`.
        """
        self._check_usable()
        if self._state is None:
            raise RuntimeError("call reset() first: the robots have not been placed yet")
        return self._state

    @state.setter
    def state(self, state: EnvState) -> None:
        self._state = state

    def _check_usable(self) -> None:
        """Raise RuntimeError for an environment that was closed, or whose engine's threads a forked process lacks."""
        if self.closed:
            raise RuntimeError("the environment was closed: make a new one")
        if self._compiled and os.getpid() != self._process:
            raise RuntimeError(
                "this environment's engine does not work in a forked process: make the environment in that process, or start "
                "it by multiprocessing's method 'spawn'"
            )

    def save(self) -> dict[str, np.ndarray]:
        """All that the next step depends on, as named arrays; :meth:`restore` goes on from it bit by bit.

        "task" is the task's hash, as bytes. :func:`locoenvs.envs.saved_state.rows_of` takes some of the robots.
        """
        return saved_state.named(self.state, self._waiting, self.simulator, self.task.hash)

    def restore(self, saved: Mapping[str, np.ndarray]) -> Any:
        """Go on from what :meth:`save` returned; the observation to act on next. :attr:`np_random` stays as it is.

        Raises ValueError for what was not saved by an environment like this one, which then stays as it was.
        """
        before = None if self._state is None else self.save()
        self._begin(0)
        try:
            saved_state.check(saved, self.save(), self.task.hash)
            return self._go_on(saved)
        except BaseException:
            self._state = None
            if before is not None:
                self._begin(0)
                self._go_on(before)
            raise

    def _go_on(self, saved: Mapping[str, np.ndarray]) -> Any:
        """Take over a state that fits; the observation to act on next."""
        self._state, waiting = saved_state.restored(saved, self.state, self.simulator)
        self._waiting = self._none_waiting() if waiting is None else waiting
        return self._observation(self._observe(self._state.episodes))

    def __getstate__(self) -> dict[str, Any]:
        """For pickle and copy.deepcopy: how it was made, and what it is doing."""
        saved = None if self._state is None else self.save()
        random = self._np_random, self._np_random_seed
        return {
            "arguments": self._arguments,
            "saved": saved,
            "random": random,
            "closed": self.closed,
            "spec": self.spec,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        type(self).__init__(self, **state["arguments"])
        self._np_random, self._np_random_seed = state["random"]
        self.spec = state["spec"]
        if state["saved"] is not None:
            self.restore(state["saved"])
        if state["closed"]:
            self.close()

    def _begin(self, seed: int) -> None:
        """All robots at the beginning of their first episode."""
        self._check_usable()
        which: dict[str, Any] = {"split": rng.SPLITS[self.split], "stagger": self.stagger}
        if self.first_robot:
            robots = np.arange(self.first_robot, self.first_robot + self.num_envs, dtype=np.int32)
            which["robots"] = self.mdp.xp.asarray(robots, device=self.simulator.device)
        self._state = self._initial(rng.words(seed), **which)
        self._waiting = self._none_waiting()

    def _none_waiting(self) -> Array | None:
        """No robot waits: a mask where the engine is functional, so that the next step is the same program as all others."""
        if not self._compiled:
            return None
        return self.mdp.xp.zeros(self.num_envs, dtype=bool, device=self.simulator.device)

    @property
    def reset_reasons(self) -> tuple[str, ...]:
        """What ``info["reset_reason"]`` counts in."""
        return self.mdp.reset_reasons

    @property
    def observation_layout(self) -> tuple[Slot, ...]:
        """What each slice of the observation is: name, range, unit, scale, noise."""
        return self.mdp.layout

    def reset(  # type: ignore[override]
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin new episodes.

        Without ``options`` all robots start over, with ``seed`` or, if that is None, the next seed of
        :attr:`np_random`. ``options={"reset_mask": mask}`` with mask (num_envs,) bool begins the next episode of those
        robots only and leaves the others as they are.
        """
        options = options or {}
        for name in options:
            arguments.one_of("reset option", name, ["reset_mask"])
        if seed is not None and not (isinstance(seed, int | np.integer) and 0 <= seed < 2**64):
            raise ValueError(
                f"seed must be one integer in [0, 2^64) for all robots, got {seed!r}: robot i's stream is (seed, i)"
            )
        if options.get("reset_mask") is not None:
            if seed is not None:
                raise ValueError("a seed begins new streams for all robots: give a seed or a reset_mask, not both")
            state, mask = self.state, self._mask(options["reset_mask"])
            self._state = self._reset(state, mask)
            self._waiting = None if self._waiting is None else self._waiting & ~mask
        else:
            super().reset(seed=None if seed is None else int(seed))
            self._begin(int(self.np_random.integers(2**31)) if seed is None else int(seed))
        self._show()
        return self._observation(self._observe(self.state.episodes)), {}

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:  # type: ignore[override]
        """One control step with ``actions`` (num_envs, J), in units of the robot's action scale."""
        state, action = self.state, self._action(actions)
        if self.autoreset_mode == AutoresetMode.SAME_STEP:
            self._state, transition = self._step(state, action)
        else:
            if self.autoreset_mode == AutoresetMode.DISABLED:
                self._all_were_reset()
            self._state, transition, self._waiting = self._step_then_wait(state, action, self._waiting)
        self._show()
        return self._returned(transition)

    def _all_were_reset(self) -> None:
        """Raises RuntimeError if the caller left a robot that is done without a reset."""
        if self._waiting is not None and bool(self.mdp.xp.any(self._waiting)):
            robots = np.nonzero(convert(self._waiting, "numpy"))[0]
            raise RuntimeError(
                f"robots {arguments.few(robots)} are done and were not reset: call reset(options={{'reset_mask': done}}) "
                "before the next step, or use autoreset_mode='same_step'"
            )

    def _returned(self, transition: Transition) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        out: Callable[[Array], Array] = lambda a: convert(a, self.array, self.device)  # noqa: E731
        done = transition.terminated | transition.truncated
        info: dict[str, Any] = {
            "final_obs": self._observation(transition.final_observation),
            "_final_obs": out(done),
            "time_outs": out(transition.truncated & ~transition.terminated),
            "reset_reason": out(transition.reset_reason),
            "reward_terms": {name: out(value) for name, value in transition.reward_terms.items()},
            "log": {name: self._shared(out(value)) for name, value in transition.log.items()},
        }
        observation = transition.observation
        if observation is transition.final_observation and self.array != "jax":
            observation = rows.map_arrays(lambda a: self.mdp.xp.asarray(a, copy=True), observation)
        return (
            self._observation(observation),
            out(transition.reward),
            out(transition.terminated),
            out(transition.truncated),
            info,
        )

    def _shared(self, value: Array) -> Array:
        """A number of all robots, for numpy users one that Gymnasium's tools can take for an array of one a robot."""
        return Shared.of(value, self.num_envs) if self.array == "numpy" else value

    def _observation(self, observation: Observation) -> Any:
        policy = convert(observation.policy, self.array, self.device)
        if not self.privileged:
            return policy
        critic = observation.critic
        if critic is observation.policy and self.array != "jax":  # without noise
            critic = self.mdp.xp.asarray(critic, copy=True)
        return {"policy": policy, "critic": convert(critic, self.array, self.device)}

    def _mask(self, mask: Any) -> Array:
        values = convert(mask, "numpy")
        if values.shape != (self.num_envs,) or values.dtype != np.bool_:
            raise ValueError(
                f"reset_mask must be bool of shape ({self.num_envs},), got {values.dtype} of shape {values.shape}"
            )
        return self.mdp.xp.asarray(values, device=self.simulator.device)

    def _action(self, actions: Any) -> Array:
        """The actions in the engine's namespace, checked. Raises ValueError naming what is wrong and where.

        Where the engine is compiled, or on an accelerator, their values are not looked at, which would wait for it: a
        robot with an action that is not finite breaks there, and its ``reset_reason`` says so.
        """
        if is_traced(actions):
            raise TypeError(
                "step() of an environment cannot be traced, it keeps its state: inside jax.jit and lax.scan use "
                "locoenvs.functional(id, num_envs=N), whose step is a pure function of the state"
            )
        shape = (self.num_envs, self.mdp.num_joints)
        if tuple(np.shape(actions)) != shape:
            raise ValueError(f"actions must have shape {shape}, one row a robot, got {tuple(np.shape(actions))}")
        xp = self.mdp.xp
        action = convert(actions, kind_of(xp), self.simulator.device)
        if not xp.isdtype(action.dtype, "real floating"):
            raise ValueError(f"actions must be floating point, got {action.dtype}: convert them to float32")
        if not self._compiled and on_cpu(action):
            finite = xp.isfinite(action)
            if not bool(xp.all(finite)):
                robots = np.nonzero(~convert(xp.all(finite, axis=-1), "numpy"))[0]
                raise ValueError(
                    f"actions of robots {arguments.few(robots)} are NaN or infinite: the policy has diverged"
                )
        return xp.astype(action, xp.float32, copy=False)

    def render(self) -> tuple[np.ndarray, ...] | None:  # type: ignore[override]
        """Pictures (height, width, 3) uint8 of all robots, or of ``render_robot`` alone, if the render mode is "rgb_array"."""
        if self.render_mode != "rgb_array":
            return None
        robots = range(self.num_envs) if self.render_robot is None else (self.render_robot,)
        physics = self.state.physics
        return tuple(self.simulator.render(physics, robot, self._picture_size) for robot in robots)

    def _show(self) -> None:
        """Draw the state in the window, if there is one."""
        if self.render_mode == "human":
            self._window(self.state.physics, self.render_robot or 0)

    def close_extras(self, **kwargs: Any) -> None:
        """Free what the engine holds; called by :meth:`close`."""
        self._state = None
        if hasattr(self, "simulator"):
            self.simulator.close()
            del self.simulator


def _observe(mdp: Mdp, simulator: Simulator, episodes: Episodes) -> Observation:
    return observe(mdp, episodes)
