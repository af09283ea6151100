"""This project's contacts against those that MuJoCo's C engine finds on the same heightfield."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("jax")
pytest.importorskip("mujoco.mjx")

import jax
import mujoco

from locoenvs.backends.mjx.contact import FAR, Grid, Touch, cells_under, frame_of, touch
from locoenvs.mdp.terrain import ground_height

pytestmark = pytest.mark.xdist_group("mjx-contact")

CELL, SIZE = 0.1, 24
RADIUS = np.array([0.03, 0.03, 0.05, 0.06])
"""As on the robot: feet, shanks, corners of the base, knees; the last one reaches into three cells along a side."""


def flat() -> np.ndarray:
    return np.zeros((SIZE, SIZE), np.float32)


def slope() -> np.ndarray:
    """25 degrees along x, 10 along y."""
    x, y = np.meshgrid(np.arange(SIZE) * CELL, np.arange(SIZE) * CELL)
    return (np.tan(np.radians(25)) * x - np.tan(np.radians(10)) * y).astype(np.float32)


def stairs() -> np.ndarray:
    """Steps 0.2 m high and 0.4 m deep across x, as in the hardest task."""
    return np.tile(0.2 * (np.arange(SIZE) // 4), (SIZE, 1)).astype(np.float32)


def obstacle() -> np.ndarray:
    """A block 0.2 m high: edges along both axes, and corners."""
    made = flat()
    made[8:15, 9:16] = 0.2
    return made


def rough() -> np.ndarray:
    return (0.1 * np.random.default_rng(1).uniform(-1, 1, (SIZE, SIZE))).astype(np.float32)


GROUNDS = {made.__name__: made for made in (flat, slope, stairs, obstacle, rough)}
ORIGIN = (-0.3, 0.4)


class Native:
    """One sphere on the heightfield, in the C engine."""

    def __init__(self, heights: np.ndarray, radius: float) -> None:
        spec = mujoco.MjSpec()
        low, high = float(heights.min()), float(heights.max())
        half = (SIZE - 1) * CELL / 2
        field = spec.add_hfield(name="ground", nrow=SIZE, ncol=SIZE)
        field.size = [half, half, high - low if high > low else 1.0, 1.0]
        field.userdata = heights.flatten().tolist()
        ground = spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_HFIELD, contype=1, conaffinity=0)
        ground.hfieldname, ground.pos = "ground", [ORIGIN[0] + half, ORIGIN[1] + half, low]
        body = spec.worldbody.add_body()
        body.add_freejoint()
        body.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[radius, 0, 0], contype=0, conaffinity=1)
        self.model = spec.compile()
        self.data = mujoco.MjData(self.model)

    def contacts(self, center: np.ndarray) -> list[tuple[float, np.ndarray, np.ndarray]]:
        """(distance, frame, position) of all, the deepest first."""
        self.data.qpos[:3] = center
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_collision(self.model, self.data)
        found = [(float(c.dist), c.frame.reshape(3, 3).copy(), c.pos.copy()) for c in self.data.contact]
        return sorted(found, key=lambda contact: contact[0])


@pytest.fixture(scope="module")
def ours():
    grid = Grid(SIZE, SIZE, ORIGIN, CELL)
    twice = np.arange(len(RADIUS))
    return jax.jit(jax.vmap(lambda heights, center: touch(heights, grid, center, RADIUS, twice), in_axes=(None, 0)))


def centers(heights: np.ndarray, count: int) -> np.ndarray:
    """Near the ground and above it, (count, spheres, 3)."""
    draw = np.random.default_rng(0)
    shape = (count, len(RADIUS))
    x = ORIGIN[0] + draw.uniform(2.5 * CELL, (SIZE - 3.5) * CELL, shape)
    y = ORIGIN[1] + draw.uniform(2.5 * CELL, (SIZE - 3.5) * CELL, shape)
    ground = ground_height(heights, ORIGIN, CELL, x.astype(np.float32), y.astype(np.float32))
    return np.stack([x, y, ground + RADIUS * draw.uniform(0.3, 2.5, shape)], axis=-1).astype(np.float32)


def as_numpy(found: Touch) -> Touch:
    return Touch(*(np.asarray(part) for part in found))


@pytest.mark.parametrize("name", GROUNDS)
def test_the_deepest_contact_is_the_c_engines(name: str, ours) -> None:
    heights = GROUNDS[name]()
    center = centers(heights, 400)
    first = as_numpy(ours(heights.reshape(-1), center)[0])
    compared = 0
    for sphere, radius in enumerate(RADIUS):
        native = Native(heights, radius)
        for i in range(len(center)):
            distance = first.distance[i, sphere]
            theirs = native.contacts(center[i, sphere])
            if distance > 1e-4:
                assert not theirs, (
                    f"{center[i, sphere]}: the C engine touches by {theirs[0][0]}, we are {distance} away"
                )
            if distance > -1e-4 or distance < -0.5 * radius:
                continue
            assert theirs, f"{center[i, sphere]}: we touch by {distance}, the C engine does not"
            assert distance == pytest.approx(theirs[0][0], abs=1e-4), f"{center[i, sphere]}"
            near = [contact for contact in theirs if contact[0] < theirs[0][0] + 2e-4]
            normal = first.frame[i, sphere, 0]
            matching = max(near, key=lambda contact: contact[1][0] @ normal)
            assert matching[1][0] @ normal > 0.9995, f"{center[i, sphere]}: {normal} against {matching[1][0]}"
            np.testing.assert_allclose(first.position[i, sphere], matching[2], atol=1.5e-3)
            if abs(abs(normal[1]) - 0.5) > 0.02:  # where MuJoCo's tangents turn
                np.testing.assert_allclose(first.frame[i, sphere], matching[1], atol=0.05)
            compared += 1
    assert compared > 150


def test_a_sphere_in_a_corner_touches_both_faces(ours) -> None:
    """On a tread and against the riser: two contacts, both of which the C engine has too."""
    heights = stairs()
    radius = RADIUS[0]
    # The riser is one cell wide: from x = 0.3 to 0.4 m of the grid it climbs 0.2 m.
    riser = np.array([-2.0, 0.0, 1.0]) / np.sqrt(5)
    for depth in (0.0005, 0.002):
        # The center is as high above the tread as it is away from the riser's plane.
        up = radius - depth
        x = ORIGIN[0] + 0.3 - (up / riser[2] - up) / 2.0
        center = np.tile(np.array([x, ORIGIN[1] + 1.03, up], np.float32), (1, len(RADIUS), 1))
        one, two = (as_numpy(found) for found in ours(heights.reshape(-1), center))
        normals = sorted((found.frame[0, 0, 0] for found in (one, two)), key=lambda normal: normal[2])
        np.testing.assert_allclose(normals, [riser, [0, 0, 1]], atol=1e-3)
        np.testing.assert_allclose([one.distance[0, 0], two.distance[0, 0]], -depth, atol=1e-4)
        theirs = Native(heights, radius).contacts(center[0, 0])
        for found in (one, two):
            best = max(theirs, key=lambda contact: contact[1][0] @ found.frame[0, 0, 0])
            assert best[1][0] @ found.frame[0, 0, 0] > 0.999 and best[0] == pytest.approx(
                found.distance[0, 0], abs=1e-4
            )


@pytest.mark.parametrize("name", ["flat", "slope"])
def test_one_face_gives_one_contact(name: str, ours) -> None:
    """However deep a sphere dips in: edges within a plane are none."""
    heights = GROUNDS[name]()
    center = centers(heights, 200)
    first, second = (as_numpy(found) for found in ours(heights.reshape(-1), center))
    assert (first.distance < -0.5 * RADIUS).any() and (second.distance > 0).all()


@pytest.mark.parametrize("name", ["flat", "slope", "rough"])
def test_a_buried_center_is_pushed_out_the_nearest_way(name: str, ours) -> None:
    """The normal goes on pointing out of the ground, and the depth goes on growing."""
    heights = GROUNDS[name]()
    top = centers(heights, 100)
    x, y = top[..., 0], top[..., 1]
    ground = ground_height(heights, ORIGIN, CELL, x, y)
    before = None
    for share in (0.3, 0.1, 0.0, -0.1, -0.5, -0.9):
        center = np.stack([x, y, ground + share * RADIUS.astype(np.float32)], axis=-1)
        first = as_numpy(ours(heights.reshape(-1), center)[0])
        assert np.isfinite(first.frame).all() and (first.frame[..., 0, 2] > 0).all()
        if name != "rough":
            normal = np.array([-(heights[0, 1] - heights[0, 0]), -(heights[1, 0] - heights[0, 0]), CELL]) / CELL
            normal /= np.linalg.norm(normal)
            np.testing.assert_allclose(first.frame[..., 0, :], np.broadcast_to(normal, center.shape), atol=2e-3)
            np.testing.assert_allclose(
                first.distance, np.broadcast_to(RADIUS * (share * normal[2] - 1), x.shape), atol=2e-5
            )
        assert before is None or (first.distance < before + 1e-6).all()
        before = first.distance


def test_frames_are_right_handed_and_orthonormal() -> None:
    """Also at the normals where the choice of the first tangent changes."""
    normals = np.random.default_rng(0).normal(size=(200, 3))
    normals = np.vstack([normals, [[0, 0, 1], [0, 1, 0], [1, 0, 0], [0.75, 0.5, 0.433], [0, -0.5, 0.866]]])
    normals = normals / np.linalg.norm(normals, axis=-1, keepdims=True)
    frames = np.asarray(frame_of(normals.astype(np.float32)))
    np.testing.assert_allclose(frames @ frames.transpose(0, 2, 1), np.tile(np.eye(3), (len(frames), 1, 1)), atol=1e-5)
    np.testing.assert_allclose(np.linalg.det(frames), 1.0, atol=1e-5)
    np.testing.assert_allclose(frames[:, 0], normals, atol=1e-6)


def test_where_the_map_ends_and_far_away_nothing_breaks(ours) -> None:
    heights = rough()
    edge = ORIGIN[0] + (SIZE - 1) * CELL
    places = np.array([[ORIGIN[0], ORIGIN[1], 5.0], [edge, ORIGIN[1], 0.0], [1e6, -1e6, 0.0], [0, 0, -1e6]], np.float32)
    for found in ours(heights.reshape(-1), np.tile(places[:, None], (1, len(RADIUS), 1))):
        assert all(np.isfinite(np.asarray(part)).all() for part in found)


def test_how_many_cells_a_sphere_reaches() -> None:
    assert [cells_under(radius, 0.1) for radius in (0.03, 0.05, 0.06, 0.1)] == [2, 2, 3, 3]
    assert cells_under(0.03, 0.05) == 3 and FAR > 1e5
