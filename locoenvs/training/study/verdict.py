"""The held-out judgement at a study's end: its best configuration and the base, once each, and how they compare."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from locoenvs.evidence.compare import Comparison, Side, compare
from locoenvs.evidence.panel import Panel, panel_of
from locoenvs.evidence.result import Result
from locoenvs.policies.policy import Policy, load_policy
from locoenvs.tasks import documents
from locoenvs.training.judging import judge, judgement
from locoenvs.training.run import Run
from locoenvs.training.streams import panels_for
from locoenvs.training.study.spec import BASE
from locoenvs.training.study.state import State

FAILURES = (ImportError, MemoryError, OSError, RuntimeError, ValueError)
"""What may be wrong with one judgement: a policy that does not fit a panel, no room for it, runs whose panels differ. The others go on."""


def verdicts(state: State, say: Callable[[str], None]) -> list[Comparison]:
    """The best configuration beside the base, seed by seed, on held-out panels: each run is judged on them once, which its ledger counts.

    Empty if there is no best, or ``panels`` says "none"; without a base to compare with the best is judged all the same. What cannot be
    judged or compared is left out, and said why.
    """
    best, panels = state.best(), state.study.panels
    if best is None or panels == ("none",):
        return []
    judged = [_judged(Run(state.folder / best.run(seed)), panels, say) for seed in state.study.seeds]
    base = next((each for each in state.configurations if each.name == BASE), None)
    if base is None or state.status(base) != "finished":
        say(
            "there is no base to compare with"
            if base is None
            else f"the base is {state.status(base)}: nothing to compare with"
        )
        return []
    comparisons = []
    for seed, results in zip(state.study.seeds, judged):
        against = _judged(Run(state.folder / base.run(seed)), panels, say)
        if not (results and against):  # which was said
            continue
        try:
            comparisons.append(compare(Side(base.run(seed), tuple(against)), Side(best.run(seed), tuple(results))))
        except FAILURES as error:
            say(f"{best.run(seed)} is not compared with {base.run(seed)}: {error}")
    return comparisons


def _judged(run: Run, names: Sequence[str] | None, say: Callable[[str], None]) -> list[Result]:
    """What a run's policy did on held-out panels, those that it can do; one that did a panel before is not judged again."""
    results: list[Result] = []
    try:
        policy = load_policy(run.policy)
    except FAILURES as error:
        say(f"{run.folder.name}: not judged: {error}")
        return results
    for name in names or panels_for(policy.task):
        try:
            before = _before(run, policy, panel_of(policy.task, name))
            if before is None:
                say(f"{run.folder.name}: judged on held-out panel {name}")
            results.append(before or judge(run.folder, [name])[name])
        except FAILURES as error:
            say(f"{run.folder.name}: not judged on panel {name}: {error}")
    return results


def _before(run: Run, policy: Policy, panel: Panel) -> Result | None:
    """What the very policy did on a panel, if the ledger says so and the result is there."""
    recipe = run.recipe()
    line = judgement(run, policy, panel, recipe["backend"], recipe["options"])
    file = None if line is None or "file" not in line else run.folder / line["file"]
    return None if file is None or not file.is_file() else Result.from_json(documents.read(file), str(file))
