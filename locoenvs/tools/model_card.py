"""The page of a policy in a repository of models: where it comes from, how well it walks, what it must not be used for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from locoenvs.evidence.metrics import UNITS
from locoenvs.evidence.result import Result, shown_in
from locoenvs.policies.policy import Policy
from locoenvs.training.run import Run

SHOWN = ("success_rate", "fall_rate", "velocity_error", "yaw_rate_error", "cost_of_transport")


def model_card(
    policy: Policy, repo: str, results: Sequence[Result], run: Run | None, license: str | None = None
) -> str:
    """Markdown with the YAML front matter of the Hub. ``run`` has the recipe and ledger of the policy's training, if they are there."""
    facts = _facts(policy, run)
    rows = "\n".join(f"| {name} | {value} |" for name, value in facts.items())
    robot = policy.task.robot.name
    return f"""---
{_front_matter(policy, repo, results, license)}---

# {repo.partition("/")[2]}

A policy that walks the robot `{robot}`, trained in simulation with locoenvs.

| | |
|---|---|
{rows}

## How well it walks

{_tables(results)}

## How to use it

```bash
locoenvs pull {repo} --out policy
locoenvs eval policy
locoenvs export policy --out robot    # runtime.py and runtime.hpp, for a robot
```

`policy.json` says what the network sees and what its actions do: joint order, frames, units, signs, rates, limits.

## Limits

What it did was seen in simulation, on the panels above and in no other place. Nothing here says that it is safe on a real robot: begin
with the robot hanging, a hand on the emergency stop, and the watchdog of the runtime in use.
"""


def _front_matter(policy: Policy, repo: str, results: Sequence[Result], license: str | None) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    entries = [
        EvalResult(
            task_type="reinforcement-learning",
            task_name=f"{result.panel}, {result.num_robots} robots",
            dataset_type="locoenvs-panel",
            dataset_name=result.panel,
            dataset_revision=result.panel_hash,
            metric_type=name,
            metric_name=f"{name.replace('_', ' ')}, {'share' if UNITS[name] == '%' else UNITS[name]}",
            metric_value=round(result.metrics[name].value, 6),
        )
        for result in results
        for name in SHOWN
        if name in result.metrics
    ]
    tags = ["locoenvs", "reinforcement-learning", "legged-locomotion", "robotics", "onnx", policy.task.robot.name]
    name = repo.partition("/")[2]
    data = ModelCardData(
        license=license,
        library_name="locoenvs",
        pipeline_tag="reinforcement-learning",
        tags=tags,
        model_name=name if entries else None,
        eval_results=entries or None,
    )
    return data.to_yaml().strip() + "\n"


def _facts(policy: Policy, run: Run | None) -> dict[str, str]:
    origin, network = policy.provenance, policy.document["network"]
    facts = {
        "robot": policy.task.robot.name,
        "environment": policy.environment,
        "task": f"{policy.task.recipe}, {policy.task.hash}",
        "drives": policy.task.actuator.kind,
        "network": f"{network['hidden']}, {network['activation']}; sha256 {policy.sha256[:12]}",
        "learner": origin.get("learner"),
        "physics": origin.get("backend"),
        "seed": origin.get("seed"),
        "samples": origin.get("samples"),
        "updates": origin.get("updates"),
        **({} if run is None else _of_run(run)),
        "versions": _listed(origin.get("versions")),
    }
    return {name: _cell(value) for name, value in facts.items() if value not in (None, "")}


def _of_run(run: Run) -> dict[str, Any]:
    """What only the recipe and the ledger know."""
    facts: dict[str, Any] = {}
    if (run.folder / "recipe.json").is_file():
        recipe = run.recipe()
        ppo = recipe.get("ppo")
        facts["settings"] = _listed({name: ppo[name] for name in list(ppo)[:12]}) if isinstance(ppo, dict) else None
        facts["hardware"] = _listed(recipe.get("hardware"))
    if run.ledger.is_file():
        seconds = [line["elapsed_seconds"] for line in run.records() if line.get("kind") == "update"]
        facts["training time"] = f"{seconds[-1] / 60:.0f} min" if seconds else None
    return facts


def _tables(results: Sequence[Result]) -> str:
    if not results:
        return "It was not evaluated on a held-out panel: `locoenvs eval`."
    names = [name for name in SHOWN if any(name in result.metrics for result in results)]
    header = [f"{name.replace('_', ' ')}{'' if UNITS[name] == '1' else ', ' + UNITS[name]}" for name in names]
    lines = [f"| panel | robots | {' | '.join(header)} |", f"|---|---|{'---|' * len(names)}"]
    for result in results:
        cells = [_estimate(result, name) for name in names]
        lines.append(f"| {_cell(result.panel)} ({result.panel_hash}) | {result.num_robots} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", "Means over robots of held-out panels, with 95 % intervals in brackets."])


def _estimate(result: Result, name: str) -> str:
    if name not in result.metrics:
        return ""
    estimate, unit = result.metrics[name], UNITS[name]
    if estimate.low is None or estimate.high is None:
        return shown_in(estimate.value, unit)
    return f"{shown_in(estimate.value, unit)} ({shown_in(estimate.low, unit)} to {shown_in(estimate.high, unit)})"


def _listed(values: Any) -> str | None:
    if not isinstance(values, Mapping):
        return None
    return ", ".join(
        f"{name} {value if isinstance(value, str) else json.dumps(value)}" for name, value in values.items()
    )


def _cell(value: object) -> str:
    """Text that stays in its cell of a table, and is no markup."""
    return "".join(char if char.isprintable() else " " for char in str(value))[:500].translate(
        {ord(char): f"\\{char}" for char in "|<>[]`*_"}
    )
