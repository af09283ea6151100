"""The learners of the suite do what a learner must, and one that does not is told what it does wrong."""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from locoenvs.policies.memory import Memory
from locoenvs.policies.policy import save_policy
from locoenvs.testing import check_learner
from locoenvs.training import learners
from locoenvs.training.begin import begin
from locoenvs.training.run import Run
from locoenvs.training.settings import TrainSettings


@pytest.mark.parametrize("name", ["rsl_rl", "skrl", "sb3", "rl_games"])
def test_our_learners_do_what_a_learner_must(name: str) -> None:
    if learners.missing(name) is not None:
        pytest.skip(f"{name} is not installed")
    assert len(check_learner(learners.load(name))) == 7


def idle(env_id: str, settings: TrainSettings, task: Any = None, memory: float | None = None) -> Path:
    """Learns nothing, and writes all of it down as it should be; its policy is recurrent with weights of the size ``memory``."""
    own = {"updates": settings.updates, "num_envs": settings.num_envs}
    run, recipe, task = begin("idle", settings, task, own)
    done = sum(line["kind"] == "update" for line in run.records())
    for update in range(done + 1, (settings.updates or 1) + 1):
        samples = update * recipe["idle"]["num_envs"]
        run.record(
            "update", update=update, samples=samples, elapsed_seconds=1.0, samples_per_second=1.0, reward_per_second=0.0
        )
    random, size = np.random.default_rng(recipe["seed"]), 48 if memory is None else 4
    weights = random.normal(size=(12, size)).astype(np.float32)
    units = None
    if memory is not None:
        parts = [(memory * random.normal(size=shape)).astype(np.float32) for shape in ((12, 48), (12, 4), (12,), (12,))]
        units = Memory("gru", [(parts[0], parts[1], parts[2], parts[3])])
    layers, origin = [(weights, np.zeros(12, np.float32))], {"environment": env_id}
    save_policy(run.policy, task, layers, provenance=origin, memory=units)
    return run.folder


def test_one_that_does_all_that_it_must_passes() -> None:
    assert len(check_learner(idle)) == 7


def test_a_policy_that_remembers_is_checked_too() -> None:
    assert "memory" in check_learner(functools.partial(idle, memory=0.3))


def after(spoil: Callable[[Run], None]) -> Callable[..., Path]:
    """The idle learner, whose run is spoiled at the end."""

    def train(env_id: str, settings: TrainSettings, task: Any = None) -> Path:
        folder = idle(env_id, settings, task)
        spoil(Run(folder))
        return folder

    return train


def without(name: str) -> Callable[[Run], None]:
    return lambda run: run.write_recipe({n: value for n, value in run.recipe().items() if n != name})


def reworded(old: str, new: str) -> Callable[[Run], None]:
    return lambda run: (run.ledger.write_text(run.ledger.read_text().replace(old, new)), None)[1]


def other_task(run: Run) -> None:
    recipe = run.recipe()
    recipe["task"]["action_clip"] = 50.0
    run.write_recipe(recipe)


@pytest.mark.parametrize(
    ("train", "words"),
    [
        (after(without("versions")), "lacks versions"),
        (functools.partial(idle, memory=0.0), "must act by what it saw before"),
        (after(other_task), "task_hash must be"),
        (after(reworded("reward_per_second", "return")), "reward_per_second is missing"),
        (after(reworded('"samples": 8', '"samples": 7')), "whole steps of 8 robots"),
        (after(reworded('"update": 2', '"update": 3')), "a line for each update from 1 to 2"),
        (lambda env_id, settings, task=None: idle(env_id, settings) / "policy", "must return the folder"),
        (
            lambda env_id, settings, task=None: idle(env_id, TrainSettings(**{**vars(settings), "changes": None})),
            "with their recipe, actuator and changes",
        ),
        (lambda env_id, settings, task=None: idle(env_id, settings), "must train on the task= that it is given"),
        (
            lambda env_id, settings, task=None: (
                shutil.rmtree(settings.run, ignore_errors=True) if settings.run else None,
                idle(env_id, settings, task),
            )[1],
            "must not begin in the folder of another",
        ),
    ],
)
def test_what_a_learner_does_wrong_is_told(train: Callable[..., Path], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_learner(train)


def changed(tmp_path: Path, changes: dict[str, Any], **asked: Any) -> dict[str, Any]:
    """The recipe of a run that is begun with those changes."""
    settings = TrainSettings("Loco/AnymalC-Flat-v0", run=str(tmp_path / "run"), actuator="pd", changes=changes, **asked)
    own = {"num_envs": 8, "spread": 0.1, "hidden": (16,), "mirror": False, "start": None}
    return begin("search", settings, None, own)[1]


def test_changes_of_a_learners_own_settings_count(tmp_path: Path) -> None:
    given = {"num_envs": 4, "spread": 1, "hidden": [8, 8], "mirror": True, "start": "here"}
    changes = {f"search.{name}": value for name, value in given.items()}
    recipe = changed(tmp_path, {**changes, "rewards.terms.action_rate.weight": -0.5})
    assert recipe["search"] == given and Run(tmp_path / "run").recipe()["search"] == given
    assert recipe["task"]["rewards"]["terms"]["action_rate"]["weight"] == -0.5


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("num_env", 4, "search.num_env: unknown field of search 'num_env'; did you mean 'num_envs'[?] There are: hidden"),
        ("num_envs", "x", "search.num_envs: must be of type int, as 8 is, got 'x'"),
        ("num_envs", 2.5, "search.num_envs: must be of type int, as 8 is, got 2.5"),
        ("num_envs", True, "search.num_envs: must be of type int, as 8 is, got True"),
        ("spread", True, "search.spread: must be of type float, as 0.1 is, got True"),
        ("mirror", 1, "search.mirror: must be of type bool, as False is, got 1"),
        ("hidden", 8, r"search.hidden: must be of type tuple, as \(16,\) is, got 8"),
    ],
)  # fmt: skip
def test_a_change_of_a_learners_own_that_is_none_makes_no_run(
    tmp_path: Path, name: str, value: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        changed(tmp_path, {f"search.{name}": value})
    assert not list(tmp_path.iterdir())


def test_what_a_run_and_a_change_both_say_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="num_envs=2 and search.num_envs=4: give one of them"):
        changed(tmp_path, {"search.num_envs": 4}, num_envs=2)


def test_a_run_of_another_learner_is_not_gone_on_with(tmp_path: Path) -> None:
    settings = TrainSettings("Loco/AnymalC-Flat-v0", run=str(tmp_path / "run"), actuator="pd", num_envs=4, updates=1)
    run, recipe, _ = begin("one", settings, None, {})
    again = TrainSettings("Loco/AnymalC-Flat-v0", resume=str(run.folder))
    with pytest.raises(ValueError, match="trained by 'one'"):
        begin("another", again, None, {})
    recipe["task"]["action_clip"] = 50.0
    (run.folder / "recipe.json").write_text(json.dumps(recipe))
    with pytest.raises(ValueError, match="was changed"):
        begin("one", again, None, {})
