"""Judging what a run has trained on held-out panels: results in the run's folder, and every use of a panel counted in its ledger.

A held-out panel tells what a policy can do as long as nobody chooses by it. So it is used once, at the end; what is looked at while
training is the validation panel.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from locoenvs.envs.backends import resolve
from locoenvs.evidence.evaluate import evaluate
from locoenvs.evidence.failures import archive
from locoenvs.evidence.failures.keeper import Keeper
from locoenvs.evidence.panel import PANELS, Panel, panel_of
from locoenvs.evidence.result import Result
from locoenvs.policies.policy import Policy, load_policy
from locoenvs.tasks import documents
from locoenvs.tasks.documents import write_atomically
from locoenvs.training.run import Run
from locoenvs.training.streams import panels_for


def judge(
    folder: Path | str,
    panels: Sequence[str] | None = None,
    *,
    policy: str = "policy",
    device: str | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> dict[str, Result]:
    """Evaluate a run's policy on held-out panels, by default those of its ground, on the physics that it was trained on.

    ``policy`` is a folder in the run's: "best" is the one that did best on validation streams. Each result is kept as :func:`note` does.
    Raises ValueError, before anything is evaluated, for a panel that is unknown or that the policy does not fit.
    """
    run = Run.open(Path(folder))
    loaded, recipe = load_policy(run.folder / policy), run.recipe()
    asked = {name: panel_of(loaded.task, name) for name in panels or panels_for(loaded.task)}
    for panel in asked.values():
        loaded.check(panel.task)
    results = {}
    for name, panel in asked.items():
        backend, options, keeper = recipe["backend"], recipe["options"], Keeper()
        results[name] = evaluate(loaded, panel, backend, progress, device=device, options=options, watch=keeper)
        note(run, loaded, panel, name, results[name], keeper, options)
    return results


def run_of(policy: Policy) -> Run | None:
    """The run that a policy lies in: as the last, the best or a kept one."""
    folder = policy.folder.resolve()
    if folder.name in ("policy", "best"):
        run = Run(folder.parent)
    elif folder.parent.name == "policies":
        run = Run(folder.parents[1])
    else:
        return None
    return run if (run.folder / "recipe.json").is_file() else None


def note(
    run: Run,
    policy: Policy,
    panel: Panel,
    name: str,
    result: Result,
    keeper: Keeper | None = None,
    options: Mapping[str, object] | None = None,
) -> str:
    """Write a result to ``panels/`` of a run and into its ledger, where each use of a held-out panel counts; a line that says so.

    ``name`` is what the panel was asked for by: a panel of the suite or a file. That of a policy other than the last lies in a folder
    of the policy's name, and one on another backend, or with other options of it, than the one that is there beside it; what a ``keeper``
    kept of falls, on a backend with these ``options``, lies beside it. Raises OSError where nothing can be written.
    """
    whose, path = policy.folder.name, _place(run, policy, panel, name, result)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda out: out.write(result.to_json().encode()))
    archive.keep(path, keeper, result, panel, policy, options or {})
    said: dict[str, Any] = {"panel": result.panel, "panel_hash": result.panel_hash, "policy": whose}
    said |= {"policy_sha256": result.policy_sha256, "updates": policy.provenance.get("updates")}
    said |= {"backend": result.backend, "options": result.options, "file": str(path.relative_to(run.folder))}
    said |= {"metrics": {each: dataclasses.asdict(estimate) for each, estimate in result.metrics.items()}}
    said |= {"resets": result.reset_reasons}
    if panel.split != "panel":
        run.record("evaluation", **said)
        return f"written to {path}"
    use = len(list(_uses(run, panel))) + 1
    run.record("held_out", use=use, **said)
    if use == 1:
        return f"written to {path}; the first use of panel {result.panel} on this run"
    return f"written to {path}; panel {result.panel} has been used {use} times on this run: what is chosen by it is not held out"


def judgement(
    run: Run, policy: Policy, panel: Panel, backend: str, options: Mapping[str, object] | None = None
) -> dict[str, Any] | None:
    """The ledger's line on how this very policy did on the panel, on that backend and, as far as both are told, with these ``options``."""
    asked = {"backend": resolve(backend), **(options or {})}
    for line in _uses(run, panel):
        told = line.get("options") or {}
        if "backend" in line:  # what version 0.1.0 wrote down has none
            told = told | {"backend": line["backend"].partition("-")[0]}
        alike = all(told.get(name, value) == value for name, value in asked.items())
        if alike and line.get("policy_sha256") == policy.sha256:
            return line
    return None


def _place(run: Run, policy: Policy, panel: Panel, name: str, result: Result) -> Path:
    """The file of a result: called by its panel, and by its backend too where that name is taken by another backend or other options."""
    known = name in PANELS and panel.hash == panel_of(policy.task, name).hash
    stem = name if known else f"{Path(name).stem.replace(':', '-')}-{panel.hash}"
    folder = run.panels if policy.folder.name == "policy" else run.panels / policy.folder.name
    path = folder / f"{stem}.json"
    try:
        there = Result.from_json(documents.read(path), str(path))
    except (OSError, ValueError):
        return path  # nothing is there that can be read
    if (there.backend, there.options) == (result.backend, result.options):
        return path
    return folder / f"{stem}-{result.backend}-{documents.digest(result.options)}.json"


def _uses(run: Run, panel: Panel) -> Iterator[dict[str, Any]]:
    """The ledger's lines of a panel. Those of earlier versions are of kind "evaluation"."""
    for line in run.records():
        if line["kind"] in ("held_out", "evaluation") and line.get("panel_hash") == panel.hash:
            yield line
