"""A comparison for people: as tables and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.table import Table
from rich.text import Text

from locoenvs.evidence.compare import JUDGED, Comparison, OfPanel
from locoenvs.evidence.metrics import UNITS
from locoenvs.evidence.paired import GOOD, Difference, word
from locoenvs.evidence.plots import figure_of, plain, save
from locoenvs.evidence.result import shown_in

_COLORS = {"better": "green", "worse": "red", "": ""}


def table(comparison: Comparison) -> Table:
    """Every metric of which more is better or worse, panel by panel, for people."""
    made = Table(
        title=f"{comparison.b} (B) beside {comparison.a} (A)",
        caption=f"paired 95 % intervals, bootstrap seed {comparison.seed}; trainings with those of the policies that they began from",
    )
    for column in ("panel", "metric"):
        made.add_column(column)
    for column in ("A", "B", "B - A", "95 % interval"):
        made.add_column(column, justify="right")
    made.add_column("B is")
    for panel in comparison.panels:
        kind = panel.panel_class or "does not count for B"
        where = f"{panel.panel}\n{kind}, {panel.backend}{f', {panel.drive}' if panel.drive else ''}"
        for name in GOOD:
            if name in panel.metrics:
                made.add_row(where, *_cells(name, panel.metrics[name]))
                where = ""
        made.add_row(
            where, "judged in, s", *(f"{seconds:.0f}" for seconds in panel.seconds), "", "", "", end_section=True
        )
    for name, values, size in (
        ("samples, M", comparison.samples, 1e6),
        ("wall clock, min", comparison.training_seconds, 60.0),
    ):
        cells = ("unknown" if value is None else f"{value / size:.1f}" for value in values)
        made.add_row("training", name, *cells, "", "", "")
    return made


def _cells(name: str, difference: Difference) -> list[str | Text]:
    unit, said = UNITS[name], word(name, difference)
    label = f"{name.replace('_', ' ')}{'' if unit == '1' else f', {unit}'}"
    interval = (
        ""
        if difference.low is None or difference.high is None
        else f"{_signed(difference.low, unit)} to {_signed(difference.high, unit)}"
    )
    return [
        label,
        shown_in(difference.a, unit),
        shown_in(difference.b, unit),
        _signed(difference.value, unit),
        interval,
        Text(said, _COLORS[said]),
    ]


def _signed(value: float, unit: str) -> str:
    """A difference; shares in percentage points."""
    return f"{100 * value:+.1f}" if unit == "%" else f"{value:+.2g}"


def notes(comparison: Comparison) -> list[str]:
    """What else is to be said, a line each: which groups changed, what could not be compared, which versions differ."""
    said = []
    for panel in comparison.panels:
        for change in ("better", "worse"):
            groups = [
                f"{quantity.replace('_', ' ')} {label} ({name.removesuffix('_rate')} {_signed(found.value, '%')} points)"
                for quantity, label, name, found in panel.groups(change)
            ]
            if groups:
                said.append(f"{panel.panel}, {change}: {', '.join(groups)}")
        if panel.versions:
            pairs = (f"{name} {a or 'none'} and {b or 'none'}" for name, (a, b) in panel.versions.items())
            said.append(f"{panel.panel}, versions of A and B differ: {', '.join(pairs)}")
    return [*said, *(f"nothing beside {name}" for name in comparison.unmatched)]


def picture(comparisons: Sequence[Comparison], path: Path) -> None:
    """Draw how far each B is from the same A, with paired 95 % intervals: success and falls in percentage points, what else is
    better or worse as a share of A's, and the groups in which success or falls changed."""
    others = [name for name in GOOD if name not in JUDGED]
    rates = _rows(comparisons, JUDGED)
    shares = _rows(comparisons, others)
    groups = _group_rows(comparisons)
    rows = max(len(rates), len(shares), len(groups))
    figure = figure_of(21 if groups else 14, max(2 + 0.22 * rows * len(comparisons), 3.5))
    drawn = [(rates, "percentage points", 100.0), (shares, "% of A's", None)]
    drawn += [(groups, "percentage points, groups that changed", 100.0)] if groups else []
    for axes, (each, title, scale) in zip(figure.subplots(1, len(drawn), squeeze=False)[0], drawn):
        for index, comparison in enumerate(comparisons):
            offset = (index - (len(comparisons) - 1) / 2) * 0.6 / len(comparisons)
            points = [(row, found[comparison.b]) for row, found in enumerate(each.values()) if comparison.b in found]
            points = [(row, difference) for row, difference in points if scale or difference.a]
            sizes = [scale or 100 / abs(difference.a) for _, difference in points]
            axes.errorbar(
                [difference.value * size for (_, difference), size in zip(points, sizes)],
                [row + offset for row, _ in points],
                xerr=np.array([_reach(difference, size) for (_, difference), size in zip(points, sizes)])
                .reshape(-1, 2)
                .T,
                fmt="o",
                markersize=4,
                capsize=2,
                label=comparison.b,
            )
        axes.axvline(0, color="black", linewidth=0.8)
        axes.set_yticks(range(len(each)), list(each), fontsize=8)
        axes.set_ylim(len(each) - 0.5, -0.5)
        axes.set_title(f"B - A, {title}", loc="left", fontsize=10)
        plain(axes)
    figure.axes[0].legend(fontsize=8, title=f"A: {comparisons[0].a}", title_fontsize=8)
    save(figure, path)


def _reach(difference: Difference, size: float) -> tuple[float, float]:
    """How far the interval's ends are from the difference, times ``size``; never negative, as a bootstrap's may be."""
    low, high = (difference.value if end is None else end for end in (difference.low, difference.high))
    return max(difference.value - low, 0.0) * size, max(high - difference.value, 0.0) * size


Rows = dict[str, dict[str, Difference]]
"""Label -> B -> difference."""


def _label(panel: OfPanel, name: str) -> str:
    at = f", {panel.backend} {panel.drive or ''}".rstrip() if panel.panel_class == "transfer" else ""
    return f"{panel.panel}{at}: {name.removesuffix('_rate').replace('_', ' ')}"


def _rows(comparisons: Sequence[Comparison], names: Sequence[str]) -> Rows:
    rows: Rows = {}
    for comparison in comparisons:
        for panel in comparison.panels:
            for name in names:
                if name in panel.metrics:
                    rows.setdefault(_label(panel, name), {})[comparison.b] = panel.metrics[name]
    return rows


def _group_rows(comparisons: Sequence[Comparison]) -> Rows:
    rows: Rows = {}
    for comparison in comparisons:
        for panel in comparison.panels:
            for quantity, label, name, found in panel.groups("better") + panel.groups("worse"):
                if quantity != "terrain_and_level":
                    where = f"{quantity.replace('_', ' ')} {label}: {name.removesuffix('_rate')}"
                    rows.setdefault(f"{panel.panel}, {where}", {})[comparison.b] = found
    return rows
