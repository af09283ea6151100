"""One robot alone: an ordinary Gymnasium environment."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from locoenvs.task import Task
from locoenvs.vector import LocoVectorEnv


class LocoEnv(gymnasium.Env[np.ndarray, np.ndarray]):
    """One robot that does one task. Takes the options of :class:`LocoVectorEnv` but its autoreset mode and array."""

    metadata: dict[str, Any] = {"render_modes": ["rgb_array", "human"]}

    def __init__(self, task: Task, **options: Any) -> None:
        self.batch = LocoVectorEnv(task, 1, **{"stagger": False, **options}, autoreset_mode="disabled", array="numpy")
        self.task = task
        self.observation_space = self.batch.single_observation_space
        self.action_space = self.batch.single_action_space
        self.render_mode = self.batch.render_mode
        self.metadata = {**self.metadata, "render_fps": self.batch.metadata["render_fps"]}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin a new episode."""
        super().reset(seed=seed)
        chosen = seed if seed is not None else int(self.np_random.integers(2**31))
        observation, info = self.batch.reset(seed=chosen, options=options)
        return _first(observation), info

    def step(self, action: np.ndarray) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """One control step with ``action`` (J,)."""
        observation, reward, terminated, truncated, info = self.batch.step(np.asarray(action)[None])
        info = {
            "time_out": bool(info["time_outs"][0]),
            "reset_reason": self.batch.reset_reasons[int(info["reset_reason"][0])],
            "reward_terms": {name: float(value[0]) for name, value in info["reward_terms"].items()},
        }
        return _first(observation), float(reward[0]), bool(terminated[0]), bool(truncated[0]), info

    def render(self) -> np.ndarray | None:  # type: ignore[override]
        """A picture of the robot, (height, width, 3) uint8; None without a render mode."""
        frames = self.batch.render()
        return None if frames is None else frames[0]

    def close(self) -> None:
        self.batch.close()


def _first(observation: Any) -> Any:
    """The one row of a batched observation."""
    return {key: value[0] for key, value in observation.items()} if isinstance(observation, dict) else observation[0]
