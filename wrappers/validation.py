"""Judging a policy while it is trained, on streams of their own: what stops or picks a policy must not be held out."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.evidence.audit import BAR, meets_bar
from locoenvs.evidence.evaluate import Result, environment_of, result_of
from locoenvs.evidence.panel import Panel, judge_while_training
from locoenvs.evidence.record import joined
from locoenvs.policies.policy import Policy, load_policy
from locoenvs.tasks.documents import write_atomically
from locoenvs.tasks.task import Task
from locoenvs.training.bar import reached
from locoenvs.training.parts import part_of, recorded_by_all
from locoenvs.training.run import Run
from locoenvs.training.settings import TrainSettings

TIMES, LEAST_UPDATES, LEAST_MINUTES, SHARE = 10, 25, 1.0, 0.1
"""By default a run is validated so many times, at least so many updates and minutes apart, within such a share of its time."""

BEST = {"success_rate": "highest", "fall_rate": "lowest", "velocity_error": "lowest"}
"""The rule by which ``best/`` is chosen: the first of these in which two policies differ decides; of equal ones the earlier stays."""


@dataclass
class Validation:
    """A policy is judged after every ``every`` updates or ``minutes``, as long as that takes no more than a ``share`` of all the time.

    ``met`` counts the times in a row that it has met the bar, ``spent`` the seconds that it took, ``last`` those of the last one, which
    was at ``at`` seconds of the training; ``asked`` is whether its pace was asked for; ``best`` is what the best policy of the run was found to be. Each process of a run judges its part
    of the robots, and the first one has the counts and the results.
    """

    run: Run
    panel: Panel
    every: int | None
    minutes: float | None
    share: float | None
    until_bar: bool
    keep_policies: bool
    asked: bool = False
    met: int = 0
    spent: float = 0.0
    last: float = 0.0
    at: float = 0.0
    best: Result | None = None
    _waits: bool = False
    _env: LocoVectorEnv | None = field(default=None, repr=False)

    @staticmethod
    def of(task: Task, recipe: dict[str, Any], run: Run) -> Validation | None:
        """What a run's recipe asks for, completed there; None if that is nothing. Raises ValueError where there is no bar."""
        planned = recipe.get("validation")
        if planned is None:
            return None
        if planned["until_bar"] and task.terrain.kind != "plane":
            raise ValueError("until_bar: the bar is one of flat ground. Leave it out, and give updates or minutes")
        panel = judge_of(task, planned)
        planned |= {"panel": panel.name, "panel_hash": panel.hash, "num_robots": panel.num_robots, "best": BEST}
        pace = planned["every"], planned.get("minutes"), planned.get("share")
        asked = planned.get(
            "asked", planned.get("share") is None
        )  # what recipes did not say a pace without a share did
        return Validation(run, panel, *pace, planned["until_bar"], planned.get("keep_policies", False), asked)

    def resume(self) -> None:
        """Go on after what the ledger and ``best/`` say.

        Who goes on with a run that its bar has stopped wants more of it: the bar must hold anew. A best that this panel has not
        judged is set aside, since what two panels say is not compared.
        """
        for line in self.run.records():
            if line["kind"] == "validation":
                same = (
                    line.get("panel_hash", self.panel.hash) == self.panel.hash
                )  # version 0.1.0 had one panel, and did not tell
                self.met = line["met"] if same else 0
                self.at, self.last = line["elapsed_seconds"], line["seconds"]
                self.spent += line["seconds"]
        if self.reached:
            self.met = 0
        self.best = _result_in(self.run.best, self.panel)
        if self.best is None and self.run.best.exists():
            self.run.best.rename(_free(self.run.folder / "best-before"))

    def due(self, update: int, seconds: float, rate: float) -> bool:
        """Whether to judge after ``update``, ``seconds`` after the training began. What is due and would take too much of the time waits.

        The first is taken to cost what its control steps would cost the training, which does ``rate`` a second.
        """
        by_updates = self.every is not None and update % self.every == 0
        by_minutes = self.minutes is not None and seconds - self.at >= 60 * self.minutes
        self._waits |= by_updates or by_minutes
        steps = self.panel.num_robots * self.panel.task.timing.max_episode_steps
        cost = self.last or steps / rate
        return self._waits and (self.share is None or self.spent + cost <= self.share * (seconds + cost))

    def open(self, policy: Policy, backend: str, options: dict[str, Any], device: str | None) -> None:
        """Make the environment of this process's part, once. Raises what a machine or a backend cannot do."""
        own = part_of(self.panel.num_robots)
        if self._env is None and own:
            policy(np.zeros((1, policy.document["observation"]["size"]), np.float32))
            self._env = environment_of(self.panel, backend, device=device, options=options, robots=own)

    def close(self) -> None:
        if self._env is not None:
            self._env.close()
            self._env = None

    def judge(self, policy: Policy, update: int) -> Result | None:
        """Evaluate the policy as it is now, and keep it if it is the best so far, or all are kept. None in processes but the first."""
        begun, env = time.perf_counter(), self._env
        told = recorded_by_all(policy, self.panel, env)
        if not told or env is None:
            return None
        _write(self.run.folder / "validation.json", self.panel.to_json())
        record = joined([each for each, _ in told])
        result = result_of(policy, self.panel, record, env, time.perf_counter() - begun)
        self.met = self.met + 1 if meets_bar(result) else 0
        self._waits = False
        if self.keep_policies:
            _keep(policy, result, self.run.policies / f"update-{update:06d}")
        if self.best is None or better(result, self.best):
            _keep(policy, result, self.run.best)
            self.best = result
        return result

    def took(self, spent: float, at: float) -> None:
        """It took ``spent`` seconds, until ``at`` seconds after the training began."""
        self.last, self.at = spent, at
        self.spent += spent

    def line(self, result: Result) -> dict[str, Any]:
        """What the ledger says of a result."""
        line: dict[str, Any] = {"panel": result.panel, "panel_hash": result.panel_hash, "met": self.met}
        line |= {"policy_sha256": result.policy_sha256, "best": result is self.best}
        line["num_robots"] = result.num_robots
        line |= {"metrics": {name: estimate.value for name, estimate in result.metrics.items()}}
        line |= {"resets": result.reset_reasons}
        if result.strata:
            line["strata"] = {
                quantity: {
                    group: {name: found[name].value for name in BEST if name in found}
                    for group, found in groups.items()
                }
                for quantity, groups in result.strata.items()
            }
        return line

    @property
    def reached(self) -> bool:
        """Whether it is good enough to stop."""
        return reached(self.until_bar, self.met)


def judge_of(task: Task, planned: Mapping[str, Any]) -> Panel:
    """The panel that the plan in a recipe asks for."""
    return judge_while_training(task, planned.get("num_robots"), planned["until_bar"])


def plan(settings: TrainSettings, updates: int) -> dict[str, Any] | None:
    """What the settings of a run of so many updates say of it, for a recipe."""
    if settings.validate_every == 0:
        return None
    every, minutes, share = settings.validate_every, settings.validate_minutes, settings.validate_share
    asked = _paced(settings)
    if not asked:
        every, share = max(updates // TIMES, LEAST_UPDATES), share or SHARE
        minutes = None if settings.minutes is None else max(settings.minutes / TIMES, LEAST_MINUTES)
    pace: dict[str, Any] = {"every": every, "minutes": minutes, "share": share, "asked": asked}
    robots = {"num_robots": settings.validate_robots}
    return {**pace, "until_bar": settings.until_bar, **robots, "keep_policies": settings.keep_policies}


def replanned(before: dict[str, Any] | None, settings: TrainSettings, updates: int) -> dict[str, Any] | None:
    """The plan of a run to go on with: as it was ``before``, but for what the settings say."""
    made, before = plan(settings, updates) if _paced(settings) else before, before or {}
    if made is None:
        return None
    same = made["until_bar"] == before.get("until_bar")
    robots = settings.validate_robots or (before.get("num_robots") if same else None)
    keep = settings.keep_policies or before.get("keep_policies", False)
    share = settings.validate_share or made.get("share")
    return {**made, "share": share, "num_robots": robots, "keep_policies": keep}


def _paced(settings: TrainSettings) -> bool:
    """Whether the settings themselves say how often to validate."""
    return settings.validate_every is not None or settings.validate_minutes is not None


def described(result: Result) -> str:
    """A line on how a policy did."""
    falls, velocity, yaw = (result.metrics[name].value for name in BAR)
    return f"{result.panel}: {falls:.1%} fall, off by {velocity:.3f} m/s and {yaw:.3f} rad/s"


def summary(validation: Validation, seconds: float) -> str:
    """Lines on what all validations of a training of so many seconds found, and what they cost."""
    best = validation.best
    assert best is not None
    metrics, folder = best.metrics, validation.run.best
    updates = load_policy(folder).provenance["updates"]
    return (
        f"validated in {validation.spent / max(seconds, 1e-9):.1%} of the time; best after {updates} updates, {folder}: "
        f"{metrics['success_rate'].value:.1%} succeed, {metrics['fall_rate'].value:.1%} fall"
    )


def better(result: Result, than: Result) -> bool:
    """Whether a result is the better one by the rule of :data:`BEST`."""
    return _rank(result) > _rank(than)


def _rank(result: Result) -> list[float]:
    return [(1 if wanted == "highest" else -1) * result.metrics[name].value for name, wanted in BEST.items()]


def _keep(policy: Policy, result: Result, folder: Path) -> None:
    """Write a policy and how it was judged."""
    policy.save(folder)
    _write(folder / "validation.json", result.to_json())


def _result_in(folder: Path, panel: Panel) -> Result | None:
    """How the policy of a folder was judged on a panel; None if there is none, or what is there does not belong together."""
    try:
        result = Result.from_json((folder / "validation.json").read_bytes(), str(folder / "validation.json"))
        judged = load_policy(folder).sha256, panel.hash
    except (OSError, ValueError):
        return None
    return result if (result.policy_sha256, result.panel_hash) == judged else None


def _free(path: Path) -> Path:
    """This folder, or the first with a number at its end that is not there."""
    numbered = (path.with_name(f"{path.name}-{number}") for number in itertools.count(2))
    return next(each for each in itertools.chain([path], numbered) if not each.exists())


def _write(path: Path, text: str) -> None:
    write_atomically(path, lambda file: file.write(text.encode()))
