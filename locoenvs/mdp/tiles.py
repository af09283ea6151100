"""The kinds of tile, named after what a robot meets that walks from the tile's center outwards. A kind is a function.

Each returns the heights of a tile's vertices, (cells + 1, cells + 1) m: rows along y, columns along x, 0 along the edge, so that
any two tiles join, and flat on the platform at the center, where robots start. A pair of a parameter is its value on the easiest
and on the hardest level, (easy, hard), and :meth:`Tile.at` the one of the tile's own level.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from locoenvs.tasks.task import Heights, Length, Terrain
from locoenvs.tasks.vocabulary import tile_kind

ROUGHNESS_SPACING = 0.2
"""Distance of the random heights of rough ground, m; it is linear in between, whatever the size of a cell."""

OBSTACLE_SIDE = (1.0, 2.0)
"""Sides of the boxes of an obstacle tile, m."""

OBSTACLE_AREA = 3.2
"""An obstacle tile has one box for so many square meters: 20 boxes on 8 m x 8 m. Later boxes replace earlier ones."""

STEEPEST = (0.0, math.tan(math.radians(25)))
"""Slopes of the paper, m/m."""


STEP = ("riser", "height of a step, m")
SLOPE = ("slope", "slope, degrees")

Degrees = Annotated[float, Field(ge=-90, le=90)]


@dataclass(frozen=True)
class Tile:
    """One tile to be shaped. ``edge`` (cells + 1, cells + 1) counts the cells from each vertex to the tile's edge."""

    cells: int  # along a side
    cell: float  # m
    edge: np.ndarray
    platform: int  # value of edge from which on a tile is flat: the platform's side, rounded up to whole cells
    difficulty: float  # from 0 on the easiest level to 1 on the hardest
    random: np.random.Generator  # of this tile alone

    @staticmethod
    def of(terrain: Terrain, difficulty: float, random: np.random.Generator) -> Tile:
        """A tile of a terrain. Raises ValueError for a platform that takes all of it."""
        cells = round(terrain.tile / terrain.cell)
        platform = math.floor(cells / 2 - terrain.platform / terrain.cell / 2 + 1e-6)
        if platform < 2:
            raise ValueError(
                f"terrain.platform {terrain.platform} m must leave two cells of {terrain.cell} m on each side "
                f"of a tile of {terrain.tile} m: use at most {terrain.tile - 4 * terrain.cell:g} m"
            )
        side = np.minimum(np.arange(cells + 1), np.arange(cells, -1, -1))
        return Tile(cells, terrain.cell, np.minimum(side[:, None], side), platform, difficulty, random)

    @property
    def free(self) -> np.ndarray:
        """The vertices that a kind may shape, (cells + 1, cells + 1) bool: neither on the edge nor on the platform."""
        inside: np.ndarray = (self.edge > 0) & (self.edge < self.platform)
        return inside

    def at(self, ends: tuple[float, float]) -> float:
        """The value at the tile's level of a parameter with these values on the easiest and on the hardest."""
        return ends[0] + (ends[1] - ends[0]) * self.difficulty


@tile_kind()
def flat(tile: Tile) -> np.ndarray:
    """Flat ground."""
    return np.zeros(tile.edge.shape)


@tile_kind(measure=SLOPE)
def slope_up(tile: Tile, slope: Heights = STEEPEST) -> np.ndarray:
    """A pyramid, its center low. ``slope`` m/m."""
    return -_pyramid(tile, slope)


@tile_kind(measure=SLOPE)
def slope_down(tile: Tile, slope: Heights = STEEPEST) -> np.ndarray:
    """A pyramid, its center high. ``slope`` m/m."""
    return _pyramid(tile, slope)


@tile_kind(measure=("roughness", "roughness, m"))
def rough(tile: Tile, roughness: Heights = (0.0, 0.1)) -> np.ndarray:
    """Uniform random heights of +-``roughness`` m, linear in between."""
    return _uneven(tile, roughness)


@tile_kind(measure=SLOPE)
def rough_slope_up(tile: Tile, slope: Heights = STEEPEST, roughness: Heights = (0.0, 0.1)) -> np.ndarray:
    """A pyramid of rough ground, its center low."""
    return -(_pyramid(tile, slope) + _uneven(tile, roughness))


@tile_kind(measure=SLOPE)
def rough_slope_down(tile: Tile, slope: Heights = STEEPEST, roughness: Heights = (0.0, 0.1)) -> np.ndarray:
    """A pyramid of rough ground, its center high."""
    return _pyramid(tile, slope) + _uneven(tile, roughness)


@tile_kind(upright=True, measure=("height", "height of obstacles, m"))
def obstacles(tile: Tile, height: Heights = (0.05, 0.2)) -> np.ndarray:
    """Boxes of heights -h, -h/2, h/2 and h at random places, ``height`` h m; 0 in between."""
    tallest = tile.at(height)
    heights = np.zeros(tile.edge.shape)
    smallest, largest = (min(round(side / tile.cell), tile.cells - 2) for side in OBSTACLE_SIDE)
    for draws in tile.random.random((obstacle_count(tile.cells * tile.cell), 5)):
        width, depth = (smallest + (draws[:2] * (largest - smallest + 1))).astype(int)
        col = 1 + int(draws[2] * (tile.cells - 1 - width))
        row = 1 + int(draws[3] * (tile.cells - 1 - depth))
        heights[row : row + depth + 1, col : col + width + 1] = tallest * (-1, -0.5, 0.5, 1)[int(draws[4] * 4)]
    heights[tile.edge >= tile.platform] = 0.0
    return heights


def obstacle_count(side: float) -> int:
    """Boxes on a tile of obstacles of ``side`` m."""
    return round(side**2 / OBSTACLE_AREA)


@tile_kind(upright=True, measure=STEP)
def stairs_up(tile: Tile, riser: Heights = (0.05, 0.2), tread: Length = 0.3) -> np.ndarray:
    """Square rings, the center low. ``riser`` m is the height of a step, ``tread`` m its depth."""
    return -_steps(tile, riser, tread)


@tile_kind(upright=True, measure=STEP)
def stairs_down(tile: Tile, riser: Heights = (0.05, 0.2), tread: Length = 0.3) -> np.ndarray:
    """Square rings, the center high. ``riser`` m is the height of a step, ``tread`` m its depth."""
    return _steps(tile, riser, tread)


def _pyramid(tile: Tile, slope: Heights) -> np.ndarray:
    heights: np.ndarray = tile.at(slope) * tile.cell * np.minimum(tile.edge, tile.platform)
    return heights


def _uneven(tile: Tile, roughness: Heights) -> np.ndarray:
    """Uniform random heights every ROUGHNESS_SPACING m, linear in between; 0 on the platform and along the edge."""
    stride = max(1, round(ROUGHNESS_SPACING / tile.cell))
    knots = math.ceil(tile.cells / stride) + 1
    heights = tile.at(roughness) * (2 * tile.random.random((knots, knots)) - 1)
    index, fraction = np.divmod(np.arange(tile.cells + 1), stride)
    after, weight = np.minimum(index + 1, knots - 1), fraction / stride
    heights = heights[index] * (1 - weight)[:, None] + heights[after] * weight[:, None]
    heights = heights[:, index] * (1 - weight) + heights[:, after] * weight
    heights[~tile.free] = 0.0
    return heights


def _steps(tile: Tile, riser: Heights, tread: float) -> np.ndarray:
    """Square rings, the center high. A riser is one cell wide; the next one begins a tread after it began.

    The first riser begins at the platform. There are as many as have a whole tread before the edge, but at least one.
    """
    deep = round(tread / tile.cell)
    if abs(tread / tile.cell - deep) > 1e-6:
        raise ValueError(f"a stairs' tread of {tread} m must be a whole number of cells of {tile.cell} m")
    if deep < 2:
        raise ValueError(
            f"a stairs' tread of {tread} m must be at least two cells of {tile.cell} m: a riser takes one of them; use "
            "smaller cells"
        )
    steps = max(tile.platform // deep, 1)
    descended = np.maximum(tile.platform - tile.edge + deep - 1, 0) // deep
    heights: np.ndarray = tile.at(riser) * (steps - np.minimum(descended, steps))
    return heights


@tile_kind(upright=True, measure=("height", "height of a curb, m"))
def curbs(tile: Tile, height: Heights = (0.05, 0.25), width: Length = 0.6) -> np.ndarray:
    """Square rings around the platform, each ``width`` m wide, every other one ``height`` m higher."""
    ring = np.floor(_outwards(tile) / width + 1e-6)
    whole = ring < math.floor(tile.platform * tile.cell / width + 1e-6)
    return np.where(tile.free & whole & (ring % 2 == 1), tile.at(height), 0.0)


@tile_kind(upright=True, measure=("width", "width of a gap, m"))
def gaps(tile: Tile, width: Heights = (0.1, 0.6), every: Length = 1.2, depth: Length = 0.6) -> np.ndarray:
    """Square trenches around the platform, ``width`` m wide and ``depth`` m deep, the first after 0.3 m and one every ``every`` m."""
    outwards = _outwards(tile) - 0.3
    trench = (outwards >= 0) & (outwards % every < tile.at(width) - 1e-6)
    return np.where(tile.free & trench, -depth, 0.0)


@tile_kind(upright=True, measure=("gap", "gap between stones, m"))
def stepping_stones(
    tile: Tile, stone: Heights = (0.8, 0.4), gap: Heights = (0.1, 0.3), depth: Length = 0.6
) -> np.ndarray:
    """Square stones of ``stone`` m with gaps of ``gap`` m between them, ``depth`` m deep; both in whole cells."""
    side, between = (max(round(tile.at(ends) / tile.cell), 1) for ends in (stone, gap))
    on_stone = (np.arange(tile.cells + 1) - tile.cells // 2 + side // 2) % (side + between) <= side
    return np.where(tile.free & ~(on_stone[:, None] & on_stone), -depth, 0.0)


@tile_kind(measure=("height", "height of a ridge, m"))
def ridges(tile: Tile, height: Heights = (0.05, 0.2), every: Length = 0.9, width: Length = 0.4) -> np.ndarray:
    """Parallel ridges of ``height`` m, ``width`` m wide at their foot, one every ``every`` m, along a random direction."""
    angle, shift = tile.random.random() * math.pi, tile.random.random() * every
    along = (np.arange(tile.cells + 1) - tile.cells / 2) * tile.cell
    off = (along * math.cos(angle) + along[:, None] * math.sin(angle) + shift) % every - every / 2
    profile = np.clip(1 - np.abs(off) / (width / 2), 0.0, 1.0)
    return np.where(tile.free, tile.at(height) * profile, 0.0)


@tile_kind(measure=("amplitude", "height of a wave, m"))
def wave(tile: Tile, amplitude: Heights = (0.05, 0.3), length: Length = 2.0) -> np.ndarray:
    """Hills and hollows of +-``amplitude`` m, ``length`` m from one hill to the next."""
    along = (np.arange(tile.cells + 1) - tile.cells / 2) * tile.cell
    phase = 2 * math.pi * along / length
    fade = np.clip(np.minimum(tile.edge, tile.platform - tile.edge) * tile.cell / 0.5, 0.0, 1.0)
    heights: np.ndarray = tile.at(amplitude) * np.cos(phase)[:, None] * np.sin(phase) * fade
    return heights


@tile_kind(upright=True, measure=STEP)
def turned_stairs_up(
    tile: Tile, riser: Heights = (0.05, 0.2), tread: Length = 0.3, degrees: Degrees = 30.0
) -> np.ndarray:
    """Stairs that are met at an angle: square rings turned by ``degrees``, the center low. ``riser`` m, ``tread`` m."""
    return -_turned_steps(tile, riser, tread, degrees)


@tile_kind(upright=True, measure=STEP)
def turned_stairs_down(
    tile: Tile, riser: Heights = (0.05, 0.2), tread: Length = 0.3, degrees: Degrees = 30.0
) -> np.ndarray:
    """Stairs that are met at an angle: square rings turned by ``degrees``, the center high. ``riser`` m, ``tread`` m."""
    return _turned_steps(tile, riser, tread, degrees)


def _outwards(tile: Tile) -> np.ndarray:
    """How far each vertex is from the platform, m."""
    distance: np.ndarray = np.maximum(tile.platform - tile.edge, 0) * tile.cell
    return distance


def _turned_steps(tile: Tile, riser: Heights, tread: float, degrees: float) -> np.ndarray:
    """Rings about the smallest turned square that holds the platform, as many as have room on the tile, at least one."""
    cos, sin = abs(math.cos(math.radians(degrees))), abs(math.sin(math.radians(degrees)))
    along = (np.arange(tile.cells + 1) - tile.cells / 2) * tile.cell
    x, y = along, along[:, None]
    turned = np.maximum(np.abs(x * cos + y * sin), np.abs(y * cos - x * sin))
    first = (tile.cells / 2 - tile.platform) * tile.cell * (cos + sin)
    room = tile.cells / 2 * tile.cell / (cos + sin) - first
    steps = max(math.floor(room / tread + 1e-6), 1)
    descended = np.ceil(np.clip((turned - first) / tread - 1e-6, 0, None))
    heights: np.ndarray = tile.at(riser) * (steps - np.minimum(descended, steps))
    heights[tile.edge == 0] = 0.0
    return heights
