"""One robot alone: an ordinary Gymnasium environment."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium
import numpy as np

from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.tasks.task import Task

WILD, OFTEN = 20.0, 20
"""An action of so many action scales is no policy's that walks; after so many of them the action space is too wide."""


class LocoEnv(gymnasium.Env[Any, np.ndarray]):
    """One robot that does one task: robot 0 of a :class:`LocoVectorEnv`, with the same numbers.

    Takes the options of :class:`LocoVectorEnv` but its autoreset mode and array. ``info`` has ``time_outs`` (a bool),
    ``reset_reason`` (a name) and ``reward_terms`` (name -> float).
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array", "human"]}

    def __init__(self, task: Task, **options: Any) -> None:
        options = {"stagger": False, "backend": "auto", **options}
        if options["backend"] == "auto":
            options["backend"] = "mujoco"  # one robot is no work for a GPU
        self.batch = LocoVectorEnv(task, 1, **options, autoreset_mode="disabled", array="numpy")
        self.task = task
        self.observation_space = self.batch.single_observation_space
        self.action_space = self.batch.single_action_space
        self.render_mode = self.batch.render_mode
        self.metadata = {name: self.batch.metadata[name] for name in ("render_modes", "render_fps")}
        self._begun, self._ended, self._wild = False, False, 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode: the first one of the stream of ``seed`` or, without a seed, the next one of the stream,
        which goes on with the curriculum."""
        if options:
            raise ValueError(f"reset takes no options for one robot alone, got {sorted(options)}")
        super().reset(seed=seed)
        if self._begun and seed is None:
            observation, info = self.batch.reset(options={"reset_mask": np.array([True])})
        else:
            first = int(self.np_random.integers(2**31)) if seed is None else seed
            observation, info = self.batch.reset(seed=first)
        self._begun, self._ended = True, False
        return _first(observation), info

    def step(self, action: np.ndarray) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """One control step with ``action`` (J,), in units of the robot's action scale."""
        if np.shape(action) != self.action_space.shape:
            raise ValueError(f"the action must have shape {self.action_space.shape}, got {np.shape(action)}")
        if self._ended:
            raise RuntimeError("the episode is over: call reset() before the next step")
        self._wild += bool(np.max(np.abs(action)) > WILD)
        if self._wild == OFTEN:
            self._wild += 1  # told once
            warnings.warn(
                f"actions of {np.max(np.abs(action)):.0f} action scales: algorithms that draw actions from all of the action "
                "space, such as SAC, TD3 and DDPG, need it smaller: make the environment with action_limit=2, for a start",
                stacklevel=2,
            )
        observation, reward, terminated, truncated, info = self.batch.step(np.asarray(action)[None])
        self._ended = bool(terminated[0] or truncated[0])
        info = {
            "time_outs": bool(info["time_outs"][0]),
            "reset_reason": self.batch.reset_reasons[int(info["reset_reason"][0])],
            "reward_terms": {name: float(value[0]) for name, value in info["reward_terms"].items()},
        }
        return _first(observation), float(reward[0]), bool(terminated[0]), bool(truncated[0]), info

    def render(self) -> np.ndarray | None:  # type: ignore[override]
        """A picture of the robot, (height, width, 3) uint8, if the render mode is "rgb_array"."""
        frames = self.batch.render()
        return None if frames is None else frames[0]

    def close(self) -> None:
        """Free what the engine holds."""
        self.batch.close()


def _first(observation: Any) -> Any:
    """The one row of a batched observation."""
    return {key: value[0] for key, value in observation.items()} if isinstance(observation, dict) else observation[0]
