"""What a learner must do, checked by training a little: :func:`check_learner`.

A learner is a function ``train(env_id, settings, task=None) -> folder`` that an entry point of the group ``locoenvs.learners`` names. It
trains on the task that it is given, or on that of the settings, and writes the folder of a run
(:mod:`locoenvs.training.run`, begun by :func:`locoenvs.training.begin.begin`): a recipe before it begins, a line of kind "update" in the ledger after each update, a
policy at the end. What a library calls its numbers is up to it; those of :data:`LEDGER` have the suite's names.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from locoenvs.envs.registration import task as task_of
from locoenvs.mdp.layout import layout
from locoenvs.policies.policy import load_policy
from locoenvs.tasks.task import Task, hash_of
from locoenvs.training.run import Run
from locoenvs.training.settings import TrainSettings

ENVIRONMENT = "Loco/AnymalC-Flat-v0"

RECIPE = ("id", "environment", "learner", "backend", "options", "seed", "versions", "hardware", "task", "task_hash")
"""What a recipe says, whoever learns."""

LEDGER = ("update", "samples", "elapsed_seconds", "samples_per_second", "reward_per_second")
"""What a line of an update says, whoever learns: control steps of robots so far, reward a second of robot time."""

CHANGES = {"rewards.terms.action_rate.weight": -0.02}

ANOTHER = task_of(ENVIRONMENT, actuator="pd").with_({"commands.forward": (-0.4, 0.4)})
"""A task that no settings ask for."""


def check_learner(train: Callable[..., Path], updates: int = 2, num_envs: int = 8) -> list[str]:
    """Check a learner by a few short trainings; what was checked, in words. Raises AssertionError that says what does not hold."""
    with tempfile.TemporaryDirectory() as place:
        asked: dict[str, Any] = {"recipe": "walk", "actuator": "pd", "num_envs": num_envs, "updates": updates}
        asked |= {"seed": 1, "changes": CHANGES}

        def run(name: str, task: Task | None = None, **others: Any) -> Run:
            folder, own = Path(place) / name, {} if task is None else {"task": task}
            returned = train(ENVIRONMENT, TrainSettings(ENVIRONMENT, run=str(folder), **asked | others), **own)
            assert Path(returned) == folder, (
                f"train must return the folder that it was told to use, {folder}, got {returned}"
            )
            return Run(folder)

        first = run("first")
        _check_recipe(first)
        _check_ledger(first, updates, num_envs)
        _check_policy(first)
        _check_another(run("given", task=ANOTHER, recipe=None, actuator=None, changes=None, updates=1))
        again, other = run("again"), run("other", seed=2)
        same = load_policy(again.policy).sha256 == load_policy(first.policy).sha256
        assert same, "two trainings with one seed must give one policy"
        assert load_policy(other.policy).sha256 != load_policy(first.policy).sha256, (
            "another seed must give another policy"
        )
        try:
            run("first")
        except FileExistsError:
            pass
        else:
            raise AssertionError("a new run must not begin in the folder of another: raise FileExistsError")
        train(ENVIRONMENT, TrainSettings(ENVIRONMENT, resume=str(first.folder), updates=2 * updates))
        _check_ledger(first, 2 * updates, num_envs)
        _check_policy(first)
        memory = ["memory"] if _check_memory(first) else []
    return ["recipe", "ledger", "policy", *memory, "a task that is given", "seeds", "a folder that is taken", "resume"]


def _check_recipe(run: Run) -> None:
    recipe = Run.open(run.folder).recipe()
    if lacking := [name for name in RECIPE if name not in recipe]:
        raise AssertionError(f"recipe.json must say {', '.join(RECIPE)}: it lacks {', '.join(lacking)}")
    assert recipe["environment"] == ENVIRONMENT and recipe["seed"] == 1, (
        "recipe.json must name the environment and the seed"
    )
    assert hash_of(recipe["task"]) == recipe["task_hash"], "task_hash must be that of the task in recipe.json"
    wanted = task_of(ENVIRONMENT, "walk", "pd").with_(CHANGES).hash
    assert recipe["task_hash"] == wanted, (
        "the task must be that of the settings, with their recipe, actuator and changes"
    )


def _check_another(run: Run) -> None:
    assert run.recipe()["task_hash"] == ANOTHER.hash, "train must train on the task= that it is given"
    load_policy(run.policy).check(ANOTHER)


def _check_ledger(run: Run, updates: int, num_envs: int) -> None:
    lines = [line for line in run.records() if line["kind"] == "update"]
    if lacking := [name for name in LEDGER if any(name not in line for line in lines)]:
        raise AssertionError(f"each line of an update must say {', '.join(LEDGER)}: {', '.join(lacking)} is missing")
    counted = [line["update"] for line in lines]
    assert counted == list(range(1, updates + 1)), (
        f"the ledger must have a line for each update from 1 to {updates}, it has {counted}"
    )
    samples = [line["samples"] for line in lines]
    grows = all(after > before for before, after in zip([0, *samples], samples))
    assert grows and all(count % num_envs == 0 for count in samples), (
        f"samples must grow by whole steps of {num_envs} robots: {samples}"
    )
    numbers = [line[name] for line in lines for name in LEDGER]
    assert np.isfinite(numbers).all(), "numbers of the ledger must be finite"


def _check_policy(run: Run) -> None:
    policy, task = load_policy(run.policy), task_of(ENVIRONMENT, "walk", "pd").with_(CHANGES)
    policy.check(task)
    provenance = policy.provenance
    assert provenance.get("environment") == ENVIRONMENT, 'the policy\'s provenance must name the "environment"'
    seen = np.random.default_rng(0).normal(size=(5, layout(task)[-1].stop)).astype(np.float32)
    actions = policy(seen)
    assert actions.shape == (5, len(task.robot.joints)) and np.isfinite(actions).all(), (
        "the policy must give finite actions"
    )


def _check_memory(run: Run) -> bool:
    """Whether the policy remembers from step to step; if so, what it saw must count, until an episode begins."""
    policy = load_policy(run.policy)
    if not policy.recurrent:
        return False
    seen = np.random.default_rng(1).normal(size=(5, layout(policy.task)[-1].stop)).astype(np.float32)
    first, later = policy(seen), policy(seen)
    assert (first != later).any(), (
        "a policy with memory= must act by what it saw before too: were the trained units, as torch stacks them, saved?"
    )
    policy.reset()
    assert (policy(seen) == first).all(), "an episode must begin with nothing remembered"
    return True
