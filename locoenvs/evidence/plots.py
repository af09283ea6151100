"""The course of a training, and what an evaluation found, as pictures. They need matplotlib."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from locoenvs import install
from locoenvs.evidence.audit import BAR
from locoenvs.evidence.metrics import UNITS
from locoenvs.evidence.result import Result
from locoenvs.tasks.task import Terrain
from locoenvs.tasks.vocabulary import TILE_KINDS

if TYPE_CHECKING:
    from cycler import Cycler
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def learning_picture(records: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw a ledger's updates over time: the reward, each of its terms, how episodes ended, and, if the policy was judged
    meanwhile, what was found."""
    updates = [record for record in records if record["kind"] == "update"]
    if not updates:
        raise ValueError("the ledger has no updates: nothing to draw")
    minutes = [update["elapsed_seconds"] / 60 for update in updates]
    judged = [record for record in records if record["kind"] == "validation"]
    figure = figure_of(19 if judged else 14)
    total, terms, ends, *rest = figure.subplots(1, 4 if judged else 3)
    total.plot(minutes, [update["reward_per_second"] for update in updates], color="tab:blue")
    total.set_title("reward, 1/s", loc="left")
    terms.set_prop_cycle(distinct())
    for name in updates[-1]["terms_per_second"]:
        terms.plot(minutes, [update["terms_per_second"][name] for update in updates], label=name.replace("_", " "))
    terms.set_title("reward terms, 1/s", loc="left")
    terms.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    for name in updates[-1]["resets"]:
        counts = [update["resets"][name] for update in updates]
        ends.plot(minutes, counts, label=name.replace("_", " "), alpha=0.8)
    ends.set_title("episodes ended in an update", loc="left")
    ends.legend(fontsize=8)
    if rest:
        _validations(rest[0], judged)
    for axes in (total, terms, ends, *rest):
        axes.set_xlabel("minutes")
        plain(axes)
    save(figure, path)


def _validations(axes: Axes, judged: Sequence[dict[str, Any]]) -> None:
    """What was found while training, each measured by its bar: at most 1 is good enough."""
    minutes = [record["elapsed_seconds"] / 60 for record in judged]
    for name, limit in BAR.items():
        unit = UNITS[name]
        shown = f"{100 * limit:g} %" if unit == "%" else f"{limit:g} {unit}"
        shares = [record["metrics"][name] / limit for record in judged]
        axes.plot(minutes, shares, marker="o", markersize=3, label=f"{name.replace('_', ' ')} / {shown}")
    axes.axhline(1.0, color="black", linewidth=1, linestyle="--")
    axes.set_yscale("log")
    axes.set_title("validation: part of what the bar allows", loc="left")
    axes.legend(fontsize=8)


def success_picture(result: Result, terrain: Terrain, path: Path) -> None:
    """Draw :func:`success_figure` to a file."""
    save(success_figure(result, terrain), path)


def success_figure(result: Result, terrain: Terrain) -> Figure:
    """The success rate against the difficulty of each kind of tile of a panel's ``terrain``, with 95 % intervals: figure
    5 of the paper.

    Raises ValueError for a result without success by kind of tile and level.
    """
    tiles = result.strata.get("terrain_and_level", {})
    rates = {name: metrics["success_rate"] for name, metrics in tiles.items() if "success_rate" in metrics}
    if not rates:
        raise ValueError(
            f"panel {result.panel!r} has no tiles: success against difficulty is of panels of rough ground"
        )
    crossed: dict[str, list[str]] = {}
    for kind in dict.fromkeys(share.kind for share in terrain.shares):
        if (measure := TILE_KINDS[kind].measure) is not None:
            crossed.setdefault(measure[1], []).append(kind)
    figure = figure_of(4 * max(len(crossed), 1))
    for axes, (title, kinds) in zip(figure.subplots(1, len(crossed), sharey=True, squeeze=False)[0], crossed.items()):
        for kind in kinds:
            on = {level: rates[f"{kind} {level}"] for level in range(terrain.levels) if f"{kind} {level}" in rates}
            if not on:
                continue
            x = [difficulty(terrain, kind, level) for level in on]
            (line,) = axes.plot(x, [100 * rate.value for rate in on.values()], marker="o", label=kind.replace("_", " "))
            low, high = ([100 * (getattr(rate, end) or 0.0) for rate in on.values()] for end in ("low", "high"))
            axes.fill_between(x, low, high, alpha=0.15, color=line.get_color(), linewidth=0)
        axes.set(xlabel=title, ylim=(-3, 103))
        if axes.get_lines():
            axes.legend(fontsize=9, loc="lower left")
        plain(axes)
    figure.axes[0].set_ylabel("cross their tile, %")
    return figure


def groups_picture(result: Result, path: Path) -> None:
    """Draw the success rate against each quantity that a panel's episodes are told apart by, and the falls for those of moments,
    with 95 % intervals. The line is all robots' rate.

    Raises ValueError for a result without strata.
    """
    strata = {name: groups for name, groups in result.strata.items() if groups and name != "terrain_and_level"}
    if not strata:
        raise ValueError(f"panel {result.panel!r} tells nothing apart: there is nothing to draw")
    columns = min(len(strata), 4)
    rows = math.ceil(len(strata) / columns)
    figure = figure_of(3.4 * columns, 2.9 * rows)
    places = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (quantity, groups) in zip(places, strata.items()):
        metric = "success_rate" if all("success_rate" in found for found in groups.values()) else "fall_rate"
        color = "tab:blue" if metric == "success_rate" else "tab:red"
        for place, found in enumerate(groups.values()):
            rate = found[metric]
            low, high = (
                min(rate.low or 0.0, rate.value),
                max(rate.high or 0.0, rate.value),
            )  # but for what rounding does
            ends = [[100 * (rate.value - low)], [100 * (high - rate.value)]]
            axes.errorbar(place, 100 * rate.value, yerr=ends, fmt="o", color=color, capsize=3)
        if metric == "success_rate":
            axes.axhline(100 * result.metrics[metric].value, color="black", linewidth=0.8, alpha=0.5)
        axes.set(xlim=(-0.5, len(groups) - 0.5), ylim=(-3, 103))
        axes.set_xticks(range(len(groups)), [_wrapped(label) for label in groups], fontsize=7)
        axes.set_ylabel({"success_rate": "success, %", "fall_rate": "falls, %"}[metric], fontsize=8)
        axes.set_title(quantity.replace("_", " "), loc="left", fontsize=10)
        plain(axes)
    for axes in places[len(strata) :]:
        axes.set_visible(False)
    save(figure, path)


def _wrapped(label: str) -> str:
    """A group's label in two lines, where it has a range."""
    return label.replace(" to ", " to\n", 1).replace("_", "\n").replace("level ", "")


def difficulty(terrain: Terrain, kind: str, level: int) -> float:
    """What a tile of that kind and level has of what its kind is measured by; slopes in degrees."""
    parameter, title = TILE_KINDS[kind].measure or ("", "")
    easiest, hardest = next(share.parameters[parameter] for share in terrain.shares if share.kind == kind)
    value = easiest + (hardest - easiest) * level / max(terrain.levels - 1, 1)
    return math.degrees(math.atan(value)) if title.endswith("degrees") else value


def distinct() -> Cycler:
    """Lines that can be told apart: nineteen colors, then the same ones dashed."""
    from cycler import cycler
    from matplotlib import colormaps

    colors = [color for name in ("tab10", "Dark2") for color in colormaps[name].colors]  # type: ignore[attr-defined]
    return cycler(linestyle=["-", "--"]) * cycler(color=["black", *colors])


def figure_of(width: float, height: float = 4) -> Figure:
    """An empty figure of that size, inches."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(f"pictures need matplotlib: {install.line('viz')}") from error
    return Figure(figsize=(width, height), dpi=100, layout="constrained")


def plain(axes: Axes) -> None:
    """A faint grid, and no lines above and at the right: how all plots look."""
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def check_picture(path: Path) -> None:
    """Raise ValueError for a name that no picture can be written by, and ImportError without matplotlib: before what it shows is made."""
    kinds = figure_of(1, 1).canvas.get_supported_filetypes()
    if path.suffix[1:].lower() not in kinds:
        raise ValueError(f"{path}: a picture's name must end in one of {', '.join(f'.{kind}' for kind in kinds)}")


def save(figure: Figure, path: Path, dpi: float | None = None) -> None:
    """Write a figure, with its own dots an inch unless ``dpi`` says others."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi="figure" if dpi is None else dpi)
