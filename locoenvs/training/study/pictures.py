"""A study as a picture: how each configuration came along on validation streams, and where it ended."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from locoenvs.evidence.metrics import UNITS
from locoenvs.evidence.plots import figure_of, plain, save
from locoenvs.training.run import Run
from locoenvs.training.study.report import Row, Spread, in_order
from locoenvs.training.study.state import State

SHOWN = 10
"""So many configurations have a color; of more the best ones."""

Curves = dict[str, list[dict[str, Any]]]
"""Run -> its validations: "update", "minutes", "samples" and the metrics."""

X = {"updates": "update", "minutes": "minutes", "samples": "samples"}
"""What a budget is in -> what the validations call it."""


def curves_of(state: State) -> Curves:
    """What the ledgers say of all validations of a study's runs."""
    curves: Curves = {}
    for configuration in state.configurations:
        for seed in state.study.seeds:
            run = Run(state.folder / configuration.run(seed))
            judged = [line for line in run.records() if line["kind"] == "validation"] if run.ledger.exists() else []
            curves[run.folder.name] = [
                {
                    "update": line["update"],
                    "minutes": line["elapsed_seconds"] / 60,
                    "samples": line["update"] * configuration.samples_per_update,
                    "metrics": line["metrics"],
                }
                for line in judged
            ]
    return curves


def picture(state: State, curves: Curves, path: Path) -> None:
    """Draw the objective against updates, minutes or samples, the mean over seeds within the range of them, and each configuration's last
    value with its 95 % interval over seeds."""
    rows = in_order(state)
    scale = 100.0 if UNITS[state.study.objective] == "%" else 1.0
    unit = UNITS[state.study.objective]
    title = f"validation: {state.study.objective.replace('_', ' ')}{'' if unit == '1' else f', {unit}'}"
    figure = figure_of(13, max(4.0, 1.5 + 0.32 * len(rows)))
    course, ends = figure.subplots(1, 2)
    for place, row in enumerate(rows):
        color = f"C{place % 10}" if place < SHOWN else "0.7"
        style = "-" if row.status == "finished" else "--"
        x, middle, low, high = _course(state, row, curves, scale)
        course.plot(x, middle, style, color=color, marker="o", markersize=3, label=row.name)
        course.fill_between(x, low, high, color=color, alpha=0.12, linewidth=0)
        if (spread := row.numbers.get(state.study.objective)) is not None:
            at, inside = spread.mean * scale, color if row.status == "finished" else "white"
            reach = _reach(spread, scale)
            ends.errorbar(at, place, xerr=reach, fmt="o", color=color, markerfacecolor=inside, capsize=3)
    course.set(xlabel=state.study.unit, title=f"{title}\nmean and range over seeds; dashed: pruned")
    if state.study.unit == "updates":
        course.xaxis.get_major_locator().set_params(integer=True)
    if len(rows) <= SHOWN:
        course.legend(fontsize=8)
    ends.set_yticks(range(len(rows)), [_label(row) for row in rows], fontsize=8)
    ends.set_ylim(len(rows) - 0.5, -0.5)
    ends.set_xlabel(title.removeprefix("validation: "))
    ends.set_title("at the end of each, 95 % interval over seeds; hollow: pruned")
    for axes in (course, ends):
        axes.title.set_fontsize(10)
        plain(axes)
    save(figure, path)


def _course(
    state: State, row: Row, curves: Curves, scale: float
) -> tuple[list[float], list[float], list[float], list[float]]:
    """Where validations were, and the mean, least and largest of the seeds there, as far as all of them got."""
    objective, x_name = state.study.objective, X[state.study.unit]
    (configuration,) = (each for each in state.configurations if each.name == row.name)
    each: Sequence[Sequence[Mapping[str, Any]]] = [curves[configuration.run(seed)] for seed in state.study.seeds]
    together = [[line for line in moment if objective in line["metrics"]] for moment in zip(*each)]
    together = [moment for moment in together if len(moment) == len(each)]
    values = [[scale * line["metrics"][objective] for line in moment] for moment in together]
    x = [sum(line[x_name] for line in moment) / len(moment) for moment in together]
    return x, [sum(v) / len(v) for v in values], [min(v) for v in values], [max(v) for v in values]


def _reach(spread: Spread, scale: float) -> list[list[float]] | None:
    if spread.low is None or spread.high is None:
        return None
    return [[(spread.mean - spread.low) * scale], [(spread.high - spread.mean) * scale]]


def _label(row: Row) -> str:
    said = ", ".join(f"{field.rpartition('.')[2]} {json.dumps(value)}" for field, value in row.changes.items())
    return f"{row.name} {said}".strip() if len(said) <= 60 else row.name
