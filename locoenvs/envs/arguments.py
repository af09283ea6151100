"""What a caller gives an environment, checked: each error names the value, what is allowed, and the fix."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np
from gymnasium.vector import AutoresetMode

from locoenvs.numerics import rng
from locoenvs.numerics.arrays import KINDS, Kind, library
from locoenvs.tasks.names import nearest
from locoenvs.tasks.task import Task

Autoreset = Literal["same_step", "next_step", "disabled"]

RENDER_MODES = ("rgb_array", "human")

MOST_PICTURES = 16
"""More robots than this are not drawn one by one."""


def check(
    task: Task,
    num_envs: int,
    *,
    array: Kind,
    autoreset_mode: Autoreset | AutoresetMode,
    split: str,
    first_robot: int,
    options: Mapping[str, object] | None,
    render_mode: str | None,
    render_robot: int | None,
    width: int,
    height: int,
    action_limit: float | None,
) -> AutoresetMode:
    """The autoreset mode that is meant. Raises ValueError for what :class:`~locoenvs.envs.vector.LocoVectorEnv` cannot be made with."""
    if not isinstance(num_envs, int | np.integer) or num_envs < 1:
        raise ValueError(f"num_envs must be an integer of at least 1, got {num_envs!r}")
    if not isinstance(first_robot, int | np.integer) or not 0 <= first_robot <= 2**31 - 1 - num_envs:
        raise ValueError(f"first_robot must be an integer of at least 0, the number of a robot, got {first_robot!r}")
    if (devices := (options or {}).get("devices", 1)) != 1 and (array == "torch" or first_robot):
        what = (
            "array='torch' has its arrays on one"
            if array == "torch"
            else f"first_robot={first_robot} is a part of the robots"
        )
        raise ValueError(f"devices={devices!r}: {what}: use locoenvs.functional, or one process a GPU")
    if render_robot is not None and not 0 <= render_robot < num_envs:
        raise ValueError(f"render_robot must be in [0, {num_envs}), one of the robots, got {render_robot}")
    if render_mode == "rgb_array" and render_robot is None and num_envs > MOST_PICTURES:
        raise ValueError(
            f"render_mode='rgb_array' draws every robot, and {num_envs} are too many: name the one to draw, render_robot=0"
        )
    for name, value, most in (("width", width, 1920), ("height", height, 1080)):
        if not (isinstance(value, int | np.integer) and 1 <= value <= most):
            raise ValueError(f"{name} must be from 1 to {most} pixels, got {value!r}")
    if action_limit is not None and not 0 < action_limit <= task.action_clip:
        raise ValueError(
            f"action_limit must be in (0, {task.action_clip:g}], the task's clip of actions, got {action_limit}"
        )
    one_of("array", array, KINDS)
    one_of("split", split, rng.SPLITS)
    modes = {mode.name.lower(): mode for mode in AutoresetMode}
    mode = autoreset_mode.name.lower() if isinstance(autoreset_mode, AutoresetMode) else autoreset_mode
    one_of("autoreset_mode", mode, modes)
    if render_mode is not None:
        one_of("render_mode", render_mode, RENDER_MODES)
    if array != "numpy":
        library(array)  # an error now rather than at the first reset
    return modes[mode]


def one_of(what: str, value: object, allowed: Iterable[str]) -> None:
    """Raises ValueError naming the nearest of what is ``allowed``."""
    if value not in list(allowed):
        raise ValueError(nearest(what, str(value), list(allowed)))


def few(robots: np.ndarray) -> str:
    """The first of the robots, and how many more there are."""
    shown = ", ".join(str(robot) for robot in robots[:8])
    return shown if len(robots) <= 8 else f"{shown} and {len(robots) - 8} more"
