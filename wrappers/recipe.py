"""The recipe of a run: what it was asked for, what may change when it goes on, and how it is told."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from locoenvs.envs.registration import task as task_of
from locoenvs.machine import versions
from locoenvs.mdp.symmetry import mirror
from locoenvs.policies.policy import Layer, Policy, load_policy
from locoenvs.policies.transfer import layers_for
from locoenvs.tasks import documents
from locoenvs.tasks.changes import base_of, renamed
from locoenvs.tasks.task import Task
from locoenvs.training import ranks
from locoenvs.training.begin import folder_of, gone_on_with, new_recipe, task_of_run
from locoenvs.training.run import Run
from locoenvs.training.settings import TrainSettings
from locoenvs.training.streams import check_apart, held_out, streams
from locoenvs.wrappers.learner import Learner
from locoenvs.wrappers.networks import check_symmetric
from locoenvs.wrappers.ppo import PPOConfig, changed_ppo, check_memory, config, geometry
from locoenvs.wrappers.validation import judge_of, plan, replanned

START_STD = 0.4
"""Standard deviation of the actions of a run that starts from a policy."""


def asked_for(
    kind: type[Learner], env_id: str, settings: TrainSettings, task: Task | None, ppo: PPOConfig | None
) -> tuple[Run, dict[str, Any], Task, PPOConfig, list[Layer] | None]:
    """The run, its recipe, task and settings, and the layers that a new one begins with; None for one to go on with."""
    asked, settings = settings, gone_on_with(settings)
    if settings.resume is not None:
        if settings is not asked:
            task = ppo = None  # of the new run that was asked for, which its recipe holds
        run, recipe, task, ppo = resumed_run(kind, env_id, settings, task, ppo)
        ranks.current().check_robots(ppo.num_envs)
        return run, recipe | derived(recipe, ppo, task, asked.panels) | launched(recipe), task, ppo, None
    start, first = None, list[Layer]()
    task = task or task_of(env_id, settings.recipe or "paper", settings.actuator)
    changes = dict(settings.changes or {})
    check_once(settings, changes)
    ppo = changed_ppo(ppo or config(task), changes)
    task = changed_task(task, changes)
    chosen: dict[str, Any] = {"num_envs": settings.num_envs, "updates": settings.updates}
    ppo = dataclasses.replace(ppo, **{name: value for name, value in chosen.items() if value is not None})
    ranks.current().check_robots(ppo.num_envs)
    if settings.start_from is not None:
        start = load_policy(settings.start_from)
        first, ppo = first_layers(start, task, ppo)
    settings = dataclasses.replace(settings, env_id=env_id)
    run = Run(folder_of(settings))
    Run.check_free(run.folder)
    check_memory(dataclasses.replace(ppo, num_envs=ranks.here(ppo.num_envs)), task)
    own = {
        "validation": plan(settings, ppo.updates),
        "video_every": settings.video_every,
        "start_from": None if start is None else {"sha256": start.sha256, **start.provenance},
        "changes": changes,
        "ppo": dataclasses.asdict(ppo),
    }
    recipe = new_recipe(kind.name, settings, task, versions_of(kind), own)
    judges = [judge_of(task, recipe["validation"])] if recipe["validation"] else []
    check_apart(task, recipe["seed"], ppo.num_envs, judges)
    return run, recipe | derived(recipe, ppo, task, asked.panels) | launched({}), task, ppo, first


def before(recipe: Mapping[str, Any]) -> dict[str, float | None]:
    """Samples and seconds of the policy that a run began from, with those of the ones that it began from; None if its file does not tell."""
    if not (start := recipe.get("start_from")):
        return {}
    found = dict[str, float | None]()
    for name in ("samples", "training_seconds"):
        own, earlier = start.get(name), start.get(f"{name}_before", 0)
        found[f"{name}_before"] = None if own is None or earlier is None else own + earlier
    return found


def changed_task(task: Task, changes: Mapping[str, Any]) -> Task:
    """A task with those of the changes that are not of PPO."""
    return task.with_({name: value for name, value in changes.items() if not name.startswith("ppo.")})


def first_layers(start: Policy, task: Task, ppo: PPOConfig) -> tuple[list[Layer], PPOConfig]:
    """The layers to begin with, and settings for networks of that shape that explore around what they can do."""
    network = start.document["network"]
    shape = {"hidden": tuple(network["hidden"]), "activation": network["activation"], "initial_std": START_STD}
    layers = layers_for(start, task)
    if ppo.mirror:
        check_symmetric(layers, mirror(task))
    return layers, dataclasses.replace(ppo, **shape)


def versions_of(kind: type[Learner]) -> dict[str, str]:
    return versions("locoenvs", "mujoco", "mujoco-mjx", "jax", "warp-lang", "torch", *kind.packages, "numpy")


def derived(recipe: dict[str, Any], ppo: PPOConfig, task: Task, panels: Sequence[str] | None = None) -> dict[str, Any]:
    """What follows from a recipe: what its settings amount to, and the streams of training and of what judges it, ``panels`` at the end."""
    validation = [judge_of(task, recipe["validation"])] if recipe.get("validation") else []
    return {
        "geometry": geometry(ppo, task),
        "streams": streams(task, recipe["seed"], [*validation, *held_out(task, panels)]),
    }


def launched(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The launchers that have started a run's processes, those of before among them: whoever of them starts them again goes on with it."""
    every = {*recipe.get("launchers", ()), *ranks.launchers()}
    return {"launchers": sorted(every)} if every else {}


def check_once(settings: TrainSettings, changes: Mapping[str, object]) -> None:
    """Raise ValueError for what is asked for by a setting of its own and as a change of PPO."""
    for name in ("num_envs", "updates"):
        if getattr(settings, name) is not None and f"ppo.{name}" in changes:
            raise ValueError(
                f"{name}={getattr(settings, name)} and ppo.{name}={changes[f'ppo.{name}']}: give one of them"
            )


def check_same(recipe: dict[str, Any], env_id: str, task: Task | None, ppo: PPOConfig | None) -> None:
    """Raise ValueError if the run to resume is of another environment, task or settings than those that are given."""
    pairs: dict[str, tuple[Any, Any]] = {"environment": (env_id or recipe["environment"], recipe["environment"])}
    if task is not None:
        what = "robot {} on task {}"
        stored_task = what.format(recipe["task"]["robot"]["name"], recipe["task_hash"])
        pairs["task"] = (what.format(task.robot.name, task.hash), stored_task)
    if ppo is not None:
        free = {"updates"} | ({"hidden", "activation", "initial_std"} if recipe["start_from"] else set())
        theirs = dataclasses.asdict(ppo_of(recipe["ppo"]))
        own = dataclasses.asdict(ppo)
        pairs |= {f"ppo.{name}": (own[name], theirs[name]) for name in own if name not in free}
    for name, (asked, stored) in pairs.items():
        if asked != stored:
            raise ValueError(f"{name} {asked!r}: the run to resume has {stored!r}. Start a new run, or resume another")


def resumed_run(
    kind: type[Learner], env_id: str, settings: TrainSettings, task: Task | None, ppo: PPOConfig | None
) -> tuple[Run, dict[str, Any], Task, PPOConfig]:
    """The run to go on with, its recipe, task and settings. Raises ValueError for what is asked for that it is not."""
    assert settings.resume is not None
    if settings.run is not None and Path(settings.run) != Path(settings.resume):
        raise ValueError(f"run {settings.run!r} is for a new run, but {settings.resume!r} is resumed: leave one out")
    run = Run.open(Path(settings.resume))
    stored = run.recipe()
    check_begun_so(stored, settings)
    changes = settings.changes or {}
    task = None if task is None else changed_task(task, changes)
    ppo = None if ppo is None else changed_ppo(ppo, changes)
    if ppo is not None and settings.num_envs is not None:
        ppo = dataclasses.replace(ppo, num_envs=settings.num_envs)
    check_same(stored, env_id, task, ppo)
    recipe = resumed_recipe(stored, kind, settings)
    return run, recipe, task_of_run(run, recipe), ppo_of(recipe["ppo"])


def check_begun_so(recipe: Mapping[str, Any], settings: TrainSettings) -> None:
    """Raise ValueError unless a run has begun from the policy and with the changes that are asked for, if any are: what is for a new
    run alone may be said again, so that one command begins a run and goes on with it."""
    if settings.start_from is not None:
        first = recipe.get("start_from")
        if not first or load_policy(settings.start_from).sha256 != first["sha256"]:
            raise ValueError(
                f"start_from={settings.start_from!r} is for a new run, and the one to resume did not begin from it: leave it out"
            )
    changes, made = dict(settings.changes or {}), recipe.get("changes") or {}
    if changes and documents.stored(changes) != documents.stored(made):
        raise ValueError(f"changes ({', '.join(changes)}) are for a new run: a resumed one goes on as it began")


def resumed_recipe(recipe: dict[str, Any], kind: type[Learner], settings: TrainSettings) -> dict[str, Any]:
    """The recipe of a run to go on with. Only how long it trains may change, and that counts from the run's start."""
    options = options_of(recipe)
    fixed = {
        "learner": (kind.name, recipe["learner"]),
        "num_envs": (settings.num_envs, recipe["ppo"]["num_envs"]),
        "recipe": (
            settings.recipe,
            base_of(recipe["task"]["recipe"]) if settings.changes else recipe["task"]["recipe"],
        ),
        "actuator": (settings.actuator, recipe["task"]["actuator"]["kind"]),
        "backend": (None if settings.backend == "auto" else settings.backend, recipe["backend"]),
        "options": ({**options, **settings.options} if settings.options else None, options),
        "seed": (settings.seed, recipe["seed"]),
    }
    for name, (asked, given) in fixed.items():
        if asked not in (None, given):
            raise ValueError(f"{name}={asked!r}: the run to resume has {given!r}. Leave it out, or start a new run")
    recipe = dict(recipe)
    if settings.updates is not None:
        recipe["ppo"] = {**recipe["ppo"], "updates": settings.updates}
    if settings.minutes is not None:
        recipe["minutes"] = settings.minutes
    recipe["validation"] = replanned(recipe.get("validation"), settings, recipe["ppo"]["updates"])
    if settings.video_every is not None:
        recipe["video_every"] = settings.video_every
    return recipe


_OPTIONS_BEFORE: dict[str, dict[str, object]] = {
    "mujoco": {"contact": "mujoco", "cone": "pyramidal"},
    "mjx": {"cone": "pyramidal"},
}
"""What version 0.1.0, whose recipes do not tell, ran backends with where it differs from their options of today."""


def options_of(recipe: dict[str, Any]) -> dict[str, Any]:
    """The options of a run's backend."""
    return dict(recipe["options"] if "options" in recipe else _OPTIONS_BEFORE.get(recipe["backend"], {}))


def ppo_of(saved: dict[str, Any]) -> PPOConfig:
    return PPOConfig(**{**saved, "hidden": tuple(saved["hidden"])})


def print_recipe(console: Console, run: Run, recipe: dict[str, Any]) -> None:
    changes = recipe.get("changes") or {}
    named, of_ppo = recipe["task"]["recipe"], sum(name.startswith("ppo.") for name in changes)
    named = renamed(named, of_ppo) if of_ppo else named
    ppo, machine = recipe["ppo"], recipe["hardware"]
    update, whole = recipe["geometry"]["per_update"], recipe["geometry"]["whole_run"]
    network = "-".join(map(str, ppo["hidden"]))
    lines = [
        f"{recipe['environment']}: recipe {named}, task {recipe['task_hash']}, seed {recipe['seed']}",
        *(f"  {name} = {value}" for name, value in changes.items()),
        f"{ppo['updates']} updates of {ppo['num_envs']} robots x {ppo['horizon']} steps: {whole['samples'] / 1e6:.1f} M samples, "
        f"{whole['robot_seconds'] / 3600:.0f} robot-hours",
        f"an update: {update['seconds_per_robot']:g} s of each robot, {update['robot_seconds']:,.0f} robot-seconds",
        f"{recipe['learner']}: networks {network}, {ppo['epochs']} epochs of {ppo['minibatches']} minibatches of {update['minibatch_size']}",
        f"backend {recipe['backend']} on {machine['cores']} cores of {machine['processor']}",
        f"run folder {run.folder}, where recipe.json says the rest",
    ]
    console.print("\n".join(lines))


def duration(line: dict[str, Any], ppo: PPOConfig, task: Task, recipe: dict[str, Any], left: float) -> str:
    """How long all of it will take, once an update tells how fast this machine is. ``left`` s is what the recipe allows."""
    rate = line["samples_per_second"]
    needed = (ppo.updates - line["update"]) * ppo.samples_per_update / rate
    said = f"about {time_in_words(min(needed, left))} from here"
    if left < needed:
        done = line["update"] + left * rate / ppo.samples_per_update
        said += f", {done:.0f} of {ppo.updates} updates"
    walk = config(dataclasses.replace(task, recipe="walk"))
    shorter = walk.samples_per_update * walk.updates / rate
    if task.base_recipe != "walk" and needed > 2 * shorter and recipe["backend"] == "mujoco":
        said += f"; --recipe walk, made for a CPU, would take about {time_in_words(shorter)}"
    return said


def time_in_words(seconds: float) -> str:
    """A duration in words."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
