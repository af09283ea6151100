"""What a policy achieved on a panel: as a file and as tables."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass
from rich.table import Table

from locoenvs.evidence.metrics import UNITS, Metrics
from locoenvs.evidence.robots import Robots
from locoenvs.tasks import documents
from locoenvs.tasks.robot import CONFIG

_HEADINGS = {
    "success_rate": "success",
    "fall_rate": "falls",
    "velocity_error": "v error",
    "yaw_rate_error": "yaw error",
    "cost_of_transport": "CoT",
    "foot_slip": "slip",
}
"""What the tables of strata show, and call it."""


@dataclass(frozen=True, config=CONFIG)
class Result:
    """What a policy achieved on a panel. ``metrics`` are those of :data:`UNITS`; ``strata``: quantity -> group -> metrics;
    ``episode_seconds`` is the mean length of the episodes; ``inputs`` are, of a policy that normalizes what it sees, slot -> how far
    from 0 and how spread that is after it; ``options`` are those of the backend that decide what comes out,
    which version 0.1.0 did not tell. ``policy`` says what is known of it: its ``name``, the ``drive`` and the ``backend`` that it was
    trained with, its ``samples`` and ``training_seconds``, and with ``_before`` those of the policies that it began from. ``robots`` is
    what each robot did, which not every file keeps. ``split`` is the panel's."""

    panel: str
    panel_hash: str
    task_hash: str
    policy_sha256: str | None
    backend: str
    num_robots: int
    episode_seconds: float
    metrics: Metrics
    reset_reasons: dict[str, int]
    strata: dict[str, dict[str, Metrics]]
    versions: dict[str, str]
    wall_seconds: float
    options: dict[str, bool | int | float | str | None] = field(default_factory=dict)
    inputs: dict[str, tuple[float, float]] = field(default_factory=dict)
    drive: str | None = None
    policy: dict[documents.Name, int | float | str | None] = field(default_factory=dict)
    robots: Robots | None = None
    split: Literal["panel", "validation"] = "panel"

    def to_json(self, robots: bool = True) -> str:
        """The result as a file holds it, one field a line; ``robots`` False leaves out what each robot did."""
        document = dataclasses.asdict(dataclasses.replace(self, robots=None))
        later = {name: document.pop(name) for name in ("inputs", "drive", "policy", "robots")}
        if self.split == "panel":
            del document["split"]  # as files of before, which do not tell
        text = json.dumps(document | {name: value for name, value in later.items() if value}, indent=2)
        if robots and self.robots is not None:
            each = json.dumps(dataclasses.asdict(self.robots), separators=(",", ":"))
            text = f'{text.removesuffix("}").rstrip()},\n  "robots": {each}\n}}'
        return text + "\n"

    @staticmethod
    def from_json(text: str | bytes, name: str = "the evaluation") -> Result:
        """The result of :meth:`to_json`; errors call it ``name``. Raises ValueError naming the first field that is wrong."""
        result = documents.valid(_ADAPTER, documents.parsed(text, name), name)
        groups = [group for stratum in result.strata.values() for group in stratum.values()]
        for metrics in (result.metrics, *groups):
            if unknown := sorted(set(metrics) - set(UNITS)):
                raise ValueError(f"{name}: unknown metric {documents.shown(unknown[0])}; there are {', '.join(UNITS)}")
            if "fall_rate" not in metrics:
                raise ValueError(f"{name}: metrics without fall_rate, which every group of robots has")
        if result.robots is not None:
            result.robots.check(result.num_robots, name)
        return result


_ADAPTER: TypeAdapter[Result] = TypeAdapter(Result)


def _said(options: Mapping[str, object]) -> list[str]:
    return [f"{name} {value}" for name, value in options.items()]


def table(result: Result) -> Table:
    """The metrics of all robots, for people."""
    reasons = ", ".join(f"{name} {count}" for name, count in result.reset_reasons.items())
    made = Table(
        title=", ".join([result.panel, f"{result.num_robots} robots", result.backend, *_said(result.options)]),
        caption=f"panel {result.panel_hash}; episodes ended by {reasons}; {result.wall_seconds:.0f} s",
    )
    for column in ("metric", "mean", "95 % interval", "unit"):
        made.add_column(column, justify="right" if column in ("mean", "95 % interval") else "left")
    for name, estimate in result.metrics.items():
        unit = UNITS[name]
        interval = ""
        if estimate.low is not None and estimate.high is not None:
            interval = f"{shown_in(estimate.low, unit)} to {shown_in(estimate.high, unit)}"
        made.add_row(name.replace("_", " "), shown_in(estimate.value, unit), interval, "" if unit == "1" else unit)
    return made


def strata_table(result: Result, quantity: str) -> Table:
    """The main metrics group by group of one stratum, for people."""
    groups = result.strata[quantity].values()
    names = [name for name in _HEADINGS if any(name in metrics for metrics in groups)]
    made = Table(title=f"by {quantity.replace('_', ' ')}")
    made.add_column("", no_wrap=True)
    made.add_column("robots", justify="right")
    for name in names:
        made.add_column(f"{_HEADINGS[name]}\n{UNITS[name]}", justify="right")
    for label, metrics in result.strata[quantity].items():
        cells = [shown_in(metrics[name].value, UNITS[name]) if name in metrics else "" for name in names]
        made.add_row(label, str(metrics["fall_rate"].count), *cells)
    return made


def shown_in(value: float, unit: str) -> str:
    """A metric's value as tables show it: shares in per cent."""
    return f"{100 * value:.1f}" if unit == "%" else f"{value:.3g}"
