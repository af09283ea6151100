"""Judging a policy while it is trained, on streams of their own: what stops or picks a policy must not be held out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from locoenvs.evidence.audit import BAR, meets_bar
from locoenvs.evidence.evaluate import Result, evaluate
from locoenvs.evidence.panel import Panel, validation_of
from locoenvs.policies.policy import Policy
from locoenvs.tasks.task import Task
from locoenvs.training.settings import TrainSettings

IN_A_ROW = 2
"""So many validations, one after another, must meet the bar for a training to stop by it."""


def reached(until_bar: bool, met: int) -> bool:
    """Whether a training that may stop by the bar, and has met it ``met`` times in a row, is good enough to."""
    return until_bar and met >= IN_A_ROW


@dataclass
class Validation:
    """A policy is judged after every ``every`` updates; ``met`` counts the times in a row that it has met the bar."""

    panel: Panel
    every: int
    until_bar: bool
    met: int = 0

    @staticmethod
    def of(task: Task, recipe: dict[str, Any]) -> Validation | None:
        """What a run's recipe asks for; None if that is nothing. Raises ValueError where there is no panel or no bar."""
        planned = recipe.get("validation")
        if planned is None:
            return None
        panel = validation_of(task)
        planned |= {"panel": panel.name, "panel_hash": panel.hash, "num_robots": panel.num_robots}
        if planned["until_bar"] and task.terrain.kind != "plane":
            raise ValueError("until_bar: the bar is one of flat ground. Leave it out, and give updates or minutes")
        return Validation(panel, planned["every"], planned["until_bar"])

    def due(self, update: int) -> bool:
        return update % self.every == 0

    def judge(self, policy: Policy, backend: str, options: dict[str, Any], device: str | None) -> Result:
        """Evaluate the policy as it is now."""
        result = evaluate(policy, self.panel, backend, device=device, options=options)
        self.met = self.met + 1 if meets_bar(result) else 0
        return result

    @property
    def reached(self) -> bool:
        """Whether it is good enough to stop."""
        return reached(self.until_bar, self.met)


def plan(settings: TrainSettings) -> dict[str, Any] | None:
    """What the settings say of it, for a recipe."""
    if settings.validate_every is None:
        return None
    return {"every": settings.validate_every, "until_bar": settings.until_bar}


def described(result: Result) -> str:
    """A line on how a policy did."""
    falls, velocity, yaw = (result.metrics[name].value for name in BAR)
    return f"{result.panel}: {falls:.1%} fall, off by {velocity:.3f} m/s and {yaw:.3f} rad/s"
