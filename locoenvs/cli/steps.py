"""Steps that several commands take: train by a learner's name, evaluate, print what was found."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from locoenvs.envs import backends
from locoenvs.envs.registration import task as task_of
from locoenvs.evidence.audit import Finding, audit_result
from locoenvs.evidence.evaluate import Result, evaluate, strata_table, table
from locoenvs.evidence.failures.keeper import Keeper
from locoenvs.evidence.leaks import audit_observations
from locoenvs.evidence.panel import SMOKE, Panel, load_panel, panel_in, panel_of
from locoenvs.evidence.record import Watch, nobody
from locoenvs.policies.policy import Policy, load_policy, policy_in
from locoenvs.tasks.task import Task
from locoenvs.tools.report.page import write_report
from locoenvs.tools.report.source import read
from locoenvs.training import learners, parts, ranks
from locoenvs.training.judging import judgement, note, run_of
from locoenvs.training.run import Run
from locoenvs.training.settings import TrainSettings
from locoenvs.training.streams import check_apart, panels_for, same_map


def train_by(learner: str, settings: TrainSettings, task: Task | None = None) -> Path:
    """Train with a learner by name; the run folder."""
    check_known(learner, settings)
    start = learners.load(learner, learners.installed())
    return start(settings.env_id, settings, **({} if task is None else {"task": task}))


def check_known(learner: str, settings: TrainSettings) -> None:
    """Raise ValueError for an unknown name, before anything slow is imported, and for processes that the learner cannot use."""
    task_of(settings.env_id, settings.recipe or "paper", settings.actuator)
    backends.load(settings.backend)
    if learner in learners.installed() and learners.own(learner):
        learners.check_together(learner, ranks.asked())


def evaluate_with_bar(
    console: Console,
    policy: Policy,
    panel: Panel,
    backend: str,
    options: Mapping[str, object] | None = None,
    watch: Watch = nobody,
    device: str | None = None,
) -> Result:
    """Evaluate, with a bar that shows how far it is."""
    with _bar(console, panel) as show:
        return evaluate(policy, panel, backend, show, device=device, options=options, watch=watch)


def check_panels(names: Sequence[str] | None, robot: str, task: Task | None = None) -> None:
    """Raise ValueError before anything is trained, for a panel that there is not, is of another robot or on the map of ``task``. "none" alone is none."""
    for name in names or ():
        if name == "none" and len(names or ()) > 1:
            raise ValueError(f"--panels {' '.join(names or ())}: none stands alone")
        whole = name.removesuffix(SMOKE)
        if whole.endswith(".json"):
            panel = panel_in(Path(whole), robot)
            if task is not None:
                check_apart(task, 0, None, [panel])
        elif name != "none":
            load_panel(whole)


def judge_run(console: Console, run: Run, names: Sequence[str] | None, device: str | None) -> None:
    """Judge the policy of a run on held-out panels, by default those of its ground, unless it was before, and show what was found.

    Processes that have trained it together share the robots; the first one writes and shows.
    """
    if names == ("none",):
        return
    with ranks.watched():
        files, recipe, asked = ranks.current().first_says(lambda: _to_judge(console, run, names))
    policy = load_policy(run.policy) if ranks.current().first else policy_in(files, str(run.policy))
    backend, options = recipe.get("backend", "auto"), recipe.get("options")
    for name, panel in asked:
        try:
            with _bar(console, panel) as show:
                found = parts.evaluate(policy, panel, backend, show, device=device, options=options)
        except (
            ImportError,
            RuntimeError,
            ValueError,
        ) as error:  # the policy is there, and other panels may be possible
            _not_judged(console, name, error)
            continue
        if found is not None:
            result, keeper = found
            said = note(run, policy, panel, name, result, keeper, options)
            print_result(console, result, panel)
            console.print(said + _of_map(policy, panel))


def _to_judge(
    console: Console, run: Run, names: Sequence[str] | None
) -> tuple[dict[str, bytes], dict[str, Any], list[tuple[str, Panel]]]:
    """The files of a run's policy, its recipe, and the panels that it is to be judged on and was not yet, by what they were asked for."""
    policy, recipe, found = load_policy(run.policy), run.recipe(), list[tuple[str, Panel]]()
    for name in names or panels_for(policy.task):
        try:
            panel = panel_of(policy.task, name)
            policy.check(panel.task)
            if judgement(run, policy, panel, recipe.get("backend", "auto"), recipe.get("options")) is None:
                found.append((name, panel))
        except (ImportError, RuntimeError, ValueError) as error:
            _not_judged(console, name, error)
    return policy.files(), recipe, found


def _not_judged(console: Console, name: str, error: Exception) -> None:
    if ranks.current().first:
        console.print(f"not judged on panel {name}: {error}")


@contextlib.contextmanager
def _bar(console: Console, panel: Panel) -> Iterator[Callable[[float], None]]:
    """Within it a bar, of the first process, shows how far the evaluation is."""
    with Progress(console=console, transient=True, disable=not ranks.current().first) as progress:
        bar = progress.add_task(f"evaluating {panel.num_robots} robots", total=1.0)
        yield lambda share: progress.update(bar, completed=share)


def evaluate_noted(
    console: Console,
    policy: Policy,
    panel: Panel,
    name: str | None,
    backend: str,
    options: Mapping[str, object] | None = None,
) -> Result:
    """Evaluate, with a bar; what is found of a run's policy is kept in the run, which counts the use of the panel asked for by ``name``."""
    keeper = None if run_of(policy) is None else Keeper()
    result = evaluate_with_bar(console, policy, panel, backend, options, keeper or nobody)
    if (said := note_in_run(policy, panel, name, result, keeper, options)) is not None:
        console.print(said)
    return result


def note_in_run(
    policy: Policy,
    panel: Panel,
    name: str | None,
    result: Result,
    keeper: Keeper | None,
    options: Mapping[str, object] | None,
) -> str | None:
    """Keep a result in the run that the policy lies in, if it does; a line on that."""
    run = run_of(policy)
    if run is None:
        return None
    try:
        said = note(run, policy, panel, name or panels_for(policy.task)[0], result, keeper, options)
        return said + _of_map(policy, panel)
    except OSError as error:
        return f"not kept in {run.folder}: {error}"


def _of_map(policy: Policy, panel: Panel) -> str:
    """A word on a map that is not held out."""
    return "; its map is the one that the policy was trained on, which is not held out" * same_map(policy.task, panel)


def conclude(console: Console, run: Run) -> None:
    """What the audits find in a training, and its report."""
    report = run.folder / "report.html"
    try:
        source = read(run.folder)
        print_findings(console, source.findings.get("training", []))
        write_report([source], report)
    except (ImportError, OSError, ValueError) as error:
        console.print(f"no report: {error}")
    except Exception as error:  # somebody else's learner may write anything, and what it has trained is there
        console.print(f"no report: {type(error).__name__}: {error}")
    else:
        console.print(f"report: {report}")


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
