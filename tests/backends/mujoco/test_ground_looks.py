"""The texture of uneven ground shows what rises, where it is."""

from __future__ import annotations

import numpy as np
import pytest

from locoenvs.backends.mujoco import ground_looks
from locoenvs.backends.mujoco.ground_looks import texture, texture_of
from locoenvs.backends.mujoco.model import drawn_model
from locoenvs.backends.mujoco.near_ground import NearGround
from locoenvs.backends.mujoco.render import Renderer
from locoenvs.mdp.terrain import build
from locoenvs.tasks.entries import TileShare
from locoenvs.tasks.robots.anymal_c import ANYMAL_C
from locoenvs.tasks.task import Task, Terrain

STEP = np.array([[0.0, 0.0, 0.2, 0.2]] * 3, np.float32)


def brightness(picture: np.ndarray) -> np.ndarray:
    return picture.astype(float).mean(axis=-1)


def test_the_face_of_a_step_is_dark_and_level_ground_beside_it_has_a_rim() -> None:
    shown = brightness(texture(STEP, cell=0.1, pixels=4, first=(1, 1)))
    assert shown.shape == (8, 12)
    level, face = shown[:, 0], shown[:, 4:8]
    assert (face < 0.6 * level[:, None]).all()
    np.testing.assert_allclose(shown[:, [3, 8]] / level[:, None], ground_looks.RIM, atol=0.02)
    assert (shown[:, 10] == level).all()


def test_level_ground_has_a_line_every_meter_of_the_whole_map() -> None:
    plain = np.zeros((31, 31), np.float32)
    shown = brightness(texture(plain, cell=0.1, pixels=2, first=(5, 3)))
    dark = shown < shown.max()
    assert np.flatnonzero(dark[0::2].all(axis=0) | dark[1::2].all(axis=0)).tolist() == [14, 34, 54]
    assert np.flatnonzero(dark[::-1].all(axis=1)).tolist() == [10, 30, 50], "rows count upwards"


def test_both_triangles_of_a_cell_have_their_own_shade() -> None:
    """The cell is split by the diagonal from its first to its last corner; only the corner at (x, 0) is high."""
    shown = brightness(texture(np.array([[0.0, 0.4], [0.0, 0.0]], np.float32), cell=0.4, pixels=8, first=(1, 1)))[::-1]
    below, above = shown[1, 6], shown[6, 1]
    assert below < 0.9 * above
    for row in range(8):
        assert all((shown[row, column] == above) == (row > column) for column in range(8))


def test_what_is_drawn_around_a_robot_is_the_texture_of_that_ground() -> None:
    shares = (TileShare("stairs_up", 1.0, parameters={"riser": (0.2, 0.2)}),)
    task = Task(robot=ANYMAL_C, terrain=Terrain(levels=3, columns=1, border=8.0, shares=shares))
    ground = build(task.terrain)
    near = NearGround(drawn_model(task, ground), reach=5.0)
    assert near.show(np.array([3.0, -2.0]))
    model, index = near.model, texture_of(near.model)
    height, width = int(model.tex_height[index]), int(model.tex_width[index])
    begin = int(model.tex_adr[index])
    shown = model.tex_data[begin : begin + 3 * height * width].reshape(height, width, 3)
    x, y = model.geom_pos[model.geom("ground").id, :2] - model.hfield_size[0, :2]
    row, column = round((y - ground.origin[1]) / 0.1), round((x - ground.origin[0]) / 0.1)
    part = ground.heights[row : row + 101, column : column + 101]
    expected = texture(part, 0.1, width // 100, (row, column))
    different = np.abs(shown.astype(int) - expected).max(axis=-1) > 2
    assert different.mean() < 1e-3  # heights are kept as shares of the highest


def test_the_picture_has_faces_where_the_ground_has_them() -> None:
    """From above: level ground is bright, the faces of a pit of stairs are not, and the part that is drawn is the right one."""
    shares = (TileShare("stairs_up", 1.0, parameters={"riser": (0.2, 0.2)}),)
    task = Task(robot=ANYMAL_C, terrain=Terrain(levels=4, columns=1, border=2.0, shares=shares))
    ground = build(task.terrain)
    center = ground.tile_centers[3, 0]
    renderer = Renderer(
        drawn_model(task, ground), 200, 200, camera="above", azimuth=90.0, elevation=-90.0, distance=9.0
    )
    qpos = np.zeros(7 + len(ANYMAL_C.joints))
    qpos[:3], qpos[3] = center + (0.0, 0.0, 0.6), 1.0
    shown = brightness(renderer.frame(qpos))
    renderer.close()
    along = shown[95:105, :].mean(axis=0)  # world x to the right, through the middle; the robot hides the innermost
    left, right = along[:60], along[140:][::-1]
    assert np.diff((left < 170).astype(int)).clip(0).sum() >= 3, "faces"
    assert ((left < 170) == (right < 170)).mean() > 0.9, "a pit is as wide to both sides of its middle"


@pytest.mark.slow
def test_a_model_for_the_ground_near_a_robot_has_a_smaller_texture_and_gives_the_same_picture() -> None:
    shares = (TileShare("stairs_up", 1.0, parameters={"riser": (0.2, 0.2)}),)
    task = Task(robot=ANYMAL_C, terrain=Terrain(levels=5, columns=1, border=20.0, shares=shares))
    ground = build(task.terrain)
    whole, near = drawn_model(task, ground), drawn_model(task, ground, near=True)
    assert near.ntexdata < 0.7 * whole.ntexdata
    qpos = np.zeros(7 + len(ANYMAL_C.joints))
    qpos[:3], qpos[3] = ground.tile_centers[3, 0] + (0.0, 0.0, 0.6), 1.0
    pictures = []
    for model in (whole, near):
        renderer = Renderer(model, 160, 120)
        pictures.append(renderer.frame(qpos).astype(int))
        renderer.close()
    assert np.abs(pictures[0] - pictures[1]).max() <= 2 and np.ptp(pictures[0]) > 100


def test_a_plane_and_a_map_that_is_too_large_have_no_texture() -> None:
    assert ground_looks.pixels_for(101, 5000) == 0 and ground_looks.pixels_for(101, 101) == ground_looks.PIXELS
    plane = Task(robot=ANYMAL_C, terrain=Terrain(kind="plane"))
    assert texture_of(drawn_model(plane, build(plane.terrain))) < 0
