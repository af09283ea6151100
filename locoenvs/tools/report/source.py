"""What a report is made of: a run's recipe, its ledger and the results of its panels, as far as they can be read."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from locoenvs.evidence.audit import Finding, audit_result
from locoenvs.evidence.audit_training import audit_training
from locoenvs.evidence.failures import archive
from locoenvs.evidence.failures.archive import Archive
from locoenvs.evidence.leaks import audit_observations
from locoenvs.evidence.result import Result
from locoenvs.tasks.task import Task
from locoenvs.training.begin import task_of_run
from locoenvs.training.ledger import usable
from locoenvs.training.run import Run
from locoenvs.training.streams import audit_streams

MOST_OF_A_VIDEO = 16 * 2**20
"""Bytes of a video that a page still takes."""


@dataclass(frozen=True)
class Source:
    """A run's folder as a report reads it. ``unreadable`` says what is there and cannot be used."""

    run: Run
    recipe: dict[str, Any]
    records: Sequence[dict[str, Any]]
    results: dict[str, Result]
    falls: dict[str, Archive]
    unreadable: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.run.folder.resolve().name

    @cached_property
    def task(self) -> Task:
        return task_of_run(self.run, self.recipe)

    @cached_property
    def updates(self) -> list[dict[str, Any]]:
        return self._of("update")

    @cached_property
    def validations(self) -> list[dict[str, Any]]:
        return self._of("validation")

    def _of(self, kind: str) -> list[dict[str, Any]]:
        return [record for record in self.records if record["kind"] == kind]

    @property
    def settings(self) -> dict[str, Any]:
        """The learner's settings: ``ppo``, or what a learner of one's own keeps by its name (:func:`locoenvs.training.begin.begin`)."""
        kept = self.recipe.get("ppo") or self.recipe.get(str(self.recipe["learner"]))
        return kept if isinstance(kept, dict) else {}

    @property
    def state(self) -> str:
        """How far the training is, in words."""
        if not self.updates:
            return "nothing was trained yet"
        done, asked = self.updates[-1]["update"], self.settings.get("updates")
        said = f"{done} updates" if asked is None else f"{done} of {asked} updates"
        return f"training now, {said}" if self.run.is_training() else said

    @cached_property
    def findings(self) -> dict[str, list[Finding]]:
        """What the audits find, of -> findings."""
        findings = {"observations": audit_observations(self.task)}
        if self.updates:
            kinds = tuple(dict.fromkeys(share.kind for share in self.task.terrain.shares))
            robots = self.settings.get("num_envs")
            count = robots if isinstance(robots, int) else None
            findings["training"] = audit_training(self.records, count, kinds, self._update_share)
            if isinstance(streams := self.recipe.get("streams"), dict):  # version 0.1.0 did not tell
                findings["training"] += audit_streams(streams, count, self.task.seed_families)
        return findings | {name: audit_result(result) for name, result in self.results.items()}

    @property
    def _update_share(self) -> float:
        """The part of a whole episode that an update is; 0 for a learner that does not tell."""
        horizon = self.settings.get("horizon")
        return horizon / self.task.timing.max_episode_steps if isinstance(horizon, int) else 0.0

    @property
    def video(self) -> Path | None:
        """The newest video of the run that is small enough for a page."""
        films = sorted(self.run.folder.rglob("*.mp4"), key=lambda path: path.stat().st_mtime)
        small = [path for path in films if path.stat().st_size <= MOST_OF_A_VIDEO]
        return small[-1] if small else None


def read(folder: Path) -> Source:
    """The run in a folder. Raises FileNotFoundError where there is none, and ValueError for a recipe that cannot be read.

    Lines of the ledger, and results, that are not what they must be are left out, and told in ``unreadable``.
    """
    run, unreadable = Run.open(folder), list[str]()
    try:
        recipe = run.recipe()
        missing = [name for name in ("environment", "learner", "seed", "task", "task_hash") if name not in recipe]
    except (ValueError, TypeError) as error:
        raise ValueError(f"{folder / 'recipe.json'} cannot be read: {error}") from error
    if missing:
        raise ValueError(f"{folder / 'recipe.json'} lacks {missing[0]!r}: it is no recipe of a run")
    task_of_run(run, recipe)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        records, unusable = usable(run.records())
    unreadable += [str(each.message) for each in told]
    if unusable:
        more = f", and {len(unusable) - 1} more lines" if len(unusable) > 1 else ""
        unreadable.append(f"{run.ledger}: left out: {unusable[0]}{more}")
    results, falls = dict[str, Result](), dict[str, Archive]()
    files = sorted((folder / "panels").glob("*.json"), key=lambda file: file.stem)
    for file in [*files, folder / "evaluation.json"]:
        if not file.is_file():
            continue
        try:
            result = Result.from_json(file.read_bytes(), str(file))
            name = _called(result, results)
            if name is not None and archive.beside(file).is_file():
                falls[name] = archive.load(file)
        except ValueError as error:
            unreadable.append(str(error))
        else:
            if name is not None:
                results[name] = result
    return Source(run, recipe, records, results, falls, tuple(unreadable))


def _called(result: Result, results: Mapping[str, Result]) -> str | None:
    """What a result is called: its panel, with more where another is called so; None for one that is among ``results``."""
    same = (result.panel_hash, result.backend, result.options)
    if any((each.panel_hash, each.backend, each.options) == same for each in results.values()):
        return None
    more = [result.panel_hash, result.backend, *(f"{name} {value}" for name, value in result.options.items())]
    return f"{result.panel} ({', '.join(more)})" if result.panel in results else result.panel
