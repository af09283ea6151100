"""The ground as triangles: exactly those of the height grid, or with the faces of stairs and obstacles made vertical."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from locoenvs.mdp.terrain import HeightMap
from locoenvs.tasks.vocabulary import TILE_KINDS


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles whose front is the side that robots come from: counterclockwise seen from there."""

    points: np.ndarray  # (V, 3) float32, m, world
    triangles: np.ndarray  # (T, 3) int32, indices into the points


def ground_mesh(height_map: HeightMap, *, vertical_risers: bool = False) -> Mesh:
    """The triangles of a height map, cut along the diagonal from (r, c) to (r + 1, c + 1) as everywhere in the suite.

    A flat frame around everything that is not flat becomes eight large triangles. With ``vertical_risers`` a slanted cell of
    stairs and obstacles goes down to its lowest corner and gets vertical sides: lower treads grow by a cell. The task's own
    height samples stay as they are, so they are up to a step too high within that cell.
    """
    heights = np.asarray(height_map.heights, np.float32)
    (top, bottom), (left, right) = _bumpy(heights)
    inside = heights[top : bottom + 1, left : right + 1]
    row, column = np.mgrid[top : bottom + 1, left : right + 1]
    x = height_map.origin[0] + column * height_map.cell
    y = height_map.origin[1] + row * height_map.cell
    grid = np.stack([x, y, inside], axis=-1)
    lowered = np.zeros((inside.shape[0] - 1, inside.shape[1] - 1), bool)
    if vertical_risers:
        lowered = _slanted(inside) & _is_upright(height_map, y[:-1, :-1] + height_map.cell / 2)
    points, triangles = [grid.reshape(-1, 3)], [_cells(*inside.shape)[np.tile(~lowered.reshape(-1), 2)]]
    quads = np.concatenate(
        [_lowered(grid, lowered), _walls(grid, lowered), _frame(height_map, top, bottom, left, right)]
    )
    first = np.arange(len(quads))[:, None] * 4 + len(points[0])
    points.append(quads.reshape(-1, 3))
    triangles += [first + (0, 1, 2), first + (0, 2, 3)]
    every, corners = np.concatenate(triangles), np.concatenate(points).astype(np.float32)
    a, b, c = (corners[every[:, i]] for i in range(3))
    some_area = np.any(np.cross(b - a, c - a) != 0, axis=-1)  # a wall that ends in a point has one triangle
    return Mesh(corners, every[some_area].astype(np.int32))


def _bumpy(heights: np.ndarray) -> tuple[tuple[int, int], tuple[int, int]]:
    """First and last row and column of the part inside a frame of the corner's height; its outer cells are level."""
    differs = heights != heights[0, 0]
    spans = []
    for axis, size in ((1, heights.shape[0]), (0, heights.shape[1])):
        index = np.nonzero(differs.any(axis=axis))[0]
        spans.append((max(int(index[0]) - 2, 0), min(int(index[-1]) + 2, size - 1)) if len(index) else (0, 1))
    return spans[0], spans[1]


def _cells(rows: int, columns: int) -> np.ndarray:
    """Two triangles a cell of a grid of vertices, (T, 3): the first of every cell, then the second."""
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).reshape(-1)
    low, high = corner, corner + columns + 1
    return np.concatenate(
        [np.stack([low, corner + 1, high], axis=-1), np.stack([low, high, corner + columns], axis=-1)]
    )


def _corners(values: np.ndarray) -> np.ndarray:
    """The values (R, C, ...) at the four corners of each cell, counterclockwise, (R - 1, C - 1, 4, ...)."""
    return np.stack([values[:-1, :-1], values[:-1, 1:], values[1:, 1:], values[1:, :-1]], axis=2)


def _slanted(heights: np.ndarray) -> np.ndarray:
    """Which cells are not level."""
    corners = _corners(heights)
    return corners.max(axis=2) > corners.min(axis=2)


def _is_upright(height_map: HeightMap, y: np.ndarray) -> np.ndarray:
    """Which points lie in the columns of tiles of an upright kind."""
    column = np.abs(y[..., None] - height_map.tile_centers[0, :, 1]).argmin(axis=-1)
    return np.array([TILE_KINDS[kind].upright for kind in height_map.kinds])[column]


def _lowered(grid: np.ndarray, lowered: np.ndarray) -> np.ndarray:
    """The level floors of the lowered cells, four corners each, (Q, 4, 3)."""
    floors = _corners(grid)[lowered].copy()
    floors[..., 2] = floors[..., 2].min(axis=1, keepdims=True)
    return floors


def _walls(grid: np.ndarray, lowered: np.ndarray) -> np.ndarray:
    """The upright rectangles between cells whose heights differ along their common side, (Q, 4, 3)."""
    corners = _corners(grid)
    z = corners[..., 2].copy()
    z[lowered] = z[lowered].min(axis=1, keepdims=True)
    walls = []
    # A cell and its neighbor after it along x or y, and their common side as corners of the one and of the other.
    for before, after, own, others in (
        (np.s_[:, :-1], np.s_[:, 1:], (1, 2), (0, 3)),
        (np.s_[:-1, :], np.s_[1:, :], (2, 3), (1, 0)),
    ):
        differ = np.any(z[before][..., own] != z[after][..., others], axis=-1)
        ends = corners[before][differ][:, own, :]
        this, other = z[before][differ][:, own], z[after][differ][:, others]
        low, high = ends.copy(), ends.copy()
        low[..., 2], high[..., 2] = np.minimum(this, other), np.maximum(this, other)
        wall = np.stack([low[:, 0], low[:, 1], high[:, 1], high[:, 0]], axis=1)
        faces_back = np.any(this < other, axis=-1)  # the lower cell is the one before: seen from there
        wall[faces_back] = wall[faces_back][:, ::-1]
        walls.append(wall)
    return np.concatenate(walls)


def _frame(height_map: HeightMap, top: int, bottom: int, left: int, right: int) -> np.ndarray:
    """The flat rectangles around the inner part, four corners each, (Q, 4, 3)."""
    rows, columns = height_map.heights.shape
    z = float(height_map.heights[0, 0])
    spans = [
        (0, top, 0, columns - 1),
        (bottom, rows - 1, 0, columns - 1),
        (top, bottom, 0, left),
        (top, bottom, right, columns - 1),
    ]
    quads = []
    for r0, r1, c0, c1 in spans:
        if r1 > r0 and c1 > c0:
            x0, x1 = (height_map.origin[0] + index * height_map.cell for index in (c0, c1))
            y0, y1 = (height_map.origin[1] + index * height_map.cell for index in (r0, r1))
            quads.append([(x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z)])
    return np.array(quads).reshape(-1, 4, 3)
