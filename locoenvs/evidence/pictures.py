"""Pictures of what a task contains. They need matplotlib, which nothing else of the task does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from locoenvs.mdp.terrain import HeightMap, build, ground_height
from locoenvs.tasks.task import Terrain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap, Normalize

_MARGIN = 2.0  # m of the border to show
_PANELS = 4  # in a row


def terrain_picture(terrain: Terrain, path: Path) -> None:
    """Draw a map of tiles from above and a section of each kind's hardest tile into an image file at ``path``.

    Sections run along x through the tile's center, heights and lengths to the same scale. Colors resolve small heights
    more finely than large ones.
    """
    try:
        from matplotlib import colormaps
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import AsinhNorm
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("pictures need matplotlib: pip install matplotlib") from error
    if terrain.kind != "tiles":
        raise ValueError(f'terrain.kind {terrain.kind!r} has nothing to draw: use Terrain(kind="tiles")')

    ground = build(terrain)
    kinds = list(dict.fromkeys(ground.kinds))
    limit = max(float(np.abs(ground.heights).max()), 0.1)
    colors, norm = colormaps["BrBG_r"], AsinhNorm(linear_width=limit / 10, vmin=-limit, vmax=limit)

    rows = -(-len(kinds) // _PANELS)
    map_height = min(12.0 * (terrain.levels + 0.5) / (terrain.columns + 0.5), 10.0)
    panel_height = 3.2 * (2 * limit + 0.6) / terrain.tile + 0.35
    figure = Figure(figsize=(14, map_height + rows * panel_height + 1.2), dpi=100, layout="constrained")
    grid = figure.add_gridspec(2, 1, height_ratios=(map_height + 0.5, rows * panel_height + 0.7))
    above, below = figure.add_subfigure(grid[0]), figure.add_subfigure(grid[1])

    axes = above.subplots()
    _view_from_above(axes, terrain, ground, colors, norm)
    ticks = [share * limit for share in (-1, -0.5, -0.2, -0.05, 0, 0.05, 0.2, 0.5, 1)]
    scale = ScalarMappable(norm, colors)
    above.colorbar(
        scale, ax=axes, fraction=0.03, pad=0.01, ticks=ticks, format="%+.2f", label="height, m"
    ).minorticks_off()

    panels = below.subplots(rows, _PANELS, sharex=True, sharey=True, squeeze=False).ravel()
    for panel in panels[len(kinds) :]:
        panel.set_axis_off()
    for panel, kind in zip(panels, kinds):
        along, heights = _section(terrain, ground, ground.kinds.index(kind))
        panel.fill_between(along, heights, -limit - 0.3, color="0.85", linewidth=0)
        panel.plot(along, heights, color="0.15", linewidth=1.2)
        panel.set(xlim=(along[0], along[-1]), ylim=(-limit - 0.3, limit + 0.3), aspect="equal")
        panel.set_title(f"{_words(kind)}, level {terrain.levels - 1}", fontsize=10, loc="left")
        panel.spines[["top", "right"]].set_visible(False)
    below.supxlabel("along x from the tile's center, m", fontsize=10)
    below.supylabel("height, m", fontsize=10)
    figure.savefig(path)


def _view_from_above(axes: Axes, terrain: Terrain, ground: HeightMap, colors: Colormap, norm: Normalize) -> None:
    """The map, lit from the upper left: y and the columns to the right, x and the levels downwards."""
    from matplotlib.colors import LightSource

    heights = ground.heights.T.astype(np.float64)
    light = LightSource(azdeg=315, altdeg=45).hillshade(heights, vert_exag=2, dx=ground.cell, dy=ground.cell)
    image = colors(norm(heights))[..., :3] * (0.25 + 0.75 * light / light[0, 0])[..., None]
    x, y = -ground.origin[0], -ground.origin[1]
    axes.imshow(np.clip(image, 0, 1), extent=(-y, y, x, -x), interpolation="antialiased")

    level_x, column_y = ground.tile_centers[:, 0, 0], ground.tile_centers[0, :, 1]
    half = terrain.tile / 2
    starts = [c for c in range(terrain.columns) if c == 0 or ground.kinds[c] != ground.kinds[c - 1]]
    ends = [*starts[1:], terrain.columns]
    for start in starts:
        axes.axvline(column_y[start] - half, color="0.3", linewidth=0.6)
    axes.axvline(column_y[-1] + half, color="0.3", linewidth=0.6)
    middles = [(column_y[start] + column_y[end - 1]) / 2 for start, end in zip(starts, ends)]
    axes.set_xticks(middles, [_words(ground.kinds[start]) for start in starts])
    axes.set_yticks(level_x, [f"level {level}" for level in range(terrain.levels)])
    axes.tick_params(length=0)
    axes.set_xlim(column_y[0] - half - _MARGIN, column_y[-1] + half + _MARGIN)
    axes.set_ylim(level_x[-1] + half + _MARGIN, level_x[0] - half - _MARGIN)


def _section(terrain: Terrain, ground: HeightMap, column: int) -> tuple[np.ndarray, np.ndarray]:
    """Places along x from the center of a column's hardest tile, and the heights there."""
    along = np.linspace(-terrain.tile / 2, terrain.tile / 2, 2001, dtype=np.float32)
    x, y, _ = ground.tile_centers[-1, column]
    return along, ground_height(ground.heights, ground.origin, ground.cell, along + x, np.full_like(along, y))


def _words(kind: str) -> str:
    return kind.replace("_", " ")
