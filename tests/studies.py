"""A trainer that trains nothing: it writes the run folder that a training would, with validations that the changes decide."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from locoenvs.tasks.task import Task
from locoenvs.training.bar import reached
from locoenvs.training.run import Run
from locoenvs.training.settings import TrainSettings
from locoenvs.training.study.spec import Study, configurations, parsed
from locoenvs.training.study.state import State

FLAT = "Loco/AnymalC-Flat-v0"

ENTROPIES = """
env_id = "Loco/AnymalC-Flat-v0"
recipe = "walk"
actuator = "pd"
seeds = [0, 1]
updates = 9
objective = "velocity_error"
panels = ["none"]

[space]
"ppo.entropy" = [0.1, 0.2, 0.3, 0.4]

[prune]
after = 1
"""


def state_of(text: str, folder: Path) -> State:
    """The state of a study in a folder, begun or gone on with."""
    study, document = parsed(text.encode(), "study.toml")
    state = State.open(folder, study, configurations(study), document)
    folder.mkdir(parents=True, exist_ok=True)
    state.begin(text.encode())
    return state


def error_of(changes: Mapping[str, Any], seed: int, update: int) -> float:
    """The more entropy the larger the error; a seed adds a little, an update takes a little away."""
    return float(changes.get("ppo.entropy", 0.25)) + 0.01 * seed - 0.001 * update


@dataclass
class Pretended:
    """``asked`` are (run, updates, whether it was resumed); ``before`` may raise, as a training may; what is off by at most ``bar`` is good
    enough."""

    before: Callable[[str, int], None] = lambda run, update: None
    asked: list[tuple[str, int, bool]] = field(default_factory=list)
    value: Callable[[Mapping[str, Any], int, int], float] = error_of
    bar: float = 0.0

    def __call__(self, learner: str, settings: TrainSettings, task: Task | None) -> Path:
        run = Run(Path(str(settings.resume or settings.run)))
        if settings.resume is None:
            own = {"changes": dict(settings.changes or {}), "seed": settings.seed}
            Run.create(run.folder).write_recipe({**own, "validation": {"until_bar": settings.until_bar}})
        recipe = run.recipe()
        assert settings.updates is not None and settings.validate_every is not None
        self.asked.append((run.folder.name, settings.updates, settings.resume is not None))
        done = [line["update"] for line in run.records() if line["kind"] == "update"]
        met = 0
        for update in range(len(done) + 1, settings.updates + 1):
            self.before(run.folder.name, update)
            told = {"samples": 10 * update, "elapsed_seconds": 6.0 * update, "reward_per_second": 0.1 * update}
            run.record("update", update=update, **told)
            if update % settings.validate_every == 0:
                error = self.value(recipe["changes"], recipe["seed"], update)
                metrics = {"success_rate": 0.5, "fall_rate": 0.25, "velocity_error": error}
                met = met + 1 if error <= self.bar else 0
                run.record("validation", update=update, elapsed_seconds=6.0 * update, metrics=metrics, met=met)
            run.save_checkpoint(lambda file: file.write(b"state"))
            if reached(settings.until_bar, met):
                break
        return run.folder


def study_of(**fields: Any) -> Study:
    """A study with other values in some fields; None leaves a field out."""
    document = {name: value for name, value in (tomllib.loads(ENTROPIES) | fields).items() if value is not None}
    return parsed(toml(document).encode(), "study.toml")[0]


def toml(document: Mapping[str, Any]) -> str:
    """A file of it, as inline tables."""
    return "".join(f"{_key(name)} = {_toml(value)}\n" for name, value in document.items())


def _key(name: str) -> str:
    return json.dumps(name)


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(name)} = {_toml(own)}" for name, own in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)
