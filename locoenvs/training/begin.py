"""How a run of a learner begins that is none of the suite's: its folder, its recipe and the task that is to be learned."""

from __future__ import annotations

import dataclasses
import json
import platform
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from locoenvs import install
from locoenvs.envs import backends
from locoenvs.envs.registration import task as task_of
from locoenvs.machine import code, hardware, versions
from locoenvs.tasks.names import nearest
from locoenvs.tasks.task import Task, hash_of
from locoenvs.training import ranks
from locoenvs.training.ppo import PPOConfig
from locoenvs.training.run import Run
from locoenvs.training.settings import TrainSettings
from locoenvs.training.streams import check_apart


def begin(
    learner: str, settings: TrainSettings, task: Task | None, own: Mapping[str, Any], packages: tuple[str, ...] = ()
) -> tuple[Run, dict[str, Any], Task]:
    """A new run, or the one to resume: its folder, its recipe, and its task.

    A new one's recipe holds what was asked for, the task, versions and hardware, and ``own``, the learner's own settings, by its
    name: a change ``LEARNER.field`` has replaced one of them, so that the learner reads them there. ``packages`` are those whose
    versions matter. Raises FileExistsError for a folder that holds something, and ValueError for a run of another learner, for a
    recipe that was edited, for a change of no setting, of another type, or of what a setting of the run says too, and for a map or
    streams that a panel of the suite has.
    """
    if settings.resume is not None:
        run = Run.open(Path(settings.resume))
        recipe = run.recipe()
        if recipe["learner"] != learner:
            raise ValueError(
                f"{run.folder} was trained by {recipe['learner']!r}: resume it by that, or start a new run"
            )
        return run, recipe, task_of_run(run, recipe)
    task = task or task_of(settings.env_id, settings.recipe or "paper", settings.actuator)
    changes = dict(settings.changes or {})
    task = task.with_({name: value for name, value in changes.items() if not name.startswith(f"{learner}.")})
    own = changed_own(learner, settings, own, changes)
    robots = own.get("num_envs")
    check_apart(task, settings.seed or 0, robots if isinstance(robots, int) else None)
    run = Run.create(folder_of(settings))
    used = versions("locoenvs", "mujoco", "numpy", *packages)
    recipe = new_recipe(learner, settings, task, used, {"changes": changes, learner: own})
    run.write_recipe(recipe)
    return run, recipe, task


def changed_own(
    learner: str, settings: TrainSettings, own: Mapping[str, Any], changes: Mapping[str, Any]
) -> dict[str, Any]:
    """A learner's own settings with those of ``changes`` whose names begin with its own, each of the type that it had."""
    changed = dict(own)
    for path, value in changes.items():
        if not path.startswith(f"{learner}."):
            continue
        name = path.removeprefix(f"{learner}.")
        if name not in own:
            raise ValueError(f"{path}: {nearest(f'field of {learner}', name, list(own))}")
        if (asked := getattr(settings, name, None)) is not None:
            raise ValueError(f"{name}={asked} and {path}={value}: give one of them")
        kinds = {float: (int, float), tuple: (list, tuple)}.get(type(own[name]), (type(own[name]),))
        if own[name] is not None and type(value) not in kinds:
            raise ValueError(f"{path}: must be of type {type(own[name]).__name__}, as {own[name]!r} is, got {value!r}")
        changed[name] = value
    return changed


def folder_of(settings: TrainSettings) -> Path:
    """The folder of the run that the settings ask for; a new one without a name is called by its environment and the time."""
    named = settings.resume or settings.run
    return Path(named or f"runs/{settings.env_id.split('/')[-1]}-{time.strftime('%Y%m%d-%H%M%S')}")


def new_recipe(
    learner: str, settings: TrainSettings, task: Task, used: Mapping[str, str], own: Mapping[str, Any]
) -> dict[str, Any]:
    """The recipe of a new run: what was asked for, ``own``, which is the learner's, the versions ``used``, hardware and task."""
    return {
        "id": uuid.uuid4().hex,
        "environment": settings.env_id,
        "learner": learner,
        "backend": backends.resolve(settings.backend),
        "options": dict(settings.options or {}),
        "seed": settings.seed or 0,
        "minutes": settings.minutes,
        **own,
        "versions": dict(used),
        "hardware": hardware(),
        "task_hash": task.hash,
        "task": json.loads(task.to_json()),
    }


def gone_on_with(settings: TrainSettings) -> TrainSettings:
    """The settings of the run to begin, or to go on with where it has begun.

    A run that is to be resumed in the folder of a new one begins if it has not begun yet. Processes that a launcher has restarted go
    on with the run that its earlier ones began, as it began.
    """
    if settings.resume is not None:
        folder = Path(settings.resume)
        either = settings.run is not None and Path(settings.run) == folder
        return dataclasses.replace(settings, resume=None) if either and not Run.begun(folder) else settings
    if settings.run is None:
        return settings
    try:
        had = Run(Path(settings.run)).recipe().get("launchers") or ()
    except (OSError, ValueError):
        return settings  # they began none
    if not set(had) & set(ranks.launchers()):
        return settings
    return dataclasses.replace(
        settings, resume=settings.run, run=None, start_from=None, recipe=None, actuator=None, changes=None
    )


def check_seen(settings: TrainSettings) -> None:
    """Raise ValueError in every process where another one sees the run to go on with, and the first, which keeps its folder, does not.

    A launcher numbers machines anew each time it starts the processes, so the first may come to be on one that has just joined.
    """
    (here, first), *others = ranks.current().all_told((platform.node(), gone_on_with(settings).resume))
    for rank, (there, seen) in enumerate(others, 1):
        if first is None and seen is not None:
            raise ValueError(
                f"rank {rank} on {there} sees the run {seen} that was begun, rank 0 on {here} does not: "
                "let --run be in a folder that all machines share"
            )


def facts(
    used: Mapping[str, str], env_id: str, settings: TrainSettings, task: Task | None, ppo: PPOConfig | None
) -> dict[str, object]:
    """What must be the same in all processes that train a run together, by names for people."""
    said: dict[str, object] = {"code": code(), "Python": platform.python_version()}
    said |= {f"version of {name}": version for name, version in used.items()}
    said |= {f"code of {file.name}": digest for file, digest in install.scripts.items()}
    said |= {"environment": env_id, **dataclasses.asdict(settings)}
    if settings.resume is None or (settings.run is not None and env_id):
        said["task"] = (task or task_of(env_id, settings.recipe or "paper", settings.actuator)).hash
    if ppo is not None:
        said |= {f"ppo.{name}": value for name, value in dataclasses.asdict(ppo).items()}
    return said


def task_of_run(run: Run, recipe: Mapping[str, Any]) -> Task:
    """The task of a run to go on with: what its recipe stores, which must be what the run began with."""
    file = run.folder / "recipe.json"
    try:
        digest = hash_of(recipe["task"])
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"{file}: its task is none ({type(error).__name__}: {error}): restore it") from None
    if digest != recipe["task_hash"]:
        raise ValueError(
            f"{file} was changed: its task's hash is {digest}, the run began with {recipe['task_hash']}. "
            "Restore it, or start a new run"
        )
    return Task.from_json(json.dumps(recipe["task"]), str(file))
