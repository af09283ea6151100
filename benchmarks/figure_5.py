"""Figure 5 of the paper for every shipped policy of rough ground: success against the size of what must be crossed.

::

    python -m locoenvs.benchmarks.figure_5 --out docs/images/figure-5.png

What is drawn lies beside the policies, ``crossing.json``, and, beyond the hardest ground of training, in ``benchmarks/results/panels``: nothing is evaluated.
"""

from __future__ import annotations

from pathlib import Path

import tyro

from locoenvs.evidence.panel import panel_of
from locoenvs.evidence.plots import difficulty, figure_of, plain, save
from locoenvs.evidence.result import Result
from locoenvs.policies.policy import POLICIES, load_policy
from locoenvs.tasks.task import Terrain
from locoenvs.tasks.vocabulary import TILE_KINDS

KINDS = ("stairs_up", "stairs_down", "obstacles", "slope_up", "slope_down")
SHIPPED = tuple(sorted(folder.name for folder in POLICIES.iterdir() if "_rough" in folder.name))
PANELS = Path("benchmarks/results/panels")


def curve(result: Result, terrain: Terrain, kind: str) -> tuple[list[float], list[float]]:
    """Sizes, m or degrees, and the share of the robots that crossed, %, of the levels of a kind of tile."""
    found = result.strata["terrain_and_level"]
    levels = [level for level in range(terrain.levels) if f"{kind} {level}" in found]
    sizes = [difficulty(terrain, kind, level) for level in levels]
    return sizes, [100 * found[f"{kind} {level}"]["success_rate"].value for level in levels]


def figure_5(policies: tuple[str, ...] = SHIPPED, beyond: Path = PANELS, out: Path = Path("figure-5.png")) -> None:
    """Draw what was found on panel ``crossing``, and, dashed, on ``beyond`` where that was judged.

    Args:
        policies: Names of shipped policies.
        beyond: Folder of results NAME-beyond.json.
        out: The picture.
    """
    figure = figure_of(20, 4)
    places = figure.subplots(1, len(KINDS), sharey=True)
    for index, name in enumerate(policies):
        task = load_policy(POLICIES / name).task
        files = {"crossing": POLICIES / name / "crossing.json", "beyond": beyond / f"{name}-beyond.json"}
        for panel, file in files.items():
            if not file.exists():
                continue
            result, terrain = Result.from_json(file.read_text(), str(file)), panel_of(task, panel).task.terrain
            for axes, kind in zip(places, KINDS):
                look = ("-", "o", name) if panel == "crossing" else ("--", "", None)
                axes.plot(
                    *curve(result, terrain, kind), linestyle=look[0], marker=look[1], markersize=4, label=look[2],
                    color=f"C{index}", alpha=0.9,
                )  # fmt: skip
    for axes, kind in zip(places, KINDS):
        _, unit = TILE_KINDS[kind].measure or ("", "")
        axes.set(xlabel=unit, ylim=(-3, 103))
        axes.set_title(kind.replace("_", " "), loc="left")
        axes.locator_params(axis="x", nbins=6)
        plain(axes)
    places[0].set_ylabel("cross their tile, %")
    places[0].legend(fontsize=8, loc="lower left")
    save(figure, out)


if __name__ == "__main__":
    tyro.cli(figure_5)
