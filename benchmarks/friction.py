"""Success on the steepest slopes against friction: who slips there, and whether a policy is to blame.

::

    python -m locoenvs.benchmarks.friction cassie_rough.json --out benchmarks/results/friction.json --plot docs/images/friction.png

of results that keep what each robot did, as ``locoenvs eval cassie_rough --panel crossing --out cassie_rough.json`` writes them. Nothing is evaluated.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import tyro

from locoenvs.benchmarks import reports
from locoenvs.evidence.plots import figure_of, plain, save
from locoenvs.evidence.result import Result

SLOPES = ("slope_up", "slope_down")
NEEDED = 0.65
"""A coefficient of friction from which on a slope of 25 degrees, which asks for 0.47 of a robot that stands still, leaves something to walk with."""

BINS = 5


def on_the_steepest(result: Result, kind: str) -> list[tuple[float, bool]]:
    """Of each robot on a kind's last level: its coefficient of friction, and whether it left the tile; least friction first.

    Raises ValueError for a result without each robot's own, or without that kind of tile.
    """
    robots = result.robots
    if robots is None:
        raise ValueError(
            f"a result on panel {result.panel!r} without what each robot did: locoenvs eval NAME --out FILE keeps it"
        )
    if kind not in robots.kind or "friction" not in robots.drawn:
        raise ValueError(
            f"a result on panel {result.panel!r}, which has no {kind} or one friction for all: take panel crossing"
        )
    last = max(level for each, level in zip(robots.kind, robots.level) if each == kind)
    rows = [row for row, place in enumerate(zip(robots.kind, robots.level)) if place == (kind, last)]
    return sorted((robots.drawn["friction"][row], robots.succeeded[row]) for row in rows)


def share(robots: list[tuple[float, bool]], low: float, high: float = math.inf) -> float:
    """Of the robots with a friction from ``low`` to less than ``high``, those that came across, %; nan where there are none."""
    crossed = [came for friction, came in robots if low <= friction < high]
    return 100 * sum(crossed) / len(crossed) if crossed else math.nan


def friction(
    results: Annotated[tuple[Path, ...], tyro.conf.Positional],
    out: Path = Path("friction.json"),
    plot: Path | None = None,
) -> None:
    """Tell apart who had the friction for the steepest slopes.

    Args:
        results: Files of ``locoenvs eval NAME --panel crossing --out NAME.json``, each told by its own name.
        out: Where the result goes, as JSON.
        plot: A picture.
    """
    told = {}
    for path in results:
        result = Result.from_json(path.read_text(), str(path))
        ways = {kind: on_the_steepest(result, kind) for kind in SLOPES}
        told[path.stem] = {
            "panel_hash": result.panel_hash,
            "policy_sha256": result.policy_sha256,
            **{kind: {"friction": [mu for mu, _ in ways[kind]], "crossed": [came for _, came in ways[kind]]} for kind in SLOPES},
        }  # fmt: skip
        print(
            *(
                f"{path.stem}, {kind}: friction {NEEDED} or more {share(robots, NEEDED):.0f} % of "
                f"{sum(mu >= NEEDED for mu, _ in robots)}, less {share(robots, 0.0, NEEDED):.0f} % of {sum(mu < NEEDED for mu, _ in robots)}"
                for kind, robots in ways.items()
            ),
            sep="\n",
        )
    reports.write(out, {"needed": NEEDED, "policies": told}, indent=None)
    if plot is not None:
        draw(out, plot)


def draw(source: Path, out: Path) -> None:
    """Draw what :func:`friction` wrote: success in fifths of the range of friction, each way."""
    policies = reports.read(source)["policies"]
    figure = figure_of(10, 4)
    for axes, kind in zip(figure.subplots(1, len(SLOPES), sharey=True), SLOPES):
        for name, found in policies.items():
            robots = list(zip(found[kind]["friction"], found[kind]["crossed"]))
            low, high = robots[0][0], robots[-1][0]
            edges = [low + (high - low) * part / BINS for part in range(BINS)] + [math.inf]
            rates = [share(robots, *pair) for pair in zip(edges, edges[1:])]
            axes.plot([low + (high - low) * (part + 0.5) / BINS for part in range(BINS)], rates, marker="o", markersize=4, label=name, alpha=0.9)  # fmt: skip
        axes.axvline(math.tan(math.radians(25)), color="black", linewidth=1, linestyle="--")
        axes.set(xlabel="coefficient of friction", ylim=(-3, 103))
        axes.set_title(f"{kind.replace('_', ' ')}, 25 degrees", loc="left")
        plain(axes)
    figure.axes[0].set_ylabel("cross their tile, %")
    figure.axes[0].legend(fontsize=8, loc="lower right")
    save(figure, out)


if __name__ == "__main__":
    tyro.cli(friction)
