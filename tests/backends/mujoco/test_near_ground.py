"""The part of the ground that is drawn is the whole map's, where it is, and the model it is taken from stays as it is."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from locoenvs.backends.mujoco import near_ground
from locoenvs.backends.mujoco.model import compile_model
from locoenvs.backends.mujoco.near_ground import NearGround
from locoenvs.backends.mujoco.render import Renderer
from locoenvs.mdp.terrain import build
from locoenvs.tasks.entries import TileShare
from locoenvs.tasks.robots.anymal_c import ANYMAL_C
from locoenvs.tasks.task import Task, Terrain

SHARES = (TileShare("stairs_up", 0.5), TileShare("rough", 0.5))
TASK = Task(robot=ANYMAL_C, terrain=Terrain(levels=2, columns=2, border=2.0, shares=SHARES))
PLANE = Task(robot=ANYMAL_C, terrain=Terrain(kind="plane"))


@pytest.fixture(scope="module")
def model() -> mujoco.MjModel:
    return compile_model(TASK, build(TASK.terrain), visuals=True)


def heights(model: mujoco.MjModel, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Of the ground under points, by MuJoCo's rays; NaN where there is none."""
    data, down, hit = mujoco.MjData(model), np.array([0.0, 0.0, -1.0]), np.zeros(1, np.int32)
    mujoco.mj_kinematics(model, data)
    ground = np.array([1, 0, 0, 0, 0, 0], np.uint8)
    found = [mujoco.mj_ray(model, data, np.array([*at, 5.0]), down, ground, 1, -1, hit) for at in zip(x, y)]
    return np.array([5.0 - each if each >= 0 else np.nan for each in found])


@pytest.mark.parametrize("place", [(0.0, 0.0), (3.1, -5.9), (-7.0, 6.5), (100.0, -100.0)])
def test_it_is_the_whole_ground_around_a_place(
    place: tuple[float, float], model: mujoco.MjModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(near_ground, "REACH", 5.0)
    near = NearGround(model)
    before = model.hfield_data.copy(), model.hfield_size.copy(), model.geom_pos.copy()
    assert near.show(np.array(place)) and not near.show(np.array(place) + 0.01)
    rng = np.random.default_rng(0)
    x, y = (np.clip(at, -7.0, 7.0) + rng.uniform(-2.9, 2.9, 200) for at in place)
    np.testing.assert_allclose(heights(near.model, x, y), heights(model, x, y), atol=1e-6)
    assert near.model.hfield_nrow[0] == 101 and model.hfield_nrow[0] == 201
    for kept, now in zip(before, (model.hfield_data, model.hfield_size, model.geom_pos)):
        np.testing.assert_array_equal(kept, now)


def test_a_small_map_and_a_plane_are_drawn_whole(model: mujoco.MjModel) -> None:
    for whole in (model, compile_model(PLANE, build(PLANE.terrain))):
        near = NearGround(whole)
        assert not near.show(np.array([3.0, 3.0])) and near.model is whole


def test_a_picture_is_that_of_the_whole_ground(model: mujoco.MjModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after a walk to where another part is shown; seen from above, since the part ends somewhere."""
    qpos = model.qpos0.copy()
    qpos[7:] = [joint.default for joint in ANYMAL_C.joints]
    pictures = []
    for reach in (20.0, 5.0):
        monkeypatch.setattr(near_ground, "REACH", reach)
        renderer = Renderer(model, 160, 120, elevation=-75)
        for place in ((0.0, 0.0, 0.6), (4.5, -3.3, 0.7)):
            qpos[:3] = place
            pictures.append(renderer.frame(qpos).astype(int))
        renderer.close()
    for whole, part in zip(pictures[:2], pictures[2:]):
        assert np.mean(np.abs(whole - part).max(axis=-1) > 3) < 0.01 and np.ptp(whole) > 100
