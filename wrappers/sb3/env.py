"""Our batched environment in Stable-Baselines3's own convention."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from stable_baselines3.common.vec_env import VecEnv

from locoenvs.envs.single import WILD
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.numerics.arrays import convert
from locoenvs.wrappers.adapter import bare


class Sb3VecEnv(VecEnv):
    """Stable-Baselines3's environment over a :class:`LocoVectorEnv`, for its algorithms and its ``VecEnvWrapper`` s.

    The info of a robot that is done has "terminal_observation" and "TimeLimit.truncated"; all the others share one empty
    dict, so that a step costs no dict a robot.

    Args:
        env: the environment; what it returns is converted to numpy.
        seed: of the next reset; :meth:`seed` sets it too.
        action_limit: bound of the action space, in units of the robot's action scale. None is the task's own clip, which
            is so wide that it only stops nonsense. Algorithms that squash actions to the bounds, such as SAC, need a
            narrow one.

    Raises:
        TypeError: for anything but a bare :class:`LocoVectorEnv` that resets in the same step.
    """

    def __init__(self, env: LocoVectorEnv, seed: int | None = None, action_limit: float | None = None) -> None:
        self.env = bare(env, "Sb3VecEnv")
        clip = env.task.action_clip
        if action_limit is not None and not 0 < action_limit <= clip:
            raise ValueError(f"action_limit must be in (0, {clip:g}], the task's clip of actions, got {action_limit}")
        space = env.single_action_space
        if action_limit is not None:
            space = gymnasium.spaces.Box(-action_limit, action_limit, space.shape, np.float32)
        self._limited = action_limit is not None
        super().__init__(env.num_envs, env.single_observation_space, space)
        self._seeds = [seed] * self.num_envs

    def reset(self) -> Any:
        """The first observation of all robots, begun anew with the seed that was set."""
        observation, _ = self.env.reset(seed=self._seeds[0])
        self._reset_seeds()
        return self._numpy(observation)

    def step_async(self, actions: np.ndarray) -> None:
        if not self._limited and np.abs(actions).max() > WILD:
            self._limited = True  # told once
            warnings.warn(
                f"actions of {np.abs(actions).max():.0f} action scales: algorithms that squash or draw actions over the "
                "whole action space, such as SAC, TD3 and DDPG, need Sb3VecEnv(env, action_limit=...), 2 for a start",
                stacklevel=2,
            )
        self._actions = actions

    def step_wait(self) -> tuple[Any, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        given = self._actions if self.env.array == "numpy" else convert(self._actions, self.env.array, self.env.device)
        observation, reward, terminated, truncated, info = self.env.step(given)
        ended, time_outs = convert(info["_final_obs"], "numpy"), convert(info["time_outs"], "numpy")
        infos: list[dict[str, Any]] = [{}] * self.num_envs
        if ended.any():
            final = self._numpy(info["final_obs"])
            for robot in np.nonzero(ended)[0]:
                last = (
                    {name: value[robot] for name, value in final.items()} if isinstance(final, dict) else final[robot]
                )
                infos[robot] = {"terminal_observation": last, "TimeLimit.truncated": bool(time_outs[robot])}
        return self._numpy(observation), convert(reward, "numpy"), ended, infos

    def close(self) -> None:
        self.env.close()

    def get_images(self) -> Sequence[np.ndarray | None]:
        return self.env.render() or [None]

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The environment's attribute, which all robots share, once for each of ``indices``."""
        return [getattr(self.env, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set the environment's attribute, which all robots share."""
        setattr(self.env, attr_name, value)

    def env_method(self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any) -> list[Any]:
        """What one call of the environment's method returned, once for each of ``indices``."""
        returned = getattr(self.env, method_name)(*method_args, **method_kwargs)
        return [returned] * len(list(self._get_indices(indices)))

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """No robot is wrapped: :class:`Sb3VecEnv` takes bare environments only."""
        return [False] * len(list(self._get_indices(indices)))

    def _numpy(self, observation: Any) -> Any:
        if isinstance(observation, dict):
            return {name: convert(value, "numpy") for name, value in observation.items()}
        return convert(observation, "numpy")
