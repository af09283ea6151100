"""The height of the ground."""

from __future__ import annotations

from typing import Any

import numpy as np

from locoenvs.numerics.kernels.kernel import NAN, ZERO, Kernel, part


@part
def _limit(cells: int) -> Any:
    """The last float32 below the number of cells."""
    return np.nextafter(np.float32(cells), ZERO)


@part
def _heights(ground: np.ndarray, first_x: Any, first_y: Any, per: Any, x: np.ndarray, y: np.ndarray, at: Any) -> None:
    """:func:`locoenvs.mdp.terrain._ground_height` of points (P,), which replaces ``x``; ``at`` (P,) int32 is for use in here.

    Only the loop in the middle goes to the map, so that the others are done for several points at a time.
    """
    rows, columns = np.int32(ground.shape[0]), np.int32(ground.shape[1])
    limit_x, limit_y = _limit(columns - 1), _limit(rows - 1)
    flat, last = ground.ravel(), np.int32(ground.size - 1)
    for k in range(len(x)):
        u, v = min(max((x[k] - first_x) * per, ZERO), limit_x), min(max((y[k] - first_y) * per, ZERO), limit_y)
        column, row = np.int32(u), np.int32(v)
        x[k], y[k] = u - np.float32(column), v - np.float32(row)
        at[k] = np.int32(np.int32(row * columns) + column)
    for k in range(len(x)):
        u, v = x[k], y[k]
        corner = at[k]
        side = corner + (columns if u < v else 1)
        far = corner + columns + 1
        low, middle = flat[_inside(corner, last)], flat[_inside(side, last)]
        high = flat[_inside(far, last)]
        height = low + (u if u > v else v) * (middle - low) + (v if u > v else u) * (high - middle)
        x[k] = height if u == u and v == v else NAN


@part
def _inside(index: Any, last: Any) -> Any:
    """An index from 0 to ``last``; that of a NaN may be anything."""
    return np.uintp(min(max(index, 0), last))


@Kernel
def ground_height(
    ground: np.ndarray, first_x: float, first_y: float, per: float, x: np.ndarray, y: np.ndarray
) -> np.ndarray:
    """:func:`locoenvs.mdp.terrain.ground_height` of points (P,)."""
    made, y, at = x.copy(), y.copy(), np.empty(len(x), np.int32)
    _heights(ground, np.float32(first_x), np.float32(first_y), np.float32(per), made, y, at)
    return made


@Kernel
def height_samples(
    ground: np.ndarray,
    first_x: Any,
    first_y: Any,
    per: Any,
    position: np.ndarray,
    cos: np.ndarray,
    sin: np.ndarray,
    points: np.ndarray,
    offset: Any,
    clip: float,
) -> np.ndarray:
    """:func:`locoenvs.mdp.observations.height_samples`, of the cosine and sine (N,) of the heading."""
    first_x, first_y, per = np.float32(first_x), np.float32(first_y), np.float32(per)
    low, high, offset = np.float32(-clip), np.float32(clip), np.float32(offset)
    forward, sideways = points[:, 0].copy(), points[:, 1].copy()
    heights, y, at = np.empty((len(position), len(points)), np.float32), forward.copy(), np.empty(len(points), np.int32)
    for robot in range(len(position)):
        at_x, at_y, up = position[robot, 0], position[robot, 1], position[robot, 2] - offset
        c, s = cos[robot], sin[robot]
        x = heights[robot]
        for k in range(len(points)):
            x[k] = at_x + c * forward[k] - s * sideways[k]
            y[k] = at_y + s * forward[k] + c * sideways[k]
        _heights(ground, first_x, first_y, per, x, y, at)
        for k in range(len(points)):
            x[k] = min(max(up - x[k], low), high)
    return heights
