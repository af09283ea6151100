"""What is known of a study: its folder, and a file that is whole at any moment, so that a killed study goes on.

::

    runs/<study>/study.toml            what was asked for; a study goes on only by the same
    runs/<study>/state.json            where each run got to, and what failed
    runs/<study>/base-seed-0/          an ordinary run of each configuration and seed
    runs/<study>/trial-01-seed-0/
    runs/<study>/results.json, .csv    what came out; results.png, drawn
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from locoenvs.evidence.paired import GOOD
from locoenvs.tasks import documents
from locoenvs.training.study.schedule import Rank
from locoenvs.training.study.spec import BASE, Configuration, Study, amount
from locoenvs.training.study.trial import Reached

FORMAT = "locoenvs.study_state"

TIES = ("success_rate", "fall_rate", "velocity_error")
"""What decides between configurations that are equal by the objective: as for a run's best policy."""


@dataclass
class State:
    """``reached``: run -> where it was at each rung; ``failed``: configuration -> why. Written at every change."""

    folder: Path
    study: Study
    configurations: Sequence[Configuration]
    reached: dict[str, list[Reached]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    @staticmethod
    def open(
        folder: Path,
        study: Study,
        configurations: Sequence[Configuration],
        document: Mapping[str, Any],
        option: str = "--run",
    ) -> State:
        """The state of a new study, or of the one that is in the folder, whose failed trainings are tried again.

        Raises ValueError if that one was asked something else, naming what, and the ``option`` that chooses another folder.
        """
        state, file, asked = State(folder, study, configurations), folder / "state.json", folder / "study.toml"
        if not (
            asked.is_file() and any(folder.glob("*/recipe.json"))
        ):  # nothing was trained: it begins, by whatever file
            return state
        before = tomllib.loads(documents.read(asked).decode())
        if different := list(documents.differences(dict(document), before)):
            said = "; ".join(f"{name} is {now}, was {then}" for name, now, then in different[:5])
            raise ValueError(
                f"{folder} is of another study: {said}. Give it back what it was asked, or choose another {option}"
            )
        if file.is_file():
            stored = documents.parsed(documents.read(file), str(file))
            documents.check_format(stored, "the state of a study", FORMAT, (1,), str(file))
            for each in configurations:
                if stored["configurations"].get(each.name) != each.digest:
                    raise ValueError(
                        f"{folder}: {each.name} comes to another task or other settings than when the study began, by its task's file "
                        f"or by this locoenvs: go on with those that it began with, or choose another {option}"
                    )
            state.reached = {run: [Reached(**each) for each in rungs] for run, rungs in stored["reached"].items()}
        return state

    def begin(self, content: bytes) -> None:
        """Write down what is asked, before anything is trained."""
        if not any(self.folder.glob("*/recipe.json")):
            documents.write_atomically(self.folder / "study.toml", lambda file: file.write(content))
        self.write()

    def write(self) -> None:
        document = {
            "format": FORMAT,
            "format_version": 1,
            "study_hash": documents.digest(tomllib.loads((self.folder / "study.toml").read_text())),
            "configurations": {each.name: each.digest for each in self.configurations},
            "reached": {run: [each.document() for each in rungs] for run, rungs in self.reached.items()},
            "failed": self.failed,
        }
        text = json.dumps(document, indent=1) + "\n"
        documents.write_atomically(self.folder / "state.json", lambda file: file.write(text.encode()))

    def at(self, configuration: Configuration, rung: int) -> list[Reached]:
        """Where the runs of a configuration were at a rung, those that got there."""
        runs = [self.reached.get(configuration.run(seed), []) for seed in self.study.seeds]
        return [rungs[rung] for rungs in runs if len(rungs) > rung]

    def rank(self, configuration: Configuration, rung: int) -> Rank:
        """How good a configuration is at a rung: the means over its seeds of the objective and of what decides between equal ones."""
        found = self.at(configuration, rung)
        names = (self.study.objective, *(name for name in TIES if name != self.study.objective))
        return tuple(mean(found, name) * GOOD[name] for name in names)

    def ranks(self) -> dict[str, list[Rank]]:
        """Configuration -> how good it was at each rung that all of its seeds got to; without those that failed."""
        return {
            each.name: [self.rank(each, rung) for rung in range(self.rungs_of(each))]
            for each in self.configurations
            if each.name not in self.failed
        }

    def rungs_of(self, configuration: Configuration) -> int:
        """How many rungs all seeds of a configuration got to."""
        return min(len(self.reached.get(configuration.run(seed), [])) for seed in self.study.seeds)

    def status(self, configuration: Configuration) -> str:
        """ "finished", "failed", or where it was stopped or is."""
        if configuration.name in self.failed:
            return "failed"
        done = self.rungs_of(configuration)
        if done == len(self.study.rungs):
            return "finished"
        return f"pruned after {amount(self.study.rungs[done - 1])} {self.study.unit}" if done else "not begun"

    def best(self) -> Configuration | None:
        """The finished configuration, other than the base, that validation says is the best; None where none is finished."""
        last = len(self.study.rungs) - 1
        done = [each for each in self.configurations if each.name != BASE and self.status(each) == "finished"]
        return max(done, key=lambda each: self.rank(each, last), default=None)


def mean(reached: Sequence[Reached], name: str) -> float:
    """The mean of a metric over runs; as bad as can be where one does not have it."""
    values = [each.metrics.get(name) for each in reached]
    if None in values or not values:
        return -GOOD.get(name, 1) * float("inf")
    return sum(value for value in values if value is not None) / len(values)
