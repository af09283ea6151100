"""The ground as triangles: exactly those of the height grid, or with its steep cells made vertical."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from locoenvs.terrain import HeightMap

STEEP = 1.0
"""Rise over run from which on a cell counts as a riser; the steepest slope of the suite is 0.47."""


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles that face up, counterclockwise seen from above."""

    points: np.ndarray  # (V, 3) float32, m, world
    triangles: np.ndarray  # (T, 3) int32, indices into the points


def ground_mesh(height_map: HeightMap, *, vertical_risers: bool = False) -> Mesh:
    """The triangles of a height map, cut along the diagonal from (r, c) to (r + 1, c + 1) as everywhere in the suite.

    A flat frame around everything that is not flat becomes eight large triangles. With ``vertical_risers`` the lower end
    of every edge steeper than :data:`STEEP` moves under its upper end: stairs get vertical faces and their lower treads grow by
    a cell. The task's own height samples do not change, so they are up to a riser too high within that cell.
    """
    heights, cell = np.asarray(height_map.heights, np.float32), height_map.cell
    (top, bottom), (left, right) = _bumpy(heights)
    inside = heights[top : bottom + 1, left : right + 1]
    row, column = np.mgrid[top : bottom + 1, left : right + 1].astype(np.float64)
    if vertical_risers:
        along_rows, along_columns = _risers(inside, STEEP * cell)
        row, column = row + along_rows, column + along_columns
    x, y = height_map.origin[0] + column * cell, height_map.origin[1] + row * cell
    points = np.stack([x, y, inside], axis=-1).reshape(-1, 3).astype(np.float32)
    triangles = _cells(*inside.shape)
    frame = _frame(height_map, top, bottom, left, right)
    points_of_frame = np.array([point for quad in frame for point in quad], np.float32).reshape(-1, 3)
    quads = np.arange(4 * len(frame), dtype=np.int32).reshape(-1, 4) + len(points)
    return Mesh(
        np.concatenate([points, points_of_frame]),
        np.concatenate([triangles, quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.int32),
    )


def _bumpy(heights: np.ndarray) -> tuple[tuple[int, int], tuple[int, int]]:
    """First and last row and column of the part inside a frame of the corner's height."""
    differs = heights != heights[0, 0]
    spans = []
    for axis, size in ((1, heights.shape[0]), (0, heights.shape[1])):
        index = np.nonzero(differs.any(axis=axis))[0]
        spans.append((max(int(index[0]) - 1, 0), min(int(index[-1]) + 1, size - 1)) if len(index) else (0, size - 1))
    return spans[0], spans[1]


def _cells(rows: int, columns: int) -> np.ndarray:
    """Two triangles a cell of a grid of vertices, (T, 3)."""
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).reshape(-1)
    low, high = corner, corner + columns + 1
    return np.concatenate(
        [np.stack([low, corner + 1, high], axis=-1), np.stack([low, high, corner + columns], axis=-1)]
    )


def _risers(heights: np.ndarray, rise: float) -> tuple[np.ndarray, np.ndarray]:
    """By how many cells each vertex moves along the rows' and the columns' axis: under a neighbor that is higher by ``rise``."""

    def toward(axis: int) -> np.ndarray:
        up = np.diff(heights, axis=axis)
        after, before = np.zeros(heights.shape, bool), np.zeros(heights.shape, bool)
        low, high = [slice(None)] * 2, [slice(None)] * 2
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        after[tuple(low)], before[tuple(high)] = up > rise, -up > rise
        return after.astype(int) - before.astype(int)

    along_rows, along_columns = toward(0), toward(1)
    still = (along_rows == 0) & (along_columns == 0)
    for down in (1, -1):
        for right in (1, -1):
            # An inner corner of stairs: only the diagonal neighbor is higher.
            diagonal = np.roll(heights, (-down, -right), axis=(0, 1)) - heights > rise
            corner = still & diagonal
            corner[-1 if down > 0 else 0, :] = corner[:, -1 if right > 0 else 0] = False
            along_rows[corner], along_columns[corner] = down, right
    return along_rows, along_columns


def _frame(height_map: HeightMap, top: int, bottom: int, left: int, right: int) -> list[list[tuple[float, float, float]]]:
    """The flat rectangles around the inner part, each four corners counterclockwise."""
    rows, columns = height_map.heights.shape
    z = float(height_map.heights[0, 0])

    def rectangle(r0: int, r1: int, c0: int, c1: int) -> list[tuple[float, float, float]]:
        (x0, x1), (y0, y1) = (
            tuple(origin + index * height_map.cell for index in pair)
            for origin, pair in zip(height_map.origin, ((c0, c1), (r0, r1)))
        )
        return [(x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z)]

    last_row, last_column = rows - 1, columns - 1
    spans = [
        (0, top, 0, last_column),
        (bottom, last_row, 0, last_column),
        (top, bottom, 0, left),
        (top, bottom, right, last_column),
    ]
    return [rectangle(*span) for span in spans if span[1] > span[0] and span[3] > span[2]]
