"""One training of a study: an ordinary run, taken from rung to rung by exact resumes, and what validation says of it there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from locoenvs.evidence.evaluate import evaluate
from locoenvs.evidence.manifest import Panel
from locoenvs.policies.policy import load_policy
from locoenvs.tasks import documents
from locoenvs.tasks.task import Task
from locoenvs.training.bar import stopped_by_the_bar
from locoenvs.training.run import Run
from locoenvs.training.settings import TrainSettings

Train = Callable[[str, TrainSettings, Task | None], Path]
"""Train by a learner's name with settings, on a task if one is given, and return the run's folder."""

LAST = 0.1
"""The part of a run's updates, its last ones, over which its reward is told."""


@dataclass(frozen=True)
class Reached:
    """Where a run is: ``metrics`` of its policy on the validation panel; for comparison the training's own reward a second of robot
    time, mean of the last tenth of its updates, which nothing is chosen by; ``seconds`` of training, validation included; whether it
    ``stopped_by_the_bar`` there, by which it is done."""

    update: int
    samples: int
    seconds: float
    reward: float
    metrics: dict[str, float]
    stopped_by_the_bar: bool = False

    def document(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Job:
    """A run of a configuration, to be trained to a rung."""

    configuration: str
    rung: int
    seed: int
    learner: str
    settings: TrainSettings
    task: Task | None


def reach(train: Train, job: Job) -> Reached:
    """Train a run as far as a job says, from the beginning or from where it is; where it is then. One that its bar has stopped is trained
    no further.

    Raises what the training raises, and ValueError for a learner that judges nothing on validation streams.
    """
    settings, task = job.settings, job.task
    assert settings.run is not None
    run = Run(Path(settings.run))
    if run.checkpoint.exists() or run.previous_checkpoint.exists():
        settings = replace(settings, run=None, resume=str(run.folder), start_from=None, recipe=None, changes=None)
        task = None  # all of these are in the run's recipe
        if (last := stopped_by_the_bar(run)) is not None:
            settings = replace(settings, updates=last)  # its last checkpoint, or its policy, may be missing still
    elif (run.folder / "recipe.json").is_file():  # killed before there was anything to go on from
        with run.locked():
            run.remove()
    train(job.learner, settings, task)
    return where(run)


def where(run: Run) -> Reached:
    """Where a run is. Its last policy is judged here if the training ended between two validations.

    Raises FileNotFoundError for a run that is not there, and ValueError for one that was never validated.
    """
    records = Run.open(run.folder).records()
    updates = [line for line in records if line["kind"] == "update"]
    judged = [line for line in records if line["kind"] == "validation"]
    if not judged or not updates:
        raise ValueError(f"{run.folder} was not judged on validation streams, which a study decides by: see its ledger")
    last, judgement = updates[-1], judged[-1]
    metrics = judgement["metrics"] if judgement["update"] == last["update"] else _judged(run)
    rewards = [line["reward_per_second"] for line in updates]
    return Reached(
        update=last["update"],
        samples=last["samples"],
        seconds=max(last["elapsed_seconds"], judgement["elapsed_seconds"]),
        reward=float(np.mean(rewards[-max(1, round(LAST * len(rewards))) :])),
        metrics={name: float(value) for name, value in metrics.items()},
        stopped_by_the_bar=stopped_by_the_bar(run) is not None,
    )


def _judged(run: Run) -> dict[str, float]:
    """What a run's last policy does on the panel that the run is validated on."""
    file = run.folder / "validation.json"
    recipe, panel = run.recipe(), Panel.from_json(documents.read(file), str(file))
    result = evaluate(load_policy(run.policy), panel, recipe["backend"], options=recipe["options"])
    return {name: estimate.value for name, estimate in result.metrics.items()}
