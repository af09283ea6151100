"""Steps that several commands take: train by a learner's name, evaluate, print what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from locoenvs.envs import engines
from locoenvs.envs.registration import task as task_of
from locoenvs.evidence.audit import Finding, audit_result
from locoenvs.evidence.evaluate import Result, evaluate, strata_table, table
from locoenvs.evidence.leaks import audit_observations
from locoenvs.evidence.panel import Panel
from locoenvs.evidence.record import Watch
from locoenvs.policies.policy import Policy
from locoenvs.tasks.task import Task
from locoenvs.training import learners
from locoenvs.training.settings import TrainSettings


def train_by(learner: str, settings: TrainSettings, task: Task | None = None) -> Path:
    """Train with a learner by name; the run folder."""
    # Unknown names, before anything slow is imported.
    task_of(settings.env_id, settings.recipe or "paper", settings.actuator)
    engines.load(settings.backend)
    start = learners.load(learner, learners.installed())
    return start(settings.env_id, settings, **({} if task is None else {"task": task}))


def evaluate_with_bar(
    console: Console,
    policy: Policy,
    panel: Panel,
    backend: str,
    options: Mapping[str, object] | None = None,
    watch: Watch = lambda env, alive, fell, moment: None,
) -> Result:
    """Evaluate, with a bar that shows how far it is."""
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task(f"evaluating {panel.num_robots} robots", total=1.0)
        share = lambda done: progress.update(bar, completed=done)  # noqa: E731
        return evaluate(policy, panel, backend, share, options=options, watch=watch)


def print_result(console: Console, result: Result, panel: Panel) -> None:
    """The tables of a result, and what the audits find in it and in what the policy sees."""
    console.print(table(result))
    for quantity in result.strata:
        if quantity != "terrain_and_level":
            console.print(strata_table(result, quantity))
    print_findings(console, [*audit_result(result, panel), *audit_observations(panel.task)])


def print_findings(console: Console, findings: Sequence[Finding]) -> None:
    for finding in findings:
        mark = Text("ok  ", "green") if finding.passed else Text("look", "red")
        console.print(mark, f"{finding.name}: {finding.message}")
