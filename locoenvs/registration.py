"""The ids of the suite, and what :func:`gymnasium.make` and :func:`gymnasium.make_vec` build for them."""

from __future__ import annotations

from typing import Any

import gymnasium

from locoenvs.recipes import Ground, nearest
from locoenvs.recipes import task as recipe_task
from locoenvs.robots import ROBOTS
from locoenvs.single import LocoEnv
from locoenvs.task import Task
from locoenvs.vector import LocoVectorEnv

IDS: dict[str, tuple[str, Ground]] = {
    f"Loco/{robot}-{ground.capitalize()}-v0": (robot, ground) for robot in ROBOTS for ground in ("flat", "rough")
}
"""Environment id -> (robot, ground)."""


def task(env_id: str, recipe: str = "paper") -> Task:
    """The task of an environment id. Raises ValueError, with the nearest valid name, for one that is unknown."""
    if env_id not in IDS:
        raise ValueError(nearest("environment", env_id, list(IDS)))
    robot, ground = IDS[env_id]
    return recipe_task(ROBOTS[robot], ground, recipe)


def make(env_id: str, num_envs: int | None = None, **options: Any) -> LocoVectorEnv | LocoEnv:
    """What ``gymnasium.make(env_id, ...)`` builds: robots stepped together, or one alone without ``num_envs``."""
    return LocoEnv(_task(env_id, options), **options) if num_envs is None else make_vector(env_id, num_envs, **options)


def make_vector(env_id: str, num_envs: int = 1, **options: Any) -> LocoVectorEnv:
    """What ``gymnasium.make_vec(env_id, num_envs)`` builds. ``options`` are those of :class:`LocoVectorEnv`, and
    ``recipe`` (a name) or ``task`` (a :class:`Task`) for another task than the id's."""
    return LocoVectorEnv(_task(env_id, options), num_envs, **options)


def _task(env_id: str, options: dict[str, Any]) -> Task:
    recipe, given = options.pop("recipe", "paper"), options.pop("task", None)
    return given if given is not None else task(env_id, recipe)


def register() -> None:
    """Register all ids with Gymnasium, once."""
    for env_id in IDS:
        if env_id not in gymnasium.registry:
            gymnasium.register(
                env_id,
                entry_point="locoenvs.registration:make",
                vector_entry_point="locoenvs.registration:make_vector",
                disable_env_checker=True,
                order_enforce=False,
                kwargs={"env_id": env_id},
            )
