"""The ground: one height grid built from the task's :class:`~locoenvs.tasks.task.Terrain`, and its height anywhere.

The grid is the single source for physics, height samples, pictures and meshes. Its layout and its triangles are those
of a MuJoCo height field: rows along y, columns along x, each square cut along the diagonal from its vertex (r, c) to
(r + 1, c + 1).

A map is ``levels`` tiles along x and ``columns`` tiles along y (section 3.1 of the paper) inside a flat border. Every
tile is at height 0 along its edge, so that any two tiles join, and flat at its center, where robots start. The border is
as wide as a robot can walk in an episode; one that gets to the map's edge all the same, pushed or thrown, is cut there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from array_api_compat import array_namespace, is_numpy_array

from locoenvs.mdp.tiles import Tile, obstacle_count
from locoenvs.numerics import compiled
from locoenvs.numerics.arrays import Array
from locoenvs.tasks.entries import TileShare, missing
from locoenvs.tasks.task import Task, Terrain
from locoenvs.tasks.vocabulary import TILE_KINDS

EDGE = 1.0
"""A robot whose base is nearer than this to the edge of the map is cut: all of it is still on ground, m."""

LARGEST = 16_000_000
"""Heights of the largest map that is built."""

MOST_OBSTACLES = 200_000
"""Boxes on the map with the most of them that is built: they are placed one by one."""

_BYTES = 16
"""What a height takes while an engine compiles its own copy of the map."""


@dataclass(frozen=True, eq=False)
class HeightMap:
    """Heights of the ground on a square grid centered on the world's origin.

    ``heights[r, c]`` m is the height at ``x = origin[0] + c * cell``, ``y = origin[1] + r * cell``.
    """

    heights: np.ndarray  # (R, C) float32, m
    origin: tuple[float, float]  # x, y of heights[0, 0], m
    cell: float  # distance of neighboring heights, m
    tile_centers: np.ndarray  # (levels, columns, 3) float32, world m; z is the ground's height
    kinds: tuple[str, ...]  # of each column


def least_border(task: Task) -> float:
    """The border, m, within which a robot stays that does for an episode what it is told.

    It starts on an outermost tile, up to ``start.position`` from its center, and walks straight outwards at the fastest
    speed that is commanded.
    """
    commands, start = task.commands, task.randomization.start
    speed = math.hypot(*(max(map(abs, ends)) for ends in (commands.forward, commands.sideways)))
    return speed * task.timing.episode_length + start.position - task.terrain.tile / 2 + EDGE


def map_of(task: Task) -> HeightMap:
    """The ground of a task: the map of its terrain, with a wider border where its commands need one."""
    return build(task.terrain, max(task.terrain.border, least_border(task)))


def build(terrain: Terrain, border: float | None = None) -> HeightMap:
    """The map of a task's terrain. A tile's randomness depends on (seed, level, column) and on nothing else.

    ``border`` m, rounded up to whole cells, replaces the terrain's. Raises ValueError for a map too large to build.
    A plane has the same tile centers as a map of tiles, all at height 0, on a grid of one cell.
    """
    levels, columns = terrain.levels, terrain.columns
    centers = np.zeros((levels, columns, 3), np.float32)
    centers[..., 0] = ((np.arange(levels) - (levels - 1) / 2) * terrain.tile)[:, None]
    centers[..., 1] = (np.arange(columns) - (columns - 1) / 2) * terrain.tile
    if terrain.kind == "plane":
        half = max(levels, columns) * terrain.tile / 2 + terrain.border
        return HeightMap(np.zeros((2, 2), np.float32), (-half, -half), 2 * half, centers, ("flat",) * columns)

    border = terrain.border if border is None else border
    cells, edge = round(terrain.tile / terrain.cell), math.ceil(round(border / terrain.cell, 6))
    shape = (columns * cells + 2 * edge + 1, levels * cells + 2 * edge + 1)
    if math.prod(shape) > LARGEST:
        raise ValueError(
            f"the map would have {shape[0]} x {shape[1]} heights, and take {math.prod(shape) * _BYTES / 1e9:.1f} GB to build; "
            f"at most {LARGEST / 1e6:.0f} million: use larger cells than {terrain.cell:g} m, a smaller border than "
            f"{border:.1f} m (slower commands or shorter episodes), or fewer tiles than {levels} x {columns}"
        )
    shares = column_shares(terrain)
    kinds = tuple(share.kind for share in shares)
    obstacles = kinds.count("obstacles") * levels * obstacle_count(terrain.tile)
    if obstacles > MOST_OBSTACLES:
        raise ValueError(
            f"the map would have {obstacles} obstacles; at most {MOST_OBSTACLES}: use smaller or fewer tiles than "
            f"{levels} x {columns} of {terrain.tile:g} m, or fewer of obstacles"
        )
    heights = np.zeros(shape, np.float32)
    for column, share in enumerate(shares):
        for level in range(levels):
            random = np.random.Generator(np.random.Philox(np.random.SeedSequence((terrain.seed, level, column))))
            tile = _shaped(share, Tile.of(terrain, level / max(levels - 1, 1), random))
            row, col = edge + column * cells, edge + level * cells
            heights[row : row + cells + 1, col : col + cells + 1] = tile
            centers[level, column, 2] = tile[cells // 2, cells // 2]
    origin = (-(shape[1] - 1) / 2 * terrain.cell, -(shape[0] - 1) / 2 * terrain.cell)
    return HeightMap(heights, origin, terrain.cell, centers, kinds)


def _shaped(share: TileShare, tile: Tile) -> np.ndarray:
    """The heights of a tile. Raises ValueError naming the kind that gives no tile."""
    if said := missing(share, share.kind, TILE_KINDS):
        raise ValueError(said)
    try:
        heights = np.asarray(TILE_KINDS[share.kind].function(tile, **share.parameters))
    except ValueError as error:
        raise ValueError(f"terrain.shares.{share.kind}: {error}") from None
    if heights.shape != tile.edge.shape or heights.dtype.kind not in "fi" or not np.isfinite(heights).all():
        raise ValueError(
            f"kind of tile {share.kind!r} must return {tile.edge.shape} finite heights, m, got {heights.dtype} of {heights.shape}"
        )
    if heights[tile.edge == 0].any():
        raise ValueError(f"kind of tile {share.kind!r}: heights along the edge must be 0, so that tiles join")
    return heights


def column_shares(terrain: Terrain) -> tuple[TileShare, ...]:
    """The kind of tile of each column, in the order of the shares.

    Each column goes to the kind that is farthest behind its share; kinds without a column come first.
    """
    counts = [0] * len(terrain.shares)
    for _ in range(terrain.columns):
        behind = [(count == 0, round(s.share * terrain.columns - count, 9)) for s, count in zip(terrain.shares, counts)]
        counts[behind.index(max(behind))] += 1
    return tuple(share for share, count in zip(terrain.shares, counts) for _ in range(count))


def ground_height(heights: Array, origin: tuple[float, float], cell: float, x: Array, y: Array) -> Array:
    """Height of the ground, m, at world points ``x``, ``y`` m, float32 of any equal shape.

    Points beyond the map get the height of its nearest edge, a NaN gets NaN. Exactly MuJoCo's triangles: with u and v
    in [0, 1) the point's place in its cell along x and y, the heights at (r, c), then at (r, c + 1) if u >= v or at
    (r + 1, c) if not, then at (r + 1, c + 1) are reached along the cell's sides, by max(u, v) and by min(u, v).
    """
    if not is_numpy_array(x):
        return _ground_height(heights, origin, cell, x, y)
    if kernels := compiled.kernels(heights, x, y):
        flat = kernels.ground_height(heights, *origin, 1 / cell, np.ravel(x), np.ravel(y))
        return flat.reshape(x.shape)
    result = np.empty(x.size, np.float32)
    x_flat, y_flat = x.reshape(-1), y.reshape(-1)
    with np.errstate(invalid="ignore"):  # a NaN as an integer
        for start in range(0, x.size, _POINTS):
            part = slice(start, start + _POINTS)
            result[part] = _ground_height(heights, origin, cell, x_flat[part], y_flat[part])
    return result.reshape(x.shape)


_POINTS = 8192
"""How many points numpy looks up at once: intermediate results stay in the processor's cache, which halves the time."""


def _ground_height(heights: Array, origin: tuple[float, float], cell: float, x: Array, y: Array) -> Array:
    xp = array_namespace(heights, x, y)
    rows, columns = heights.shape
    u = _within((x - origin[0]) * (1 / cell), columns - 1)
    v = _within((y - origin[1]) * (1 / cell), rows - 1)
    column, row = xp.astype(u, xp.int32), xp.astype(v, xp.int32)
    u, v = u - xp.astype(column, xp.float32), v - xp.astype(row, xp.float32)
    corner = row * columns + column
    side = xp.astype(u < v, xp.int32) * (columns - 1) + 1
    flat = xp.reshape(heights, (-1,))
    low, middle, high = (_take(flat, index) for index in (corner, corner + side, corner + (columns + 1)))
    return low + xp.maximum(u, v) * (middle - low) + xp.minimum(u, v) * (high - middle)


def _within(position: Array, limit: int) -> Array:
    """Positions from 0 to just below ``limit``, in cells, so that each has a cell after it."""
    return position.clip(0.0, float(np.nextafter(np.float32(limit), np.float32(0))))


def _take(flat: Array, index: Array) -> Array:
    """``flat[index]``; an index made of a NaN, which may be any integer, takes some height or other."""
    if is_numpy_array(flat):
        return flat.take(index, mode="clip")
    xp = array_namespace(flat)
    index = index.clip(0, flat.shape[0] - 1)
    return xp.reshape(xp.take(flat, xp.reshape(index, (-1,))), index.shape)
