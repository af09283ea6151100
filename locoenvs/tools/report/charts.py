"""The charts of a report, each one small picture (SVG) that can be read on a telephone. They need matplotlib."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from locoenvs import install
from locoenvs.evidence.plots import distinct, success_figure
from locoenvs.evidence.result import Result
from locoenvs.tasks.task import Terrain
from locoenvs.tools.report.source import Source

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Chart = tuple[str, str]
"""What a picture shows, and the picture as the address of an image."""


def charts_of(sources: Sequence[Source]) -> Iterator[Chart]:
    """The course of the trainings, side by side where there are several."""
    yield _lines(sources, "reward, 1/s", lambda line: line.get("reward_per_second"))
    yield _lines(sources, "samples a second, thousands", lambda line: _thousand(line.get("samples_per_second")))
    yield _lines(sources, "robots of an update that failed", _failed)
    for name, title, scale in (
        ("success_rate", "success, %", 100.0),
        ("fall_rate", "falls, %", 100.0),
        ("velocity_error", "velocity error, m/s", 1.0),
        ("yaw_rate_error", "yaw rate error, rad/s", 1.0),
    ):
        yield _lines(sources, f"validation: {title}", _inner("metrics", name, scale), "validations")
    yield _lines(sources, "KL divergence of an update", _inner("policy_lag", "kl"))
    yield _lines(sources, "share of ratios beyond the clip", _inner("policy_lag", "clip_fraction"))
    yield _lines(sources, "explained variance of the values", lambda line: line.get("explained_variance"))
    for source in sources:
        if source.updates:
            whose = f" ({source.name})" if len(sources) > 1 else ""
            for name, title in (
                ("terms_per_second", "reward terms, 1/s"),
                ("resets", "episodes that ended in an update"),
                ("levels", "mean level by kind of tile"),
            ):
                if all(name in line for line in source.updates):
                    yield _groups(source, name, f"{title}{whose}")
            yield from _level_maps(source, whose)


def success_chart(result: Result, terrain: Terrain) -> Chart:
    """Figure 5 of the paper for a panel of tiles."""
    return f"success against difficulty, {result.panel}", _address(success_figure(result, terrain))


def _inner(group: str, name: str, scale: float = 1.0) -> Callable[[dict[str, Any]], float | None]:
    """A number of a group of a line, None where a line has none."""

    def value(line: dict[str, Any]) -> float | None:
        found = line.get(group, {}).get(name)
        return None if found is None else scale * found

    return value


def _thousand(value: float | None) -> float | None:
    return None if value is None else value / 1000


def _failed(line: dict[str, Any]) -> float | None:
    return (
        None
        if "resets" not in line
        else float(sum(count for name, count in line["resets"].items() if name != "time_limit"))
    )


def _lines(
    sources: Sequence[Source], title: str, value: Callable[[dict[str, Any]], float | None], of: str = "updates"
) -> Chart:
    """A number of a ledger's lines over the minutes of the trainings; an empty address where no line has it."""
    figure, axes = _figure()
    for source in sources:
        points = [(line["elapsed_seconds"] / 60, value(line)) for line in getattr(source, of)]
        known = [(minutes, number) for minutes, number in points if number is not None]
        if known:
            axes.plot(*zip(*known), label=source.name, marker="o" if of == "validations" else None, markersize=4)
    if not axes.get_lines():
        return title, ""
    if len(sources) > 1:
        axes.legend(fontsize=8, frameon=False)
    return title, _finished(figure, axes)


def _groups(source: Source, name: str, title: str) -> Chart:
    """Every number of a group of a ledger's lines over the minutes of a training."""
    figure, axes = _figure()
    axes.set_prop_cycle(distinct())
    minutes = [line["elapsed_seconds"] / 60 for line in source.updates]
    for each in source.updates[-1][name]:
        axes.plot(minutes, [line[name].get(each, np.nan) for line in source.updates], label=each.replace("_", " "))
    figure.legend(fontsize=7, frameon=False, loc="outside lower center", ncols=3)
    return title, _finished(figure, axes)


def _level_maps(source: Source, whose: str) -> Iterator[Chart]:
    """Figure 3 of the paper: how many robots of each kind of tile are on each level, as the training goes on."""
    lines = [line for line in source.updates if "level_counts" in line]
    if not lines:
        return
    minutes = [line["elapsed_seconds"] / 60 for line in lines]
    for kind in lines[-1]["level_counts"]:
        counts = np.array(
            [line["level_counts"].get(kind, [0] * len(lines[-1]["level_counts"][kind])) for line in lines]
        )
        share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        figure, axes = _figure()
        extent = (minutes[0], max(minutes[-1], minutes[0] + 1e-3), -0.5, share.shape[1] - 0.5)
        shown = axes.imshow(100 * share.T, origin="lower", aspect="auto", extent=extent, cmap="viridis", vmin=0)
        figure.colorbar(shown, ax=axes, label="robots, %")
        axes.set_ylabel("level")
        yield f"levels of {kind.replace('_', ' ')}{whose}", _finished(figure, axes, grid=False)


def _figure() -> tuple[Figure, Axes]:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(f"a report needs matplotlib: {install.line('viz')}") from error
    figure = Figure(figsize=(4.6, 3.0), layout="constrained")
    return figure, figure.subplots()


def _finished(figure: Figure, axes: Axes, grid: bool = True) -> str:
    axes.set_xlabel("minutes")
    if grid:
        axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    return _address(figure)


def _address(figure: Figure) -> str:
    """A figure as the address of an image that holds it."""
    from matplotlib import rc_context

    file = io.BytesIO()
    with rc_context({"svg.hashsalt": "locoenvs"}):  # the same picture in the same bytes
        figure.savefig(file, format="svg", metadata={"Date": None})
    return f"data:image/svg+xml;base64,{base64.b64encode(file.getvalue()).decode()}"
