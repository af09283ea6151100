"""What came out of a study: a row for each configuration, with intervals over its seeds; as a table, JSON, CSV and a picture."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from locoenvs.evidence.compare import Comparison
from locoenvs.evidence.metrics import UNITS
from locoenvs.evidence.result import shown_in
from locoenvs.machine import hardware, versions
from locoenvs.training.study.spec import BASE, Configuration, amount
from locoenvs.training.study.state import TIES, State

FORMAT = "locoenvs.study_result"

STUDENT = (12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131)
"""The 97.5 % quantile of Student's t with 1, 2, ... degrees of freedom."""


@dataclass(frozen=True)
class Spread:
    """A mean over seeds with its 95 % interval, None where one seed is all there is."""

    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Row:
    """A configuration where it is: ``numbers`` over its seeds of the objective and of what decides between equal ones, of the training
    ``reward``, its ``minutes`` and its ``samples``; ``updates`` and ``samples`` are the most of any seed; so many seeds were
    ``stopped_by_the_bar``; ``rank`` among those that finished, 1 is the best by validation; ``error`` of what failed."""

    name: str
    changes: Mapping[str, Any]
    status: str
    rank: int | None
    seeds: int
    updates: int
    samples: int
    numbers: dict[str, Spread]
    error: str | None = None
    stopped_by_the_bar: int = 0


def spread(values: Sequence[float], share: bool = False) -> Spread:
    """The mean with the interval of Student's t, which takes the seeds' values as normally distributed; within 0 and 1 for a ``share``."""
    count, mean = len(values), sum(values) / len(values)
    if count < 2:
        return Spread(mean, None, None)
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / (count - 1))
    reach = STUDENT[min(count - 1, len(STUDENT)) - 1] * deviation / math.sqrt(count)
    low, high = mean - reach, mean + reach
    return Spread(mean, max(low, 0.0), min(high, 1.0)) if share else Spread(mean, low, high)


def metrics_of(state: State) -> tuple[str, ...]:
    """The validation metrics that a study tells: its objective first."""
    return tuple(dict.fromkeys((state.study.objective, *TIES)))


def rows(state: State) -> list[Row]:
    """A row for each configuration, in their order."""
    last = len(state.study.rungs) - 1
    done = [each for each in state.configurations if state.status(each) == "finished"]
    order = sorted(done, key=lambda each: state.rank(each, last), reverse=True)
    return [_row(state, each, order.index(each) + 1 if each in order else None) for each in state.configurations]


def _row(state: State, configuration: Configuration, rank: int | None) -> Row:
    rung = max(state.rungs_of(configuration) - 1, 0)
    reached = state.at(configuration, rung)
    numbers = {}
    for name in metrics_of(state):
        values = [each.metrics[name] for each in reached if name in each.metrics]
        if values:
            numbers[name] = spread(values, UNITS[name] == "%")
    if reached:
        numbers["reward"] = spread([each.reward for each in reached])
        numbers["minutes"] = spread([each.seconds / 60 for each in reached])
        numbers["samples"] = spread([each.samples for each in reached])
    return Row(
        configuration.name,
        configuration.values,
        state.status(configuration),
        rank,
        len(reached),
        max((each.update for each in reached), default=0),
        max((each.samples for each in reached), default=0),
        numbers,
        state.failed.get(configuration.name),
        sum(each.stopped_by_the_bar for each in reached),
    )


def table(state: State) -> Table:
    """The rows for people: the base, then the best first, those that were pruned after them."""
    fields = fields_of(state)
    metrics = metrics_of(state)
    output = Table(
        title=f"{state.folder.name}: {amount(state.study.budget)} {state.study.unit}, seeds {', '.join(map(str, state.study.seeds))}",
        caption="on validation streams, mean over seeds and its 95 % interval; the training's own reward decides nothing",
    )
    output.add_column("", no_wrap=True)
    for field in fields:
        output.add_column(field, overflow="fold")
    output.add_column("status", no_wrap=True)
    heads = [f"{name.removesuffix('_rate').replace('_', ' ')}, {UNITS[name]}" for name in metrics]
    until_bar = ("stopped by the bar", "M samples") if state.study.until_bar else ()
    for head in (*heads, "reward, 1/s", "minutes", *until_bar):
        output.add_column(head, justify="right")
    best = state.best()
    for row in in_order(state):
        cells = [_shown(row.numbers.get(name), UNITS[name]) for name in metrics]
        cells += [f"{row.numbers[name].mean:.3g}" if name in row.numbers else "" for name in ("reward", "minutes")]
        cells += _until_bar(row) if until_bar else []
        mark = " *" if best is not None and row.name == best.name else ""
        output.add_row(row.name + mark, *(_value(row, field) for field in fields), row.status, *cells)
    return output


def fields_of(state: State) -> list[str]:
    """The fields that configurations differ by."""
    return list(dict.fromkeys(field for each in state.configurations for field in each.changes))


def in_order(state: State) -> list[Row]:
    """The rows: the base, then the best first, those that did not finish after them."""
    return sorted(rows(state), key=lambda row: (row.name != BASE, row.rank or math.inf, -row.updates))


def _until_bar(row: Row) -> list[str]:
    """How many seeds were good enough, and after how many samples they were, or gave up."""
    samples = row.numbers.get("samples")
    return ["", ""] if samples is None else [f"{row.stopped_by_the_bar} of {row.seeds}", f"{samples.mean / 1e6:.3g}"]


def _value(row: Row, field: str) -> str:
    return json.dumps(row.changes[field]) if field in row.changes else "-"


def _shown(number: Spread | None, unit: str) -> str:
    if number is None:
        return ""
    if number.low is None or number.high is None:
        return shown_in(number.mean, unit)
    return f"{shown_in(number.mean, unit)}\n{shown_in(number.low, unit)} to {shown_in(number.high, unit)}"


def to_json(state: State, comparisons: Sequence[Comparison], curves: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """All of it: what was asked, the rows, each run's values at each rung, its validations, and the comparisons with the base."""
    best = state.best()
    document = {
        "format": FORMAT,
        "format_version": 1,
        "study": (state.folder / "study.toml").read_text(),
        "environment": state.study.env_id,
        "objective": state.study.objective,
        "rungs": state.study.rungs,
        "unit": state.study.unit,
        "seeds": state.study.seeds,
        "best": None if best is None else best.name,
        "rows": [asdict(row) for row in rows(state)],
        "runs": {run: [each.document() for each in rungs] for run, rungs in state.reached.items()},
        "validations": curves,
        "comparisons": [json.loads(each.to_json()) for each in comparisons],
        "hardware": hardware(),
        "versions": versions("locoenvs", "mujoco", "torch", "jax", "ray", "numpy"),
    }
    return json.dumps(document, indent=1) + "\n"


def to_csv(state: State) -> str:
    """A line for each run at each rung that it got to."""
    fields, metrics = fields_of(state), metrics_of(state)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    own = ("update", "samples", "seconds", "stopped_by_the_bar", "reward")
    heads = ("configuration", "seed", *fields, "status", *own, *metrics)
    writer.writerow(heads)
    for configuration in state.configurations:
        for seed in state.study.seeds:
            for each in state.reached.get(configuration.run(seed), []):
                changed = [
                    json.dumps(configuration.values[field]) if field in configuration.values else "" for field in fields
                ]
                stopped = int(each.stopped_by_the_bar)
                told = (each.update, each.samples, round(each.seconds, 2), stopped, each.reward)
                values = (each.metrics.get(name, "") for name in metrics)
                writer.writerow((configuration.name, seed, *changed, state.status(configuration), *told, *values))
    return text.getvalue()
