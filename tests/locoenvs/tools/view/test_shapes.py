from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import viewed
from locoenvs.mdp.terrain import ground_height, map_of
from locoenvs.tasks.robots.anymal_c import ANYMAL_C as ROBOT
from locoenvs.tools.view import shapes


def test_the_triangles_are_the_ground() -> None:
    height_map = map_of(viewed.tiles())
    size = 60
    vertices, level, steep = shapes.patch(height_map, 40, 80, size)
    faces = np.concatenate([level, steep])
    one, two, three = (vertices[faces[:, k]].astype(float) for k in range(3))
    normal = np.cross(two - one, three - one)
    assert (normal[:, 2] > 0).all()  # all of them look up
    assert normal[:, 2].sum() / 2 == pytest.approx((size * height_map.cell) ** 2, rel=1e-4)  # and cover it once
    for weights in ((1 / 3, 1 / 3, 1 / 3), (0.6, 0.3, 0.1), (0.05, 0.15, 0.8)):
        points = np.einsum("k,kfc->fc", weights, np.stack([one, two, three]))
        x, y = (np.ascontiguousarray(points[:, axis], np.float32) for axis in range(2))
        heights = ground_height(height_map.heights, height_map.origin, height_map.cell, x, y)
        np.testing.assert_allclose(points[:, 2], heights, atol=2e-4)
    assert len(faces) < size * size  # level rows of cells are joined


def test_faces_of_steps_are_steep() -> None:
    height_map = map_of(viewed.tiles())
    row, column = (np.array(height_map.heights.shape) // 2).tolist()
    heights = height_map.heights * 0
    heights[:, column:] = 0.2
    stepped = dataclasses.replace(height_map, heights=heights)
    vertices, level, steep = shapes.patch(stepped, row, column - 5, 10)
    assert len(steep) == 20 and len(level) == 2 * 10 * 2
    assert set(np.round(vertices[level.ravel()][:, 2], 6)) == {0.0, np.float32(0.2)}


def test_the_last_square_ends_with_the_map() -> None:
    height_map = map_of(viewed.tiles())
    rows, columns = height_map.heights.shape
    vertices, _, _ = shapes.patch(height_map, rows - 3, columns - 3, 40)
    np.testing.assert_allclose(vertices[:, :2].max(axis=0), -np.array(height_map.origin), atol=1e-4)


def test_a_robot_has_all_its_shapes_where_they_belong() -> None:
    pytest.importorskip("trimesh")
    parts = shapes.parts(ROBOT)
    names = [body.name for body in ROBOT.bodies]
    assert {(names[part.body], part.color) for part in parts} == {(v.body, v.color) for v in ROBOT.visuals}
    box = next(v for v in ROBOT.visuals if v.shape == "box")
    part = next(p for p in parts if (names[p.body], p.color) == (box.body, box.color))
    assert (part.faces < len(part.vertices)).all()
    low, high = part.vertices.min(axis=0), part.vertices.max(axis=0)
    assert (low <= np.array(box.position)).all() and (high >= np.array(box.position)).all()


def test_one_that_says_not_how_it_looks_is_its_spheres() -> None:
    pytest.importorskip("trimesh")
    parts = shapes.parts(dataclasses.replace(ROBOT, visuals=()))
    assert sum(len(part.vertices) for part in parts) > 0
    foot = ROBOT.spheres[-1]
    body = [body.name for body in ROBOT.bodies].index(foot.body)
    vertices = next(part.vertices for part in parts if part.body == body)
    assert np.linalg.norm(vertices - foot.position, axis=1).min() == pytest.approx(foot.radius, rel=0.01)
