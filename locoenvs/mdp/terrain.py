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
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from array_api_compat import array_namespace, is_numpy_array

from locoenvs.numerics import compiled
from locoenvs.numerics.arrays import Array
from locoenvs.tasks.task import Range, Task, Terrain, TileKind

ROUGHNESS_SPACING = 0.2
"""Distance of the random heights of rough ground, m; it is linear in between, whatever the size of a cell."""

OBSTACLE_SIDE = (1.0, 2.0)
"""Sides of the boxes of an obstacle tile, m."""

EDGE = 1.0
"""A robot whose base is nearer than this to the edge of the map is cut: all of it is still on ground, m."""

LARGEST = 16_000_000
"""Heights of the largest map that is built."""

MOST_OBSTACLES = 200_000
"""Boxes on the map with the most of them that is built: they are placed one by one."""

_BYTES = 16
"""What a height takes while an engine compiles its own copy of the map."""

OBSTACLE_AREA = 3.2
"""An obstacle tile has one box for so many square meters: 20 boxes on 8 m x 8 m. Later boxes replace earlier ones."""


@dataclass(frozen=True, eq=False)
class HeightMap:
    """Heights of the ground on a square grid centered on the world's origin.

    ``heights[r, c]`` m is the height at ``x = origin[0] + c * cell``, ``y = origin[1] + r * cell``.
    """

    heights: np.ndarray  # (R, C) float32, m
    origin: tuple[float, float]  # x, y of heights[0, 0], m
    cell: float  # distance of neighboring heights, m
    tile_centers: np.ndarray  # (levels, columns, 3) float32, world m; z is the ground's height
    kinds: tuple[TileKind, ...]  # of each column


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
        flat: TileKind = "flat"
        return HeightMap(np.zeros((2, 2), np.float32), (-half, -half), 2 * half, centers, (flat,) * columns)

    border = terrain.border if border is None else border
    cells, edge = round(terrain.tile / terrain.cell), math.ceil(round(border / terrain.cell, 6))
    shape = (columns * cells + 2 * edge + 1, levels * cells + 2 * edge + 1)
    if math.prod(shape) > LARGEST:
        raise ValueError(
            f"the map would have {shape[0]} x {shape[1]} heights, and take {math.prod(shape) * _BYTES / 1e9:.1f} GB to build; "
            f"at most {LARGEST / 1e6:.0f} million: use larger cells than {terrain.cell:g} m, a smaller border than "
            f"{border:.1f} m (slower commands or shorter episodes), or fewer tiles than {levels} x {columns}"
        )
    kinds, square = column_kinds(terrain), _Square.of(terrain)
    obstacles = kinds.count("obstacles") * levels * _obstacle_count(terrain)
    if obstacles > MOST_OBSTACLES:
        raise ValueError(
            f"the map would have {obstacles} obstacles; at most {MOST_OBSTACLES}: use smaller or fewer tiles than "
            f"{levels} x {columns} of {terrain.tile:g} m, or fewer of obstacles"
        )
    heights = np.zeros(shape, np.float32)
    for column, kind in enumerate(kinds):
        for level in range(levels):
            rng = np.random.Generator(np.random.Philox(np.random.SeedSequence((terrain.seed, level, column))))
            tile = _TILES[kind](terrain, square, level / max(levels - 1, 1), rng)
            row, col = edge + column * cells, edge + level * cells
            heights[row : row + cells + 1, col : col + cells + 1] = tile
            centers[level, column, 2] = tile[cells // 2, cells // 2]
    origin = (-(shape[1] - 1) / 2 * terrain.cell, -(shape[0] - 1) / 2 * terrain.cell)
    return HeightMap(heights, origin, terrain.cell, centers, kinds)


def column_kinds(terrain: Terrain) -> tuple[TileKind, ...]:
    """The kind of tile of each column, in the order of the shares.

    Each column goes to the kind that is farthest behind its share; kinds without a column come first.
    """
    counts = [0] * len(terrain.shares)
    for _ in range(terrain.columns):
        behind = [(count == 0, round(s.share * terrain.columns - count, 9)) for s, count in zip(terrain.shares, counts)]
        counts[behind.index(max(behind))] += 1
    return tuple(share.kind for share, count in zip(terrain.shares, counts) for _ in range(count))


@dataclass(frozen=True)
class _Square:
    """The vertices of a tile: ``edge`` (cells + 1, cells + 1) counts the cells to the tile's edge."""

    cells: int
    edge: np.ndarray
    platform: int  # value of edge from which on a tile is flat: the platform's side, rounded up to whole cells

    @staticmethod
    def of(terrain: Terrain) -> _Square:
        cells = round(terrain.tile / terrain.cell)
        platform = math.floor(cells / 2 - terrain.platform / terrain.cell / 2 + 1e-6)
        if platform < 2:
            raise ValueError(
                f"terrain.platform {terrain.platform} m must leave two cells of {terrain.cell} m on each side "
                f"of a tile of {terrain.tile} m: use at most {terrain.tile - 4 * terrain.cell:g} m"
            )
        side = np.minimum(np.arange(cells + 1), np.arange(cells, -1, -1))
        return _Square(cells, np.minimum(side[:, None], side), platform)


def _flat(terrain: Terrain, square: _Square, difficulty: float, rng: np.random.Generator) -> np.ndarray:
    return np.zeros(square.edge.shape)


def _slope(terrain: Terrain, square: _Square, difficulty: float, rng: np.random.Generator) -> np.ndarray:
    """A pyramid, its center high."""
    return _at(terrain.slope, difficulty) * terrain.cell * np.minimum(square.edge, square.platform)


def _rough(terrain: Terrain, square: _Square, difficulty: float, rng: np.random.Generator) -> np.ndarray:
    """Uniform random heights every ROUGHNESS_SPACING m, linear in between; 0 on the platform and along the edge."""
    stride = max(1, round(ROUGHNESS_SPACING / terrain.cell))
    knots = math.ceil(square.cells / stride) + 1
    amplitude = _at(terrain.roughness, difficulty)
    heights = amplitude * (2 * rng.random((knots, knots)) - 1)
    index, fraction = np.divmod(np.arange(square.cells + 1), stride)
    after, weight = np.minimum(index + 1, knots - 1), fraction / stride
    heights = heights[index] * (1 - weight)[:, None] + heights[after] * weight[:, None]
    heights = heights[:, index] * (1 - weight) + heights[:, after] * weight
    return np.where((square.edge > 0) & (square.edge < square.platform), heights, 0.0)


def _rough_slope(terrain: Terrain, square: _Square, difficulty: float, rng: np.random.Generator) -> np.ndarray:
    return _slope(terrain, square, difficulty, rng) + _rough(terrain, square, difficulty, rng)


def _obstacles(terrain: Terrain, square: _Square, difficulty: float, rng: np.random.Generator) -> np.ndarray:
    """Boxes of heights -h, -h/2, h/2 and h at random places; 0 on the platform, along the edge and in between."""
    height = _at(terrain.obstacle_height, difficulty)
    heights = np.zeros(square.edge.shape)
    smallest, largest = (min(round(side / terrain.cell), square.cells - 2) for side in OBSTACLE_SIDE)
    for draws in rng.random((_obstacle_count(terrain), 5)):
        width, depth = (smallest + (draws[:2] * (largest - smallest + 1))).astype(int)
        col = 1 + int(draws[2] * (square.cells - 1 - width))
        row = 1 + int(draws[3] * (square.cells - 1 - depth))
        heights[row : row + depth + 1, col : col + width + 1] = height * (-1, -0.5, 0.5, 1)[int(draws[4] * 4)]
    return np.where(square.edge < square.platform, heights, 0.0)


def _obstacle_count(terrain: Terrain) -> int:
    """Boxes on a tile of obstacles."""
    return round(terrain.tile**2 / OBSTACLE_AREA)


def _stairs(terrain: Terrain, square: _Square, difficulty: float, rng: np.random.Generator) -> np.ndarray:
    """Square rings, the center high. A riser is one cell wide; the next one begins a tread after it began.

    The first riser begins at the platform. There are as many as have a whole tread before the edge, but at least one.
    """
    tread = round(terrain.stairs_tread / terrain.cell)
    if tread < 2:
        raise ValueError(
            f"terrain.stairs_tread {terrain.stairs_tread} m must be at least two cells of {terrain.cell} m: "
            "a riser takes one of them; use smaller cells"
        )
    steps = max(square.platform // tread, 1)
    descended = np.maximum(square.platform - square.edge + tread - 1, 0) // tread
    return _at(terrain.stairs_riser, difficulty) * (steps - np.minimum(descended, steps))


_Tile = Callable[[Terrain, _Square, float, np.random.Generator], np.ndarray]


def _upside_down(tile: _Tile) -> _Tile:
    return lambda terrain, square, difficulty, rng: -tile(terrain, square, difficulty, rng)


_TILES: dict[TileKind, _Tile] = {
    "flat": _flat,
    "slope_up": _upside_down(_slope),
    "slope_down": _slope,
    "rough": _rough,
    "rough_slope_up": _upside_down(_rough_slope),
    "rough_slope_down": _rough_slope,
    "obstacles": _obstacles,
    "stairs_up": _upside_down(_stairs),
    "stairs_down": _stairs,
}


def _at(values: Range, difficulty: float) -> float:
    """The value at a difficulty from 0 (easiest) to 1 (hardest)."""
    return values[0] + (values[1] - values[0]) * difficulty


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
