"""The ids of the suite, and what :func:`gymnasium.make` and :func:`gymnasium.make_vec` build for them."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import gymnasium

from locoenvs.envs.single import LocoEnv
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.tasks.names import nearest
from locoenvs.tasks.recipes import ActuatorKind, Ground, actuator_of
from locoenvs.tasks.recipes import task as recipe_task
from locoenvs.tasks.robots import ROBOTS
from locoenvs.tasks.task import Task
from locoenvs.tasks.vocabulary import load_plugins

IDS: dict[str, tuple[str, Ground]] = {
    f"Loco/{robot}-{ground.capitalize()}-v0": (robot, ground) for robot in ROBOTS for ground in ("flat", "rough")
}
"""Environment id -> (robot, ground)."""

_OWN: dict[str, tuple[str, Callable[[], Task]]] = {}
"""The ids of :func:`register`: the module that registered each, and what makes its task."""

_ENTRY = "locoenvs.envs.registration:make"

OPTIONS = (
    "task",
    "recipe",
    "actuator",
    *(p.name for p in inspect.signature(LocoVectorEnv.__init__).parameters.values() if p.kind is p.KEYWORD_ONLY),
)
"""What :func:`make` takes besides ``num_envs``."""

_NO_TIME_LIMIT = (
    "max_episode_steps would cut all robots at once and hide their time-outs: set the task's timing.episode_length, in "
    "seconds, instead"
)

BATCH_ONLY = ("array", "autoreset_mode")
"""Options of robots that are stepped together, which one robot alone does not have."""


def task(env_id: str, recipe: str = "paper", actuator: ActuatorKind | None = None) -> Task:
    """The task of an environment id; ``actuator`` None is the suite's default for its robot.

    Raises ValueError, with the nearest valid name, for one that is unknown. Change it by :meth:`~locoenvs.tasks.task.Task.with_`:

    >>> locoenvs.task("Loco/A1-Flat-v0").with_({"rewards.terms.action_rate.weight": -0.05}).recipe  # doctest: +SKIP
    'paper, and 1 change'
    """
    if env_id not in IDS:
        load_plugins()
    if env_id in _OWN:
        own = _OWN[env_id][1]()
        if recipe not in ("paper", own.base_recipe):
            raise ValueError(
                f"{env_id} has the one recipe that it was registered with, {own.recipe!r}: leave {recipe!r} out"
            )
        return own if actuator is None else own.with_({"actuator": actuator_of(own.robot, actuator)}, own.recipe)
    if env_id not in IDS:
        raise ValueError(nearest("environment", env_id, [*IDS, *_OWN]))
    robot, ground = IDS[env_id]
    return recipe_task(ROBOTS[robot], ground, recipe, actuator)


def make(env_id: str, num_envs: int | None = None, **options: Any) -> LocoVectorEnv | LocoEnv:
    """What ``gymnasium.make(env_id, ...)`` builds: robots stepped together, or one alone without ``num_envs``."""
    if num_envs is not None:
        _refuse_wrappers(sys._getframe(1))
        return make_vector(env_id, num_envs, **options)
    for name in BATCH_ONLY:
        if name in options:
            raise ValueError(f"option {name!r} is for robots stepped together: give num_envs too")
    return LocoEnv(_task(env_id, options), **options)


make.metadata = LocoEnv.metadata  # type: ignore[attr-defined]  # by which gymnasium.make knows how to collect pictures


def _refuse_wrappers(caller: FrameType) -> None:
    """Raise ValueError for what :func:`gymnasium.make` would wrap around a batch, which such a wrapper takes for one robot.

    It wraps what its entry point returns and tells it nothing, so that it has to be looked at.
    """
    if caller.f_code is not gymnasium.make.__code__:
        return
    if caller.f_locals.get("max_episode_steps") not in (None, -1):
        raise ValueError(_NO_TIME_LIMIT)
    if caller.f_locals.get("apply_render_collection"):
        raise ValueError(
            "render_mode='rgb_array_list' collects the pictures of one robot: use 'rgb_array', or leave num_envs out"
        )
    if caller.f_locals.get("disable_env_checker") is False:
        raise ValueError(
            "disable_env_checker=False checks one robot, not a batch: leave it out, or check gymnasium.make(id) without num_envs"
        )


def make_vector(env_id: str, num_envs: int = 1, **options: Any) -> LocoVectorEnv:
    """What ``gymnasium.make_vec(env_id, num_envs)`` builds. ``options`` are those of :class:`LocoVectorEnv`, and
    ``recipe`` and ``actuator`` ("pd" or "lstm", names) or ``task`` (a :class:`Task`) for another task than the id's."""
    return LocoVectorEnv(_task(env_id, options), num_envs, **options)


def _task(env_id: str, options: dict[str, Any]) -> Task:
    """The task that ``options`` ask for, taken out of them. Raises ValueError for an option that does not exist."""
    for name in options:
        if name == "max_episode_steps":
            raise ValueError(_NO_TIME_LIMIT)
        if name not in OPTIONS:
            raise ValueError(nearest("option", name, ["num_envs", *OPTIONS]))
    recipe, actuator, own_task = (options.pop(name, None) for name in ("recipe", "actuator", "task"))
    if own_task is None:
        return task(env_id, recipe or "paper", actuator)
    if recipe is not None:
        raise ValueError(
            f"give a task or a recipe, not both: got recipe={recipe!r} and a task of recipe {own_task.recipe!r}"
        )
    if actuator is not None:
        raise ValueError(
            f"give a task or an actuator, not both: got actuator={actuator!r} and a task whose actuator is "
            f"{own_task.actuator.kind!r}"
        )
    return own_task


def ids() -> list[str]:
    """All environments: the suite's and those that were registered."""
    load_plugins()
    return [*IDS, *_OWN]


def register(env_id: str | None = None, task: Task | Callable[[], Task] | None = None) -> None:
    """Register an environment of your own: its id, such as "Mine/AnymalC-Stairs-v0", and its task or what makes it.

    It is made, trained, evaluated and played like the suite's. A package does so in a module that it names as an entry point of
    the group ``locoenvs.plugins``. Without an id the suite's own are registered, as importing the package does. The module
    that registered an id may do so again, with another task. Raises ValueError for an id that the suite, another module or
    another package of Gymnasium's has, and for one without a task.
    """
    if env_id is None:
        for each in IDS:
            if each not in gymnasium.registry:
                _register(each)
        return
    if env_id in IDS:
        raise ValueError(f"{env_id} is the suite's own: choose another id")
    if task is None:
        raise ValueError(f"{env_id}: give its task, or a function that makes it")
    by = sys._getframe(1).f_globals.get("__name__", "__main__")
    there = _OWN[env_id][0] if env_id in _OWN else by
    if env_id in gymnasium.registry and gymnasium.registry[env_id].entry_point != _ENTRY:
        there = f"{gymnasium.registry[env_id].entry_point}, in Gymnasium"
    if there != by:
        raise ValueError(f"{env_id} of {by!r} is taken by {there!r}: choose another id")
    _OWN[env_id] = (by, (lambda: task) if isinstance(task, Task) else task)
    gymnasium.registry.pop(env_id, None)
    _register(env_id)


def _register(env_id: str) -> None:
    gymnasium.register(
        env_id,
        entry_point=_ENTRY,
        vector_entry_point="locoenvs.envs.registration:make_vector",
        disable_env_checker=True,
        order_enforce=False,
        kwargs={"env_id": env_id},
    )
