"""The page of a report."""

from __future__ import annotations

import base64
import datetime
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import locoenvs
from locoenvs.evidence import compare_tables
from locoenvs.evidence.compare import Side, compare
from locoenvs.evidence.failures.causes import alike
from locoenvs.evidence.failures.page import embedded, template
from locoenvs.evidence.failures.strips import strips_of
from locoenvs.evidence.metrics import UNITS, Estimate
from locoenvs.evidence.panel import panel_of
from locoenvs.evidence.result import Result, shown_in
from locoenvs.tasks.documents import write_atomically
from locoenvs.tools.report.charts import Chart, charts_of, success_chart
from locoenvs.tools.report.source import Source

MOST_STRIPS = 4
"""So many groups of falls are shown by pictures; locoenvs failures shows all."""


def write_report(sources: Sequence[Source], out: Path) -> None:
    """Write the report of one run or several, of :func:`locoenvs.tools.report.source.read`, as one HTML file, which loads nothing
    from elsewhere.

    A run that is still training is told as far as it is. Raises ImportError where jinja2 or matplotlib is missing. Nothing is
    written then.
    """
    page = template("locoenvs.tools.report", "report.html").render(
        title=", ".join(source.name for source in sources),
        version=locoenvs.__version__,
        date=datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"),
        runs=[_run(source) for source in sources],
        charts=[chart for chart in charts_of(sources) if chart[1]],
        comparisons=list(_comparisons(sources)),
        panels=_panels(sources),
        falls=[_falls(source, name) for source in sources for name in source.falls],
        several=len(sources) > 1,
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, lambda file: file.write(page.encode()))


def _run(source: Source) -> dict[str, Any]:
    """What the page says of a run."""
    recipe = source.recipe
    return {
        "name": source.name,
        "state": source.state,
        "facts": _facts(source),
        "changes": recipe.get("changes") or {},
        "recipe": json.dumps(recipe, indent=2),
        "findings": source.findings,
        "unreadable": source.unreadable,
        "video": _embedded(source.video, "video/mp4"),
    }


def _facts(source: Source) -> list[tuple[str, str]]:
    """The recipe and the ledger in short: what, and its value."""
    recipe, task = source.recipe, source.task
    facts = [
        ("environment", recipe["environment"]),
        ("task", f"{recipe['task']['recipe']}, {recipe['task_hash']}"),
        ("robot, drive", f"{task.robot.name}, {task.actuator.kind}"),
        ("learner", str(recipe["learner"])),
        ("backend", str(recipe.get("backend", "mujoco"))),
        ("seed", str(recipe["seed"])),
    ]
    ppo = source.settings
    if {"num_envs", "horizon", "epochs", "hidden"} <= set(ppo):
        samples = ppo["num_envs"] * ppo["horizon"]
        facts += [
            (
                "an update",
                f"{ppo['num_envs']} robots x {ppo['horizon']} steps = {samples} samples, {ppo['epochs']} epochs",
            ),
            ("networks", "-".join(map(str, ppo["hidden"]))),
        ]
    if updates := source.updates:
        last = updates[-1]
        facts += [
            ("samples", f"{last['samples'] / 1e6:.2f} M" if "samples" in last else "not told"),
            ("time of training", f"{last['elapsed_seconds'] / 60:.1f} min"),
        ]
        spent = sum(line.get("seconds", 0.0) for line in source.validations)
        if spent:
            facts.append(("of it for validation", f"{100 * spent / source.validations[-1]['elapsed_seconds']:.1f} %"))
    for name, words in (("memory_mb", "memory, at most"), ("device_memory_mb", "memory of GPUs, at most")):
        if told := [line[name] for line in updates if line.get(name) is not None]:
            facts.append((words, f"{max(told):,.0f} MiB"))
    uses = Counter(record["panel"] for record in source.records if record["kind"] == "held_out")
    facts += [("held-out panels used", ", ".join(f"{name}: {count}" for name, count in uses.items()))] if uses else []
    hardware = recipe.get("hardware") or {}
    if {"cores", "processor"} <= set(hardware):
        gpus = "".join(f", {gpu['name']}" for gpu in hardware.get("gpus") or ())
        facts.append(("machine", f"{hardware['cores']} cores of {hardware['processor']}{gpus}"))
    versions = recipe.get("versions") or {}
    facts.append(("versions", ", ".join(f"{name} {version}" for name, version in versions.items())))
    return facts


def _panels(sources: Sequence[Source]) -> list[dict[str, Any]]:
    """Each panel with the results of every run that was judged on it."""
    names = list(dict.fromkeys(name for source in sources for name in source.results))
    return [_panel(name, [(s, s.results[name]) for s in sources if name in s.results]) for name in names]


def _comparisons(sources: Sequence[Source]) -> Iterator[dict[str, Any]]:
    """The verdict on, and the table of, every run but the first beside that one, where both were judged on the same panels."""
    sides = [Side(source.name, tuple(r for r in source.results.values() if r.robots is not None)) for source in sources]
    for other in sides[1:]:
        if not (sides[0].results and other.results):
            continue
        try:
            comparison = compare(sides[0], other)
        except ValueError as error:
            yield {"said": f"{other.name} cannot be compared with {sides[0].name}: {error}", "rows": []}
        else:
            shown = compare_tables.table(comparison)
            yield {
                "said": f"{comparison.b} beside {comparison.a}, the same robots with the same draws: {comparison.verdict}",
                "columns": [column.header for column in shown.columns],
                "rows": [list(map(str, row)) for row in zip(*(column.cells for column in shown.columns))],
                "caption": f"A is {comparison.a}, B is {comparison.b}; {shown.caption}",
                "notes": compare_tables.notes(comparison),
            }


def _falls(source: Source, name: str) -> dict[str, Any]:
    """What led to falls on a panel: groups of falls that are alike, and the two seconds before one of each."""
    archive = source.falls[name]
    groups = alike(archive.header.falls)
    chosen = [group.falls[0] for group in groups[:MOST_STRIPS]]
    try:
        strips = strips_of(archive, [fall.robot for fall in chosen])
    except Exception as error:  # a machine that cannot draw raises whatever its OpenGL does
        strips, said = {}, f"Not drawn: {type(error).__name__}: {error}"
    else:
        said = ""
    return {
        "panel": name,
        "run": source.name,
        "every": archive.header.every_fall,
        "kept": len(archive.header.falls),
        "groups": [(group.kind.replace("_", " "), group.cause, group.words) for group in groups],
        "strips": [(fall.words, embedded(strips[fall.robot].picture)) for fall in chosen if fall.robot in strips],
        "said": said,
    }


def _panel(name: str, judged: Sequence[tuple[Source, Result]]) -> dict[str, Any]:
    first = judged[0][1]
    metrics = [metric for metric in UNITS if any(metric in result.metrics for _, result in judged)]
    rows = [
        (
            metric.replace("_", " "),
            UNITS[metric],
            [_told(result.metrics.get(metric), UNITS[metric]) for _, result in judged],
        )
        for metric in metrics
    ]
    return {
        "name": name,
        "hash": first.panel_hash,
        "robots": first.num_robots,
        "runs": [source.name for source, _ in judged],
        "resets": [", ".join(f"{why} {n}" for why, n in result.reset_reasons.items() if n) for _, result in judged],
        "rows": rows,
        "strata": [_stratum(quantity, judged) for quantity in first.strata if quantity != "terrain_and_level"],
        "charts": [chart for source, result in judged if (chart := _success(source, result))],
    }


def _stratum(quantity: str, judged: Sequence[tuple[Source, Result]]) -> dict[str, Any]:
    """Success, or falls where groups are of moments, group by group."""
    rows = []
    for label, metrics in judged[0][1].strata[quantity].items():
        metric = "success_rate" if "success_rate" in metrics else "fall_rate"
        groups = [result.strata.get(quantity, {}).get(label, {}).get(metric) for _, result in judged]
        rows.append((label, metric.replace("_rate", ""), [_told(group, "%") for group in groups]))
    return {"quantity": quantity.replace("_", " "), "rows": rows}


def _success(source: Source, result: Result) -> Chart | None:
    """Success against difficulty, where the panel is one of tiles that is known here."""
    if "terrain_and_level" not in result.strata:
        return None
    short = result.panel.rsplit("-", 2)[-2] if result.panel.count("-") >= 2 else result.panel
    try:
        panel = panel_of(source.task, short)
        return success_chart(result, panel.task.terrain) if panel.hash == result.panel_hash else None
    except ValueError:
        return None


def _told(estimate: Estimate | None, unit: str) -> tuple[str, str]:
    """A number and its interval, in words."""
    if estimate is None:
        return "", ""
    if estimate.low is None or estimate.high is None:
        return shown_in(estimate.value, unit), ""
    return shown_in(estimate.value, unit), f"{shown_in(estimate.low, unit)} to {shown_in(estimate.high, unit)}"


def _embedded(path: Path | None, kind: str) -> str:
    return "" if path is None else f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
