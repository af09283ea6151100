"""Figure 3 of the paper for a training on tiles: where its robots are on the map at two moments, and how many are on each level meanwhile.

::

    python -m locoenvs.benchmarks.figure_3 locoenvs/policies/shipped/anymal_c_rough_lstm --out docs/images/figure-3.png

The folder is a run's, or a shipped policy's: what is drawn is in its ``recipe.json`` and ``ledger.jsonl``. A ledger has how many robots are on
each level of each kind of tile, not where: a kind's robots are shared out among its tiles of their level, and lie anywhere on them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import tyro

from locoenvs.evidence.plots import check_picture, figure_of, save
from locoenvs.mdp.terrain import HeightMap, map_of
from locoenvs.training.begin import task_of_run
from locoenvs.training.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS = 80
"""Stretches of the training that a distribution is averaged over."""


def updates_of(folder: Path) -> list[dict[str, Any]]:
    """The ledger's lines of the updates of a training on tiles.

    Raises FileNotFoundError for a folder without recipe or ledger, and ValueError for a training that has no levels.
    """
    run = Run.open(folder)
    if not run.ledger.exists():
        raise FileNotFoundError(
            f"{folder} has no ledger.jsonl: take the folder of a run, or a policy's in a source checkout"
        )
    lines = [line for line in run.records() if line["kind"] == "update" and "level_counts" in line]
    if not lines:
        raise ValueError(f"{folder}: its ledger has no level_counts: figure 3 is of a training on tiles")
    return lines


def line_of(lines: Sequence[dict[str, Any]], update: int) -> dict[str, Any]:
    """The line of an update. Raises ValueError for one that the ledger does not have."""
    for line in lines:
        if line["update"] == update:
            return line
    raise ValueError(
        f"update {update} is not in the ledger: take one from {lines[0]['update']} to {lines[-1]['update']}"
    )


def places(ground: HeightMap, tile: float, counts: Mapping[str, Sequence[int]]) -> np.ndarray:
    """A place for each robot, x and y, m, (robots, 2), of how many are on each level of each kind of tile.

    The robots of a kind and level are shared out evenly among its columns, the rest to columns by lot, and lie anywhere on their tile's inner nine tenths.
    """
    rng, found = np.random.default_rng(0), list[np.ndarray]()
    for kind, levels in counts.items():
        columns = [column for column, name in enumerate(ground.kinds) if name == kind]
        for level, robots in enumerate(levels):
            rounds = [rng.permutation(columns) for _ in range(math.ceil(robots / len(columns)))]
            own = np.array(rounds, dtype=int).ravel()[:robots]
            centers = ground.tile_centers[level, own, :2]
            found.append(centers + rng.uniform(-0.45, 0.45, (robots, 2)) * tile)
    return np.concatenate(found)


def shares(lines: Sequence[dict[str, Any]], kind: str, bins: int = BINS) -> tuple[np.ndarray, np.ndarray]:
    """Edges of stretches of a training, millions of samples (B + 1,), and the percentage of a kind's robots on each level in each, (levels, B)."""
    parts = np.array_split(np.arange(len(lines)), min(bins, len(lines)))
    counts = np.array([line["level_counts"][kind] for line in lines], dtype=float)
    samples = np.array([line["samples"] for line in lines]) / 1e6
    first = 2 * samples[0] - samples[1] if len(samples) > 1 else 0.0
    edges = np.array([max(first, 0.0), *(samples[part[-1]] for part in parts)])
    told = np.array([counts[part].sum(axis=0) for part in parts])
    return edges, 100 * (told / told.sum(axis=1, keepdims=True)).T


def draw_map(axes: Axes, ground: HeightMap, tile: float, robots: np.ndarray) -> None:
    """The tiles from above, levels upwards, the robots as dots."""
    from matplotlib.colors import LightSource

    levels, columns = ground.tile_centers.shape[:2]
    edge = [
        round((size - count * tile / ground.cell) / 2) for size, count in zip(ground.heights.shape, (columns, levels))
    ]
    inner = ground.heights[edge[0] : ground.heights.shape[0] - edge[0], edge[1] : ground.heights.shape[1] - edge[1]].T
    light = LightSource(azdeg=315, altdeg=50).hillshade(inner, vert_exag=1.5, dx=ground.cell, dy=ground.cell)
    height = (inner - inner.min()) / max(np.ptp(inner), 1e-6)
    axes.imshow(
        0.55 * light + 0.45 * height, cmap="gray", vmin=-0.1, vmax=1.0, origin="lower", extent=(0, columns, 0, levels)
    )
    x, y = robots[:, 1] / tile + columns / 2, robots[:, 0] / tile + levels / 2
    axes.scatter(x, y, s=5, color="tab:red", edgecolors="white", linewidths=0.25)
    kinds = list(dict.fromkeys(ground.kinds))
    for kind in kinds:
        own = [column for column, name in enumerate(ground.kinds) if name == kind]
        axes.text(
            sum(own) / len(own) + 0.5, levels + 0.15, kind.replace("_", "\n"), ha="center", va="bottom", fontsize=7
        )
        axes.axvline(own[0], color="white", linewidth=0.8)
    axes.set_yticks(np.arange(levels) + 0.5, [str(level) for level in range(levels)])
    axes.set(xlim=(0, columns), ylim=(0, levels), ylabel="level", xticks=[])


def figure_3(
    folder: Annotated[Path, tyro.conf.Positional],
    moments: tuple[int, int] | None = None,
    out: Path = Path("figure-3.png"),
) -> None:
    """Draw the map with the robots of two updates, and the distribution over the levels by kind of tile.

    Args:
        folder: A run, or a shipped policy.
        moments: The two updates; by default the first and the last.
        out: The picture.
    """
    check_picture(out)
    run, lines = Run(folder), updates_of(folder)
    task = task_of_run(run, run.recipe())
    chosen = (lines[0]["update"], lines[-1]["update"]) if moments is None else moments
    ground, tile = map_of(task), task.terrain.tile
    kinds = list(dict.fromkeys(ground.kinds))
    figure = figure_of(13, 5.9)
    above, below = figure.subfigures(2, 1, height_ratios=(1.7, 1), squeeze=False)[:, 0]
    for axes, update in zip(above.subplots(1, 2), chosen):
        line = line_of(lines, update)
        draw_map(axes, ground, tile, places(ground, tile, line["level_counts"]))
        axes.set_xlabel(f"update {update:,}, {line['samples'] / 1e6:.2f} M samples")
    found = {kind: shares(lines, kind) for kind in kinds}
    most = max(float(share.max()) for _, share in found.values())
    row = below.subplots(1, len(kinds), sharey=True, squeeze=False)[0]
    for axes, (kind, (edges, share)) in zip(row, found.items()):
        heights = np.arange(len(share) + 1) - 0.5
        shown = axes.pcolormesh(edges, heights, share, cmap="viridis", vmin=0, vmax=most)
        axes.set_title(kind.replace("_", " "), loc="left", fontsize=9)
        axes.set_xlabel("M samples")
        axes.locator_params(axis="x", nbins=4)
    row[0].set_ylabel("level")
    below.colorbar(shown, ax=row, label="robots, %", pad=0.01)
    save(figure, out, dpi=140)


if __name__ == "__main__":
    tyro.cli(figure_3)
