"""The compiled rule against a plain one that looks at every triangle, and against that of the backend ``mjx``."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from locoenvs.backends.mujoco.sphere_on_grid import Touch, touch
from locoenvs.mdp.terrain import ground_height

pytestmark = pytest.mark.xdist_group("sphere-on-grid")

CELL, SIZE = 0.1, 16
GROUNDS = ("level", "slope", "steps", "rough")
RADII = (0.03, 0.05, 0.06, 0.13)


def ground(kind: str) -> np.ndarray:
    """Heights, m."""
    row, column = np.mgrid[:SIZE, :SIZE]
    draw = np.random.default_rng(1)
    made = {
        "level": np.zeros((SIZE, SIZE)),
        "slope": CELL * (math.tan(math.radians(25)) * column - math.tan(math.radians(10)) * row),
        "steps": 0.2 * (column // 4) + 0.15 * (row // 5),
        "rough": draw.uniform(-0.1, 0.1, (SIZE, SIZE)),
    }
    return made[kind].astype(np.float32)


def centers(heights: np.ndarray, radius: float, count: int, low: float = -0.9) -> np.ndarray:
    """(count, 3) from as deep below the ground as ``low`` radii to where nothing touches."""
    draw = np.random.default_rng(int(1000 * radius))
    x, y = draw.uniform(0.2, (SIZE - 3) * CELL, (2, count)).astype(np.float32)
    z = ground_height(heights, (0.0, 0.0), CELL, x, y) + radius * draw.uniform(low, 2.0, count)
    return np.stack([x, y, z.astype(np.float32)], axis=-1).astype(float)


def touched(
    heights: np.ndarray,
    center: np.ndarray,
    radius: float,
    margin: float = 0.0,
    twice: bool = True,
    cell: float = CELL,
) -> tuple[Touch, Touch]:
    rows, columns = heights.shape
    x, y, z = map(float, center)
    return touch(heights.reshape(-1), rows, columns, cell, 1.0, x, y, z, radius, margin, twice)


class Plain:
    """Every triangle of the ground, and every edge of every triangle."""

    def __init__(self, heights: np.ndarray) -> None:
        row, column = (index.reshape(-1) for index in np.mgrid[: heights.shape[0] - 1, : heights.shape[1] - 1])

        def vertex(r: np.ndarray, c: np.ndarray) -> np.ndarray:
            return np.stack([c * CELL, r * CELL, heights[r, c].astype(float)], axis=-1)

        a, b, c, d = (vertex(row + i, column + j) for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)))
        self.triangles = np.concatenate([np.stack([a, b, d], axis=1), np.stack([a, d, c], axis=1)])  # seen from above
        self.heights = heights

    def candidates(self, center: np.ndarray) -> np.ndarray:
        """Vectors (K, 3) to the center from its projections onto triangles and from the nearest places of edges."""
        a, b, c = np.moveaxis(self.triangles, 1, 0)
        normal = np.cross(b - a, c - a)
        normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
        height = np.sum((center - a) * normal, axis=-1, keepdims=True)
        place = center - height * normal
        inside = np.ones(len(a), bool)
        found = []
        for start, end in ((a, b), (b, c), (c, a)):
            along = end - start
            inside &= np.sum(np.cross(along, place - start) * normal, axis=-1) >= 0
            share = np.sum((center - start) * along, axis=-1) / np.sum(along**2, axis=-1)
            found.append(center - start - np.clip(share, 0, 1)[:, None] * along)
        return np.concatenate([(height * normal)[inside], *found])

    def touch(self, center: np.ndarray, radius: float) -> list[tuple[float, np.ndarray]]:
        """The (distance, normal) of at most two contacts."""
        x, y = (np.float32([value]) for value in center[:2])
        above = center[2] >= ground_height(self.heights, (0.0, 0.0), CELL, x, y)[0]
        vector = self.candidates(center)
        length = np.linalg.norm(vector, axis=-1)
        nearest = np.argmin(length)
        normal = (1 if above else -1) * vector[nearest] / length[nearest]
        found = [((1 if above else -1) * length[nearest] - radius, normal)]
        along = vector @ normal
        other = np.where((along < math.cos(math.pi / 4) * length) & (along < length[nearest] - 1e-5), length, np.inf)
        if above and other.min() < np.inf:
            found.append((other.min() - radius, vector[np.argmin(other)] / other.min()))
        return [contact for contact in found if contact[0] <= 0]


@pytest.mark.parametrize("radius", RADII)
@pytest.mark.parametrize("kind", GROUNDS)
def test_it_finds_what_looking_at_every_triangle_finds(kind: str, radius: float) -> None:
    heights = ground(kind)
    plain, twice = Plain(heights), 0
    for center in centers(heights, radius, 120):
        expected = plain.touch(center, radius)
        found = [contact for contact in touched(heights, center, radius) if contact.distance <= 0]
        assert len(found) == len(expected), center
        np.testing.assert_allclose([c.distance for c in found], [distance for distance, _ in expected], atol=1e-6)
        lengths = np.sort(np.linalg.norm(plain.candidates(center), axis=-1))
        tied = abs(lengths[0]) < 1e-4 or not np.allclose(*plain_nearest(plain, center), atol=1e-3)
        if found and not tied:
            np.testing.assert_allclose(found[0][1:], expected[0][1], atol=1e-6)
        twice += len(found) == 2
    assert (twice > 0) == (kind in ("steps", "rough"))


def plain_nearest(plain: Plain, center: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest vector, and that of all as near which is the least like it."""
    vector = plain.candidates(center)
    length = np.linalg.norm(vector, axis=-1)
    near = vector[length < length.min() + 1e-6]
    return near[0], near[np.argmin(near @ near[0])]


@pytest.fixture(scope="module")
def on_device() -> Callable[..., Any]:
    """The rule of the backend ``mjx``, of the spheres of all radii at once."""
    jax = pytest.importorskip("jax")
    from locoenvs.backends.mjx.contact import Grid
    from locoenvs.backends.mjx.contact import touch as rule

    grid, radii = Grid(SIZE, SIZE, (0.0, 0.0), CELL), np.array(RADII)
    compiled = jax.jit(jax.vmap(lambda h, c: rule(h, grid, c, radii, np.arange(len(radii))), in_axes=(None, 0)))
    return lambda heights, center: compiled(heights.reshape(-1), center.astype(np.float32))


@pytest.mark.parametrize("kind", GROUNDS)
def test_it_is_the_rule_of_mjx(kind: str, on_device: Callable[..., Any]) -> None:
    heights, radii = ground(kind), RADII
    center = np.stack([centers(heights, radius, 400) for radius in radii], axis=1)  # (400, 4, 3)
    theirs = on_device(heights, center)
    ours = np.array([[touched(heights, c, radius) for c, radius in zip(robot, radii)] for robot in center])
    distances = np.stack([np.asarray(part.distance) for part in theirs], axis=-1)  # (400, 4, 2)
    touching = np.minimum(ours[..., 0], distances) <= 0
    gap = np.abs(np.where(touching, ours[..., 0] - distances, 0.0))
    assert (
        touching.sum() > 500 and np.mean(gap > 1e-6) < 2e-3
    )  # where the ground faces away by 45 degrees, single precision decides
    normals = np.stack([np.asarray(part.frame[..., 0, :]) for part in theirs], axis=-2)
    alike = np.sum(normals * ours[..., 1:], axis=-1)[touching & (gap <= 1e-6)]
    assert np.mean(alike > 1 - 1e-5) > 0.99


CELLS = (0.1, 0.05)
FOOT, STEP, EDGE = 0.03, 0.2, 1.0
"""Radius of a foot, height of a step, and the x from which on the upper tread is level: the riser is the cell before it, m."""


Contacts = list[tuple[float, ...]]
OnStep = Callable[[np.ndarray, float, str], list[Contacts]]


@pytest.fixture(scope="module", params=["native", "mjx"])
def on_step(request: pytest.FixtureRequest) -> OnStep:
    """Contacts (distance, normal) of feet with centers (N, 3) on a step across x or y, on cells of a size, the deepest first."""

    def step(cell: float) -> np.ndarray:
        size = round(2.0 / cell) + 1
        return np.tile(np.float32(STEP) * (np.arange(size) * cell > EDGE - cell / 2), (size, 1)).astype(np.float32)

    @functools.cache
    def on_device(cell: float) -> Callable[..., Any]:
        jax = pytest.importorskip("jax")
        from locoenvs.backends.mjx.contact import Grid
        from locoenvs.backends.mjx.contact import touch as rule

        size = len(step(cell))
        grid, radius, twice = Grid(size, size, (0.0, 0.0), cell), np.array([FOOT]), np.array([0])
        return jax.jit(jax.vmap(lambda h, each: rule(h, grid, each, radius, twice), in_axes=(None, 0)))

    def contacts(center: np.ndarray, cell: float, across: str) -> list[Contacts]:
        heights = step(cell)
        if across == "y":
            heights, center = heights.T.copy(), center[:, [1, 0, 2]]
        if request.param == "native":
            found = [touched(heights, each, FOOT, cell=cell) for each in center]
        else:
            padded = np.full((400, 1, 3), 9.0, np.float32)  # of one shape, so that it is compiled once
            padded[: len(center), 0] = center
            both = on_device(cell)(heights.reshape(-1), padded)
            parts = [np.concatenate([each.distance[..., None], each.frame[..., 0, :]], -1)[:, 0] for each in both]
            found = [[part[i] for part in parts] for i in range(len(center))]
        order = [0, 2, 1, 3] if across == "y" else [0, 1, 2, 3]
        touching = [[tuple(float(each[i]) for i in order) for each in pair if each[0] <= 0] for pair in found]
        return [sorted(each) for each in touching]

    return contacts


@pytest.mark.parametrize("across", ["x", "y"])
@pytest.mark.parametrize("cell", CELLS)
def test_a_foot_feels_the_faces_and_edges_of_a_step(on_step: OnStep, cell: float, across: str) -> None:
    """Pressed against the riser, standing on the upper tread, on its edge and over it, and in the corner below."""
    riser = np.array([-STEP, 0.0, cell]) / math.hypot(STEP, cell)
    y, depth = 0.93, 0.002
    on_riser = np.array([EDGE - cell / 2, y, STEP / 2]) + (FOOT - depth) * riser
    on_tread = np.array([EDGE + 0.3 * cell, y, STEP + FOOT - depth])
    on_edge = np.array([EDGE, y, STEP + FOOT - depth])
    rolled = 0.5 * (np.array([0.0, 0.0, 1.0]) + riser)  # between the normals of the two faces
    rolled /= np.linalg.norm(rolled)
    over_edge = np.array([EDGE, y, STEP]) + (FOOT - depth) * rolled
    up = FOOT - depth
    in_corner = np.array([EDGE - cell - up * (1 - riser[2]) / -riser[0], y, up])
    found = on_step(np.stack([on_riser, on_tread, on_edge, over_edge, in_corner]), cell, across)
    for contacts, normal in zip(found, (riser, (0, 0, 1), (0, 0, 1), rolled)):
        assert len(contacts) == 1
        np.testing.assert_allclose(contacts[0], (-depth, *normal), atol=1e-5)
    assert len(found[4]) == 2
    for contact, normal in zip(sorted(found[4], key=lambda contact: contact[3]), (riser, (0, 0, 1))):
        np.testing.assert_allclose(contact, (-depth, *normal), atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_the_normal_turns_as_a_foot_rolls_over_an_edge(on_step: OnStep, cell: float) -> None:
    """From the tread, around the edge and down the riser: without a jump, always away from the ground and never aside."""
    depth, steps = 0.001, 60
    lean = math.atan2(STEP, cell)  # of the riser's normal, from straight up
    along = np.linspace(0.02, 0.0, steps)[:-1]
    flat = [(EDGE + x, STEP + FOOT - depth, 0.0) for x in along]
    around = [
        (EDGE - (FOOT - depth) * math.sin(turn), STEP + (FOOT - depth) * math.cos(turn), turn)
        for turn in np.linspace(0.0, lean, steps)
    ]
    down = [
        (around[-1][0] - x * math.cos(lean), around[-1][1] - x * math.sin(lean), lean)
        for x in np.linspace(0, 0.1, steps)
    ]
    path = np.array(flat + around + down)
    path = np.concatenate([path, path])
    y = np.repeat([0.93, 1.0], len(path) // 2)  # between the lines of the grid, and on one
    found = on_step(np.stack([path[:, 0], y, path[:, 1]], axis=-1), cell, "x")
    assert {len(contacts) for contacts in found} == {1}
    normal = np.stack([-np.sin(path[:, 2]), 0 * path[:, 2], np.cos(path[:, 2])], axis=-1)
    np.testing.assert_allclose([contacts[0][1:] for contacts in found], normal, atol=1e-4)
    np.testing.assert_allclose([contacts[0][0] for contacts in found], -depth, atol=1e-5)


def test_the_rule_does_not_depend_on_where_a_patch_begins() -> None:
    """A sphere that is moved by whole cells of periodic ground touches it in the same way, also across a map's edge."""
    heights = np.tile(np.float32([[0.0, 0.05], [0.02, 0.0]]), (8, 8))
    first = touched(heights, np.array([0.43, 0.37, 0.06]), 0.05)
    second = touched(heights, np.array([1.03, 0.97, 0.06]), 0.05)
    assert first[0].distance < 0
    np.testing.assert_allclose(np.nan_to_num(first), np.nan_to_num(second), atol=1e-12)


def test_a_second_contact_is_only_for_those_who_may_have_one() -> None:
    heights = ground("steps")
    foot = np.array([0.30 - 0.015, 0.75, 0.15 + 0.028])
    assert [contact.distance <= 0 for contact in touched(heights, foot, 0.03)] == [True, True]
    assert [contact.distance <= 0 for contact in touched(heights, foot, 0.03, twice=False)] == [True, False]


@pytest.mark.parametrize("kind", ["level", "slope"])
def test_what_lies_in_the_plane_of_the_first_contact_is_not_touched_again(kind: str) -> None:
    """Edges within a plane are none, however deep a sphere dips in."""
    heights = ground(kind)
    for center in centers(heights, 0.03, 200, low=0.05):
        assert touched(heights, center, 0.03)[1].distance == math.inf


def test_a_margin_lets_contacts_begin_earlier() -> None:
    heights = ground("level")
    above = np.array([0.73, 0.71, 0.06])
    assert touched(heights, above, 0.05)[0].distance == math.inf
    assert touched(heights, above, 0.05, margin=0.02)[0] == pytest.approx((0.01, 0, 0, 1))
    assert touched(heights, above, 0.05, margin=0.005)[0].distance == math.inf


@pytest.mark.parametrize("kind", GROUNDS)
def test_a_buried_sphere_is_pushed_out(kind: str) -> None:
    """However deep it is: the distance goes on falling, and the normal points up."""
    heights, before = ground(kind), 0.0
    for depth in (0.01, 0.05, 0.2, 1.0, 50.0):
        x, y = np.float32([0.74]), np.float32([0.71])
        z = ground_height(heights, (0.0, 0.0), CELL, x, y)[0] - depth
        first, second = touched(heights, np.array([x[0], y[0], z]), 0.05)
        assert -depth - 0.2 < first.distance < before and first.z > 0.3 and second.distance == math.inf
        before = first.distance


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300, -1e300])
@pytest.mark.parametrize("axis", range(2))
def test_a_sphere_that_is_nowhere_touches_nothing(value: float, axis: int) -> None:
    center = np.array([0.7, 0.7, 0.0])
    center[axis] = value
    assert touched(ground("rough"), center, 0.05)[0].distance == math.inf


def test_what_is_no_number_or_beside_the_map_touches_nothing() -> None:
    heights, edge = ground("level"), (SIZE - 1) * CELL
    for center in ([0.7, 0.7, math.nan], [0.7, 0.7, -math.inf], [edge + 0.06, 0.7, 0.0], [0.7, -0.06, -5.0]):
        assert touched(heights, np.array(center), 0.05)[0].distance == math.inf
    assert touched(heights, np.array([0.7, 0.7, 0.0]), math.nan)[0].distance == math.inf


def test_over_the_edge_of_the_map_the_edge_is_touched() -> None:
    heights, edge = ground("level"), (SIZE - 1) * CELL
    first, _ = touched(heights, np.array([edge + 0.03, 0.7, 0.03]), 0.05)
    assert first.distance == pytest.approx(0.03 * math.sqrt(2) - 0.05)
    np.testing.assert_allclose(first[1:], np.array([1, 0, 1]) / math.sqrt(2), atol=1e-6)


def test_a_sphere_larger_than_the_map_and_a_map_of_one_cell() -> None:
    heights = ground("level")
    assert touched(heights, np.array([0.7, 0.7, 4.9]), 5.0)[0] == pytest.approx((-0.1, 0, 0, 1))
    one = np.zeros((2, 2), np.float32)
    assert touched(one, np.array([0.03, 0.08, 0.04]), 0.05)[0] == pytest.approx((-0.01, 0, 0, 1))
    assert touched(one, np.array([0.03, 0.08, 0.04]), 5.0)[0] == pytest.approx((0.04 - 5.0, 0, 0, 1))
    assert touched(np.zeros((1, 4), np.float32), np.array([0.03, 0.0, 0.0]), 0.05)[0].distance == math.inf


def test_heights_are_scaled() -> None:
    heights = ground("rough")
    rows, columns = heights.shape
    whole = touch(heights.reshape(-1), rows, columns, CELL, 1.0, 0.71, 0.77, 0.05, 0.06, 0.0, True)
    halved = touch(2 * heights.reshape(-1), rows, columns, CELL, 0.5, 0.71, 0.77, 0.05, 0.06, 0.0, True)
    assert whole == halved and whole[0].distance < 0
