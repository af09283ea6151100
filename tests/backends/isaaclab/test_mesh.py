"""The ground as triangles against the height grid that it is made from."""

from __future__ import annotations

import numpy as np
import pytest

from locoenvs.backends.isaaclab.mesh import Mesh, ground_mesh
from locoenvs.mdp.terrain import HeightMap, build, ground_height
from locoenvs.tasks.entries import TileShare
from locoenvs.tasks.task import Terrain
from locoenvs.tasks.vocabulary import TILE_KINDS


def tiles(*kinds: str, border: float = 1.0, cell: float = 0.1) -> HeightMap:
    hardest = {"slope": (0.47, 0.47), "roughness": (0.1, 0.1), "height": (0.2, 0.2), "riser": (0.2, 0.2)}
    known = {kind: TILE_KINDS[kind].parameters({}) for kind in kinds}
    shares = tuple(
        TileShare(kind, 1 / len(kinds), parameters={name: hardest[name] for name in hardest if name in known[kind]})
        for kind in kinds
    )
    return build(Terrain(levels=1, columns=len(kinds), border=border, cell=cell, shares=shares))


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The cross product of vectors in the plane, (..., 2)."""
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def height_under(mesh: Mesh, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Height of the highest triangle over each point (M,), by barycentric coordinates, NaN beside the mesh."""
    a, b, c = (mesh.points[mesh.triangles[:, i]].astype(np.float64) for i in range(3))
    found = np.full(len(x), np.nan)
    area = cross(b[:, :2] - a[:, :2], c[:, :2] - a[:, :2])
    for index, point in enumerate(np.stack([x, y], axis=-1)):
        near = np.nonzero(
            np.all(np.minimum(np.minimum(a, b), c)[:, :2] <= point + 1e-9, axis=-1)
            & np.all(np.maximum(np.maximum(a, b), c)[:, :2] >= point - 1e-9, axis=-1)
            & (area > 1e-12)
        )[0]
        u = cross(b[near, :2] - point, c[near, :2] - point) / area[near]
        v = cross(c[near, :2] - point, a[near, :2] - point) / area[near]
        hit = (u >= -1e-9) & (v >= -1e-9) & (u + v <= 1 + 1e-9)
        if hit.any():
            n = near[hit]
            found[index] = np.max(u[hit] * a[n, 2] + v[hit] * b[n, 2] + (1 - u[hit] - v[hit]) * c[n, 2])
    return found


@pytest.mark.parametrize(
    "kind, cell",
    [
        *((kind, 0.1) for kind in ("flat", "slope_up", "rough", "obstacles", "stairs_up", "stairs_down")),
        ("stairs_up", 0.05),
    ],
)
def test_every_point_is_at_the_height_that_the_task_samples(kind: str, cell: float) -> None:
    ground = tiles(kind, cell=cell)
    rows, columns = ground.heights.shape
    rng = np.random.default_rng(0)
    x = (ground.origin[0] + rng.random(150) * (columns - 1) * ground.cell).astype(np.float32)
    y = (ground.origin[1] + rng.random(150) * (rows - 1) * ground.cell).astype(np.float32)
    expected = ground_height(ground.heights, ground.origin, ground.cell, x, y)
    np.testing.assert_allclose(height_under(ground_mesh(ground), x, y), expected, atol=1e-5)


def test_triangles_face_up_and_cover_the_map_once() -> None:
    ground = tiles("rough", "stairs_up")
    mesh = ground_mesh(ground)
    a, b, c = (mesh.points[mesh.triangles[:, i]].astype(np.float64) for i in range(3))
    area = cross(b[:, :2] - a[:, :2], c[:, :2] - a[:, :2]) / 2
    assert (area > 0).all()
    rows, columns = ground.heights.shape
    np.testing.assert_allclose(area.sum(), (rows - 1) * (columns - 1) * ground.cell**2, rtol=1e-6)


def test_the_flat_border_is_eight_triangles() -> None:
    wide, narrow = (ground_mesh(tiles("rough", border=border)) for border in (20.0, 1.0))
    assert len(wide.triangles) == len(narrow.triangles)
    assert wide.points[:, 0].min() == pytest.approx(-24.0) and wide.points[:, 1].max() == pytest.approx(24.0)


UPRIGHT: list[str] = ["stairs_up", "stairs_down", "obstacles"]


@pytest.mark.parametrize("cell", [0.1, 0.05])
@pytest.mark.parametrize("kind", UPRIGHT)
def test_vertical_risers_leave_nothing_between_level_and_vertical(kind: str, cell: float) -> None:
    ground = tiles(kind, cell=cell)
    mesh = ground_mesh(ground, vertical_risers=True)
    a, b, c = (mesh.points[mesh.triangles[:, i]].astype(np.float64) for i in range(3))
    normal = np.cross(b - a, c - a) / 2
    level, upright = np.abs(normal[:, :2]).max(axis=-1) < 1e-9, np.abs(normal[:, 2]) < 1e-6
    assert (level | upright).all() and upright.any()
    assert (normal[level, 2] > 0).all(), "floors must face up"
    rows, columns = ground.heights.shape
    np.testing.assert_allclose(normal[level, 2].sum(), (rows - 1) * (columns - 1) * ground.cell**2, rtol=1e-5)


@pytest.mark.parametrize("kind", UPRIGHT)
def test_with_vertical_risers_a_slanted_cell_goes_down_to_its_lowest_corner(kind: str) -> None:
    ground = tiles(kind)
    heights = ground.heights
    lowest = np.minimum(np.minimum(heights[:-1, :-1], heights[1:, :-1]), np.minimum(heights[:-1, 1:], heights[1:, 1:]))
    rng = np.random.default_rng(0)
    row, column = (rng.integers(size - 1, size=150) for size in heights.shape)
    x = ground.origin[0] + (column + 0.1 + 0.8 * rng.random(150)) * ground.cell
    y = ground.origin[1] + (row + 0.1 + 0.8 * rng.random(150)) * ground.cell
    found = height_under(ground_mesh(ground, vertical_risers=True), x, y)
    np.testing.assert_allclose(found, lowest[row, column], atol=1e-5)


def test_walls_face_the_lower_side_and_reach_from_floor_to_floor() -> None:
    heights = np.zeros((5, 6), np.float32)
    heights[:, 3:] = 0.2
    ground = HeightMap(heights, (0.0, 0.0), 0.1, np.zeros((1, 1, 3), np.float32), ("stairs_up",))
    mesh = ground_mesh(ground, vertical_risers=True)
    a, b, c = (mesh.points[mesh.triangles[:, i]].astype(np.float64) for i in range(3))
    normal = np.cross(b - a, c - a) / 2
    wall = np.abs(normal[:, 2]) < 1e-9
    np.testing.assert_allclose(np.concatenate([a, b, c])[np.tile(wall, 3), 0], 0.3, atol=1e-6)
    np.testing.assert_allclose(normal[wall].sum(axis=0), (-0.2 * 0.4, 0, 0), atol=1e-6)  # stairs climb along x
    turned = HeightMap(heights.T.copy(), (0.0, 0.0), 0.1, np.zeros((1, 1, 3), np.float32), ("stairs_up",))
    mesh = ground_mesh(turned, vertical_risers=True)
    a, b, c = (mesh.points[mesh.triangles[:, i]].astype(np.float64) for i in range(3))
    normal = np.cross(b - a, c - a) / 2
    wall = np.abs(normal[:, 2]) < 1e-9
    np.testing.assert_allclose(normal[wall].sum(axis=0), (0, -0.2 * 0.4, 0), atol=1e-6)
    down = HeightMap(-heights, (0.0, 0.0), 0.1, np.zeros((1, 1, 3), np.float32), ("stairs_down",))
    mesh = ground_mesh(down, vertical_risers=True)
    a, b, c = (mesh.points[mesh.triangles[:, i]].astype(np.float64) for i in range(3))
    normal = np.cross(b - a, c - a) / 2
    wall = np.abs(normal[:, 2]) < 1e-9
    np.testing.assert_allclose(normal[wall].sum(axis=0), (0.2 * 0.4, 0, 0), atol=1e-6)


def test_slopes_and_rough_ground_have_no_risers() -> None:
    ground = tiles("slope_up", "rough", border=2.0)
    plain, upright = ground_mesh(ground), ground_mesh(ground, vertical_risers=True)
    np.testing.assert_array_equal(plain.triangles, upright.triangles)
    np.testing.assert_array_equal(plain.points, upright.points)
