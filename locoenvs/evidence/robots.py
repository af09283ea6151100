"""What each robot of an evaluation did: what comparisons in pairs are made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from pydantic.dataclasses import dataclass

from locoenvs.evidence.manifest import Panel
from locoenvs.evidence.metrics import UNITS, fractions_of, groups_of
from locoenvs.evidence.quantities import QUANTITIES
from locoenvs.evidence.record import Record
from locoenvs.tasks.documents import Name, shown
from locoenvs.tasks.robot import CONFIG

DIGITS = 6
"""Significant digits that are kept."""


@dataclass(frozen=True, config=CONFIG)
class Robots:
    """One entry a robot in each list, in the order of the robots.

    ``kind`` and ``level`` of the tile; ``drawn``: what was drawn for it, where that differs between robots or a stratum is of it;
    ``groups``: stratum -> the group that its episode belongs to, "" for none; ``seconds`` its episode lasted, and why it ended.
    ``numerators`` and ``denominators`` are of the metrics: a metric is the sum of the former over the sum of the latter, which are
    left out where all are 1.
    """

    kind: list[Name]
    level: list[int]
    drawn: dict[Name, list[float]]
    groups: dict[Name, list[Name]]
    succeeded: list[bool]
    fell: list[bool]
    seconds: list[float]
    reset_reason: list[Name]
    numerators: dict[Name, list[float]]
    denominators: dict[Name, list[float]]

    def check(self, count: int, name: str) -> None:
        """Raise ValueError, calling the file ``name``, unless there are ``count`` robots with metrics and quantities that exist."""
        for field, values in self._lists():
            if len(values) != count:
                raise ValueError(
                    f"{name}: robots.{field}: {len(values)} entries for {count} robots: it was cut or changed"
                )
        for field, words, known in (
            ("numerators", self.numerators, UNITS),
            ("denominators", self.denominators, self.numerators),
            ("drawn", self.drawn, QUANTITIES),
            ("groups", self.groups, QUANTITIES),
        ):
            if unknown := sorted(set(words) - set(known)):
                raise ValueError(f"{name}: robots.{field}: unknown {shown(unknown[0])}; there are {', '.join(known)}")

    def _lists(self) -> Iterator[tuple[str, Sequence[object]]]:
        for field, values in vars(self).items():
            if isinstance(values, dict):
                yield from ((f"{field}.{name}", inner) for name, inner in values.items())
            elif isinstance(values, list):
                yield field, values

    def fractions(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Metric -> numerators (N,) and denominators (N,), the rates among them."""
        one = np.ones(len(self.fell))
        rates = {"success_rate": (self.succeeded, one), "fall_rate": (self.fell, one)}
        others = {name: (values, self.denominators.get(name, one)) for name, values in self.numerators.items()}
        return {name: (np.asarray(a, float), np.asarray(b, float)) for name, (a, b) in (rates | others).items()}


def robots_of(panel: Panel, record: Record, reasons: Sequence[str]) -> Robots:
    """What each robot of a panel did; ``reasons`` are the names of the reset reasons."""
    told = {stratum.quantity for stratum in panel.strata}
    fractions = fractions_of(record, record.alive, np.ones(len(record.level), bool))
    groups: dict[str, list[str]] = {}
    for stratum in panel.strata:
        for label, moments, whole in groups_of(panel, stratum, record):
            if whole:
                of_all = groups.setdefault(stratum.quantity, [""] * len(record.level))
                for robot in np.flatnonzero(moments.any(axis=0)):
                    of_all[robot] = label
    return Robots(
        kind=record.kind.tolist(),
        level=record.level.tolist(),
        drawn={name: _short(values) for name, values in record.drawn.items() if name in told or np.ptp(values) > 0},
        groups=groups,
        succeeded=record.succeeded.tolist(),
        fell=np.asarray(record.fell_at.any(axis=0)).tolist(),
        seconds=_short(record.alive.sum(axis=0) * record.dt),
        reset_reason=[reasons[reason] for reason in record.reset_reason],
        numerators={name: _short(above) for name, (above, _) in fractions.items()},
        denominators={name: _short(below) for name, (_, below) in fractions.items() if (below != 1).any()},
    )


def _short(values: np.ndarray) -> list[float]:
    return [float(f"{value:.{DIGITS}g}") for value in values]
