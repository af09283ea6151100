"""Triangles of a robot and of the ground, for whoever draws them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np

from locoenvs.mdp.terrain import HeightMap
from locoenvs.numerics.rotation import rotate
from locoenvs.tasks.robot import Color, Robot, Visual

STEEP = 0.8
"""A triangle whose normal points up by less than this is the face of a step."""
SECTIONS = 24
"""Sides of what is round."""
UNSEEN: Color = (0.35, 0.38, 0.42, 1.0)
"""Of robots that say nothing of how they look: their contact spheres are drawn."""


@dataclass(frozen=True)
class Part:
    """All shapes of one color on one body."""

    body: int
    color: Color
    vertices: np.ndarray  # (V, 3) m, in the body's frame
    faces: np.ndarray  # (F, 3)


def parts(robot: Robot) -> list[Part]:
    """What a robot looks like. It needs trimesh, which comes with viser."""
    names = [body.name for body in robot.bodies]
    visuals = robot.visuals or tuple(
        Visual(sphere.body, "sphere", (sphere.radius, 0, 0), sphere.position, color=UNSEEN) for sphere in robot.spheres
    )
    meshes = defaultdict[tuple[int, Color], list[tuple[np.ndarray, np.ndarray]]](list)
    for visual in visuals:
        mesh = _mesh(visual)
        turned = rotate(np.array(visual.rotation), np.asarray(mesh.vertices))
        meshes[names.index(visual.body), visual.color].append((turned + visual.position, np.asarray(mesh.faces)))
    return [Part(body, color, *_joined(shapes)) for (body, color), shapes in meshes.items()]


def _mesh(visual: Visual) -> Any:
    from trimesh import creation

    first, second, third = visual.size
    if visual.shape == "box":
        return creation.box(extents=(2 * first, 2 * second, 2 * third))
    if visual.shape == "cylinder":
        return creation.cylinder(radius=first, height=2 * second, sections=SECTIONS)
    if visual.shape == "capsule":
        return creation.capsule(height=2 * second, radius=first, count=(SECTIONS, SECTIONS // 2))
    sphere = creation.uv_sphere(radius=1.0, count=(SECTIONS, SECTIONS))
    sphere.apply_scale((first, first, first) if visual.shape == "sphere" else (first, second, third))
    return sphere


def _joined(shapes: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    starts = np.cumsum([0, *(len(vertices) for vertices, _ in shapes)])
    faces = [face + start for (_, face), start in zip(shapes, starts)]
    return np.concatenate([vertices for vertices, _ in shapes]).astype(np.float32), np.concatenate(faces)


def patch(height_map: HeightMap, row: int, column: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Triangles of ``size`` x ``size`` cells of the ground from its vertex (row, column): vertices (V, 3) m, world frame, and faces
    (F, 3), those that one can stand on and steep ones.

    They are MuJoCo's, see :mod:`locoenvs.mdp.terrain`; level cells in a row that are equally high are one.
    """
    heights = height_map.heights[row : row + size + 1, column : column + size + 1]
    low, right, up, across = heights[:-1, :-1], heights[:-1, 1:], heights[1:, :-1], heights[1:, 1:]
    level = (low == right) & (low == up) & (low == across)
    goes_on = np.zeros_like(level)
    goes_on[:, 1:] = level[:, 1:] & level[:, :-1] & (low[:, 1:] == low[:, :-1])
    r, begin = np.nonzero(~goes_on)
    last = np.append((r[1:] != r[:-1]), True)
    end = np.where(last, level.shape[1], np.append(begin[1:], 0))
    width = heights.shape[1]
    corners = [r * width + begin, r * width + end, (r + 1) * width + end, (r + 1) * width + begin]
    faces = np.concatenate(
        [np.stack([corners[0], corners[1], corners[2]], 1), np.stack([corners[0], corners[2], corners[3]], 1)]
    )
    used, faces = np.unique(faces, return_inverse=True)
    faces = faces.reshape(-1, 3)
    y, x = np.divmod(used, width)
    vertices = np.stack(
        [
            height_map.origin[0] + (x + column) * height_map.cell,
            height_map.origin[1] + (y + row) * height_map.cell,
            heights.ravel()[used],
        ],
        axis=1,
    )
    one, two, three = (vertices[faces[:, k]] for k in range(3))
    normal = np.cross(two - one, three - one)
    steep = normal[:, 2] < STEEP * np.linalg.norm(normal, axis=1)
    return vertices.astype(np.float32), faces[~steep], faces[steep]
