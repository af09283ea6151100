"""Pictures: the right shape, of the robot, from a camera that follows it and sees it."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from locoenvs.backends.mujoco.model import compile_model, drawn_model
from locoenvs.backends.mujoco.render import Renderer
from locoenvs.mdp.state import Camera
from locoenvs.mdp.terrain import build
from locoenvs.tasks.entries import TileShare
from locoenvs.tasks.robots.anymal_c import ANYMAL_C
from locoenvs.tasks.task import Task, Terrain

pytestmark = pytest.mark.xdist_group("render")

PLANE = Task(robot=ANYMAL_C, terrain=Terrain(kind="plane"))
STAIRS = Task(
    robot=ANYMAL_C,
    terrain=Terrain(
        levels=1, columns=1, border=1.0, shares=(TileShare("stairs_up", 1.0, parameters={"riser": (0.2, 0.2)}),)
    ),
)


@pytest.fixture(scope="module")
def model() -> mujoco.MjModel:
    return compile_model(PLANE, build(PLANE.terrain), visuals=True)


def pose(model: mujoco.MjModel, x: float = 0.0, y: float = 0.0, z: float = 0.55) -> np.ndarray:
    qpos = model.qpos0.copy()
    qpos[:3] = x, y, z
    qpos[7:] = [joint.default for joint in ANYMAL_C.joints]
    return qpos


def red(picture: np.ndarray) -> np.ndarray:
    """(height, width) bool: the robot's shell, the only red thing."""
    channels = picture.astype(int)
    return channels[..., 0] > 2 * channels[..., 1:].max(axis=-1) + 20


@pytest.fixture
def renderer(model: mujoco.MjModel):
    made = Renderer(model, 320, 240)
    yield made
    made.close()


def test_a_frame_shows_the_robot_in_the_middle_the_right_way_up(model: mujoco.MjModel, renderer: Renderer) -> None:
    picture = renderer.frame(pose(model))
    assert picture.shape == (240, 320, 3) and picture.dtype == np.uint8
    rows, columns = np.nonzero(red(picture))
    assert len(rows) > 0.005 * 240 * 320
    assert 100 < columns.mean() < 220 and 60 < rows.mean() < 140
    sky, ground = picture[:10].mean(axis=(0, 1)), picture[-10:].mean(axis=(0, 1))
    assert sky[2] > sky[0] + 5 > ground[0]  # blue and bright above


def test_a_frame_is_the_callers(model: mujoco.MjModel, renderer: Renderer) -> None:
    first = renderer.frame(pose(model))
    kept = first.copy()
    renderer.frame(pose(model, x=0.3))
    np.testing.assert_array_equal(first, kept)


def test_the_camera_follows_smoothly_and_jumps_to_a_robot_put_elsewhere(
    model: mujoco.MjModel, renderer: Renderer
) -> None:
    def column() -> float:
        return float(np.nonzero(red(picture))[1].mean())

    picture = renderer.frame(pose(model))
    middle = column()
    picture = renderer.frame(pose(model, x=0.5))
    moved = abs(column() - middle)
    assert moved > 10  # pixels: it lags behind
    for _ in range(30):
        picture = renderer.frame(pose(model, x=0.5))
    assert abs(column() - middle) < 0.1 * moved  # and catches up
    picture = renderer.frame(pose(model, x=40.0, y=-30.0))
    assert abs(column() - middle) < 0.1 * moved  # at once


def test_the_ground_does_not_hide_the_robot() -> None:
    """In a pit of stairs a camera as low as the robot would stand behind the wall."""
    model = compile_model(STAIRS, build(STAIRS.terrain), visuals=True)
    renderer = Renderer(model, 320, 240, azimuth=0.0, elevation=-5.0, distance=3.0)
    low = build(STAIRS.terrain).tile_centers[0, 0, 2]
    assert low < -1.5
    picture = renderer.frame(pose(model, x=-1.0, z=low + 0.55))
    renderer.close()
    assert red(picture).sum() > 200


def test_level_ground_has_no_specks_and_the_robot_a_shadow() -> None:
    task = Task(robot=ANYMAL_C, terrain=Terrain(levels=1, columns=1, border=4.0, shares=(TileShare("slope_up", 1.0),)))
    ground = build(task.terrain)
    seen = Renderer(drawn_model(task, ground), 480, 480, camera="above", azimuth=90.0, elevation=-90.0, distance=14.0)
    model = seen._model
    shown = seen.frame(pose(model, *ground.tile_centers[0, 0] + (0.0, 0.0, 0.6))).astype(int)
    seen.close()
    dark = shown.max(axis=-1) < 170  # lines are not
    robot = np.zeros_like(dark)
    robot[200:280, 200:280] = True
    assert not (dark & ~robot).any()
    gray = np.ptp(shown, axis=-1) < 15
    assert (dark & gray & (shown.min(axis=-1) > 70) & robot).sum() > 40, "its shadow"


def test_it_closes_twice_and_several_live_side_by_side(model: mujoco.MjModel) -> None:
    first, second = Renderer(model, 64, 48), Renderer(model, 80, 60)
    before = first.frame(pose(model))
    assert second.frame(pose(model)).shape == (60, 80, 3)
    second.close()
    second.close()
    np.testing.assert_array_equal(first.frame(pose(model)), before)
    first.close()


def test_a_picture_beyond_the_buffer_is_refused(model: mujoco.MjModel) -> None:
    with pytest.raises(ValueError, match="4000 x 100 pixels: at most 1920 x 1080"):
        Renderer(model, 4000, 100)


def test_several_robots_are_in_one_picture(model: mujoco.MjModel) -> None:
    """Three red shells, apart from each other; the camera stays where it was for the first picture."""
    renderer = Renderer(model, 320, 240, near=False)
    rows = np.stack([pose(model, x=3.0 * index) for index in range(3)])
    shown = red(renderer.picture(rows, [0, 1, 2])).any(axis=0)
    fewer = red(renderer.picture(rows, [0, 2])).any(axis=0)
    renderer.close()
    groups = lambda columns: 1 + int((np.diff(np.flatnonzero(columns)) > 15).sum())  # noqa: E731
    assert (groups(shown), groups(fewer)) == (3, 2)
    assert not (fewer & ~shown).any()


def test_no_robot_or_too_many_are_refused(renderer: Renderer, model: mujoco.MjModel) -> None:
    with pytest.raises(ValueError, match="401 robots in one picture: from 1 to 400"):
        renderer.crowd(np.repeat(pose(model)[None], 401, axis=0))


@pytest.mark.parametrize(("camera", "wide"), [("side", True), ("front", False)])
def test_a_camera_stands_where_its_name_says(camera: Camera, wide: bool, model: mujoco.MjModel) -> None:
    renderer = Renderer(model, 320, 240, camera=camera)
    rows, columns = np.nonzero(red(renderer.frame(pose(model))))
    renderer.close()
    assert (np.ptp(columns) > 60) == wide and 140 < columns.mean() < 180


def test_a_camera_that_there_is_not_is_refused(model: mujoco.MjModel) -> None:
    with pytest.raises(ValueError, match="camera='below': there are corner, side, front, behind, above"):
        Renderer(model, 64, 48, camera="below")  # type: ignore[arg-type]
