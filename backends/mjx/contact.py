"""Spheres against the ground's triangles, in JAX.

The ground is the height grid with MuJoCo's triangles: the cell between vertices (r, c) and (r + 1, c + 1) is cut from one
to the other. The point of it that is nearest to a sphere's center lies inside a triangle, or on an edge. Looking at
every triangle and edge under the sphere's square is exact for spheres whose center is above the ground, and for those
below it as long as they are not deeper than their radius.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

SAME = math.cos(math.radians(45.0))
"""A second contact counts only where the ground faces another way: by more than 45 degrees."""

RISE = 1e-5
"""And only ground that rises out of the first contact's plane by more than this, m: the plane itself and what falls away
from it is not in the way."""

FAR = 1e6
"""The distance of what does not touch, m."""


class Touch(NamedTuple):
    """Where spheres meet the ground."""

    distance: jax.Array  # (S,) m, between the surfaces, negative where they overlap
    position: jax.Array  # (S, 3) m, in the middle of the overlap
    frame: jax.Array  # (S, 3, 3) rows: the normal, out of the ground, and two tangents


@dataclass(frozen=True)
class Grid:
    """The shape of a height grid whose vertex (0, 0) stands at ``origin`` (x, y) m."""

    rows: int
    columns: int
    origin: tuple[float, float]
    cell: float


def cells_under(radius: float, cell: float) -> int:
    """How many cells a sphere's square can reach into along one side."""
    return math.ceil(round(2 * radius / cell, 6)) + 1


def frame_of(normal: jax.Array) -> jax.Array:
    """MuJoCo's contact frame of unit normals (..., 3): friction holds along its second and third row, (..., 3, 3)."""
    steep = jnp.abs(normal[..., 1:2]) >= 0.5
    y = jnp.where(steep, jnp.array([0.0, 0.0, 1.0]), jnp.array([0.0, 1.0, 0.0]))
    y = y - jnp.sum(y * normal, axis=-1, keepdims=True) * normal
    y = y / jnp.linalg.norm(y, axis=-1, keepdims=True)
    return jnp.stack([normal, y, jnp.cross(normal, y)], axis=-2)


def touch(
    heights: jax.Array, grid: Grid, center: jax.Array, radius: np.ndarray, twice: np.ndarray
) -> tuple[Touch, Touch]:
    """Spheres with ``center`` (S, 3) m and ``radius`` (S,) m on the ground of ``heights`` (rows * columns,) m.

    Returns the deepest contact of each sphere, and for the spheres ``twice`` (indices) a second one, of the deepest
    place where the ground rises and faces another way: a foot on a tread touches the riser too.
    """
    groups, firsts, seconds = [], [], []
    for count in sorted({cells_under(r, grid.cell) for r in radius}):
        chosen = np.array([i for i, r in enumerate(radius) if cells_under(r, grid.cell) == count])
        near = _Near(heights, grid, center[chosen], radius[chosen], count)
        first, second = near.contacts(np.nonzero(np.isin(chosen, twice))[0])
        groups.append(chosen)
        firsts.append(first)
        seconds.append(second)
    order = np.concatenate(groups)
    touches = []
    for parts, spheres, wanted in (
        (firsts, order, np.arange(len(radius))),
        (seconds, order[np.isin(order, twice)], twice),
    ):
        rows = np.array([np.nonzero(spheres == sphere)[0].item() for sphere in wanted], int)
        d, n = (jnp.concatenate([part[i] for part in parts])[rows] for i in (0, 1))
        touches.append(Touch(d, center[wanted] - n * (radius[wanted] + d / 2)[:, None], frame_of(n)))
    return touches[0], touches[1]


class _Near:
    """The pieces of ground near S spheres: ``count`` x ``count`` cells each."""

    def __init__(self, heights: jax.Array, grid: Grid, center: jax.Array, radius: np.ndarray, count: int) -> None:
        self.cell, self.count, self.radius = grid.cell, count, jnp.asarray(radius, jnp.float32)
        origin = jnp.array(grid.origin, jnp.float32)
        limit = jnp.array([grid.columns - 1 - count, grid.rows - 1 - count])
        corner = jnp.clip(
            jnp.floor((center[:, :2] - self.radius[:, None] - origin) / grid.cell).astype(jnp.int32), 0, limit
        )
        offsets = np.arange(count + 1)
        index = (corner[:, 1, None, None] + offsets[:, None]) * grid.columns + corner[:, 0, None, None] + offsets
        self.height = heights[index]  # (S, count + 1, count + 1), rows along y
        # Everything relative to the first vertex of the patch, so that float32 loses nothing far from the origin.
        self.xy = center[:, :2] - origin - corner * jnp.float32(grid.cell)
        self.z = center[:, 2]

    def contacts(self, twice: np.ndarray) -> tuple[tuple[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]:
        """Distances (S,) and normals (S, 3) of each sphere's first contact, and (R,), (R, 3) of the second of those ``twice``."""
        faces, inside, above = self._faces()
        # From the ground to the center, (S, P) along x, y and z: apart, since the compiler vectorizes the last axis.
        vector = tuple(jnp.concatenate([face, edge], axis=1) for face, edge in zip(faces, self._edges()))
        square = vector[0] ** 2 + vector[1] ** 2 + vector[2] ** 2
        square = square.at[:, : inside.shape[1]].set(jnp.where(inside, square[:, : inside.shape[1]], FAR**2))
        sign = jnp.where(above, 1.0, -1.0)
        first, normal = _nearest(square, vector, sign)
        normal = jnp.where((first < 1e-5)[:, None], self._normal_below(), normal)
        # Only the nearest point of ground that a buried center has says how deep it is.
        square, vector, facing, sign = square[twice], tuple(part[twice] for part in vector), normal[twice], sign[twice]
        along = sum(part * facing[:, i, None] for i, part in enumerate(vector)) * sign[:, None]
        other = jnp.where(along < jnp.minimum(SAME * jnp.sqrt(square), first[twice, None] - RISE), square, FAR**2)
        second, turned = _nearest(jnp.where(above[twice, None], other, FAR**2), vector, sign)
        turned = jnp.where((second < FAR / 2)[:, None], turned, facing)
        radius = self.radius
        return (jnp.where(above, first, -first) - radius, normal), (second - radius[twice], turned)

    def _triangles(self) -> tuple[jax.Array, ...]:
        """Of the lower and the upper triangle of each cell: slopes along x and y, and the center's height above its plane.

        Arrays are (S, 2, count, count); also x and y from the cell's first vertex, (S, 1, count, count).
        """
        h = self.height
        corner, right, up, far = h[:, :-1, :-1], h[:, :-1, 1:], h[:, 1:, :-1], h[:, 1:, 1:]
        slope_x = jnp.stack([right - corner, far - up], axis=1) / self.cell
        slope_y = jnp.stack([far - right, up - corner], axis=1) / self.cell
        places = np.arange(self.count) * np.float32(self.cell)
        x = jnp.broadcast_to(self.xy[:, 0, None, None, None] - places[None, :], (len(h), 1, self.count, self.count))
        y = jnp.broadcast_to(self.xy[:, 1, None, None, None] - places[:, None], (len(h), 1, self.count, self.count))
        above = self.z[:, None, None, None] - corner[:, None] - slope_x * x - slope_y * y
        return slope_x, slope_y, above, x, y

    def _faces(self) -> tuple[tuple[jax.Array, ...], jax.Array, jax.Array]:
        """Vectors from each triangle's plane to the center, (S, 2 count^2) along x, y and z, whether they end inside the
        triangle, and whether the center is above the ground (S,)."""
        slope_x, slope_y, above, x, y = self._triangles()
        along = above / (1 + slope_x**2 + slope_y**2)
        px, py = x + along * slope_x, y + along * slope_y
        lower = np.array([True, False])[:, None, None]
        within = (jnp.minimum(px, py) >= 0) & (jnp.maximum(px, py) <= self.cell)
        inside = within & jnp.where(lower, px >= py, px <= py)
        over = self._over(x, y)
        over_ground = jnp.sum(jnp.where(over, above, 0.0), axis=(1, 2, 3)) >= 0
        size = len(self.height)
        vector = tuple(part.reshape(size, -1) for part in (-along * slope_x, -along * slope_y, along))
        return vector, inside.reshape(size, -1), over_ground

    def _over(self, x: jax.Array, y: jax.Array) -> jax.Array:
        """Which triangle the center is over, (S, 2, count, count); beyond the map, the nearest cell's."""
        last = self.count - 1
        column = jnp.clip(jnp.floor(self.xy[:, 0] / self.cell).astype(jnp.int32), 0, last)
        row = jnp.clip(jnp.floor(self.xy[:, 1] / self.cell).astype(jnp.int32), 0, last)
        here = (column[:, None, None, None] == np.arange(self.count)) & (
            row[:, None, None, None] == np.arange(self.count)[:, None]
        )
        lower = np.array([True, False])[:, None, None]
        return here & jnp.where(lower, x >= y, x < y)

    def _normal_below(self) -> jax.Array:
        """The unit normal of the triangle that the center is over, (S, 3)."""
        slope_x, slope_y, _, x, y = self._triangles()
        over = self._over(x, y)
        sx, sy = (jnp.sum(jnp.where(over, slope, 0.0), axis=(1, 2, 3)) for slope in (slope_x, slope_y))
        normal = jnp.stack([-sx, -sy, jnp.ones_like(sx)], axis=-1)
        return normal / jnp.linalg.norm(normal, axis=-1, keepdims=True)

    def _edges(self) -> tuple[jax.Array, ...]:
        """Vectors to the center from its nearest point on every edge, (S, E) along x, y and z."""
        n, h = self.count, self.height
        starts, ends, lows, highs = [], [], [], []
        for rise, run in ((0, 1), (1, 0), (1, 1)):  # along x, along y, the cells' diagonals
            starts += [(r, c) for r in range(n + 1 - rise) for c in range(n + 1 - run)]
            ends += [(r + rise, c + run) for r in range(n + 1 - rise) for c in range(n + 1 - run)]
            lows.append(h[:, : n + 1 - rise, : n + 1 - run].reshape(len(h), -1))
            highs.append(h[:, rise:, run:].reshape(len(h), -1))
        start, end = np.array(starts), np.array(ends)
        low, high = jnp.concatenate(lows, axis=1), jnp.concatenate(highs, axis=1)
        flat = (end - start)[:, ::-1] * np.float32(self.cell)  # (E, 2) x and y
        climb = high - low
        x, y = (self.xy[:, axis, None] - start[:, 1 - axis] * np.float32(self.cell) for axis in (0, 1))
        up = self.z[:, None] - low
        share = (x * flat[:, 0] + y * flat[:, 1] + up * climb) / (np.sum(flat**2, axis=-1) + climb**2)
        share = jnp.clip(share, 0.0, 1.0)
        return x - share * flat[:, 0], y - share * flat[:, 1], up - share * climb


def _nearest(square: jax.Array, vector: tuple[jax.Array, ...], sign: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The smallest length (S,) whose ``square`` (S, P) is given, and the unit vector (S, 3) that belongs to it, by ``sign``."""
    index = jnp.argmin(square, axis=1, keepdims=True)
    length = jnp.sqrt(jnp.min(square, axis=1))
    found = jnp.stack([jnp.take_along_axis(part, index, axis=1)[:, 0] for part in vector], axis=-1)
    return length, found * (sign / jnp.maximum(length, 1e-9))[:, None]
