"""The ground's numbers are the task's, at every level, and its heights are those that MuJoCo collides with."""

import dataclasses
import math

import mujoco
import numpy as np
import pytest
import torch

from locoenvs.envs.registration import IDS
from locoenvs.envs.registration import task as task_of
from locoenvs.mdp.terrain import EDGE, HeightMap, build, column_shares, ground_height, least_border, map_of
from locoenvs.mdp.tiles import OBSTACLE_AREA
from locoenvs.tasks.entries import TileShare
from locoenvs.tasks.task import Terrain
from locoenvs.tasks.vocabulary import TILE_KINDS

pytestmark = pytest.mark.xdist_group("terrain")

LEVELS = range(10)
KINDS: tuple[str, ...] = (
    "flat",
    "slope_up",
    "slope_down",
    "rough",
    "rough_slope_up",
    "rough_slope_down",
    "obstacles",
    "stairs_up",
    "stairs_down",
)
EVERY_KIND = Terrain(columns=9, border=10.0, shares=tuple(TileShare(kind, 1 / 9) for kind in KINDS))
SLOPE = (0.0, math.tan(math.radians(25)))
ROUGHNESS = (0.0, 0.1)
OBSTACLES = RISER = (0.05, 0.2)
"""What the kinds have on the easiest and on the hardest level where a task says nothing else."""


@pytest.fixture(scope="module")
def ground() -> HeightMap:
    return build(EVERY_KIND)


def tile(ground: HeightMap, kind: str, level: int, terrain: Terrain = EVERY_KIND) -> np.ndarray:
    """The vertices of a tile found through its center: ``[x, y]``, with heights above world 0."""
    half = terrain.tile / 2
    x, y, _ = ground.tile_centers[level, ground.kinds.index(kind)]
    col = round((float(x) - half - ground.origin[0]) / ground.cell)
    row = round((float(y) - half - ground.origin[1]) / ground.cell)
    cells = round(terrain.tile / terrain.cell)
    return ground.heights[row : row + cells + 1, col : col + cells + 1].T.astype(np.float64)


def on_all_levels(kind: str, **values: float) -> dict[str, tuple[float, float]]:
    """Those of the parameters that the kind has."""
    known = TILE_KINDS[kind].parameters({})
    return {name: (value, value) for name, value in values.items() if name in known}


def interpolated(values: tuple[float, float], level: int) -> float:
    return values[0] + (values[1] - values[0]) * level / 9


def outwards(vertices: np.ndarray) -> list[np.ndarray]:
    """The four profiles from the center of a tile to the middles of its edges, center first."""
    middle = vertices.shape[0] // 2
    return [
        vertices[middle:, middle],
        vertices[middle::-1, middle],
        vertices[middle, middle:],
        vertices[middle, middle::-1],
    ]


def test_the_map_is_centered_and_laid_out_with_levels_along_x_and_columns_along_y(ground: HeightMap) -> None:
    assert ground.heights.shape == (9 * 80 + 201, 10 * 80 + 201)
    assert ground.heights.dtype == np.float32 and ground.tile_centers.dtype == np.float32
    np.testing.assert_allclose(ground.origin, (-50.0, -46.0))
    assert ground.tile_centers.shape == (10, 9, 3)
    np.testing.assert_allclose(ground.tile_centers[:, 3, 0], np.arange(-36, 37, 8))
    np.testing.assert_allclose(ground.tile_centers[6, :, 1], np.arange(-32, 33, 8))
    assert ground.kinds == KINDS


def test_the_border_and_the_edges_of_all_tiles_are_at_height_zero(ground: HeightMap) -> None:
    inside = ground.heights[100:-100, 100:-100]
    assert not inside[::80].any() and not inside[:, ::80].any()
    outside = ground.heights.copy()
    outside[100:-100, 100:-100] = 0
    assert not outside.any()


def test_each_center_is_the_height_of_a_flat_platform(ground: HeightMap) -> None:
    half = int(EVERY_KIND.platform / 2 / EVERY_KIND.cell) + 1
    for level in LEVELS:
        for column, kind in enumerate(KINDS):
            platform = tile(ground, kind, level)[40 - half : 41 + half, 40 - half : 41 + half]
            assert np.all(platform == ground.tile_centers[level, column, 2])


@pytest.mark.parametrize("kind, sign", [("slope_up", 1), ("slope_down", -1)])
def test_slopes_have_the_slope_of_their_level_and_the_sign_of_their_name(
    ground: HeightMap, kind: str, sign: int
) -> None:
    for level in LEVELS:
        for profile in outwards(tile(ground, kind, level)):
            rise = np.diff(profile) / EVERY_KIND.cell
            np.testing.assert_allclose(rise[:13], 0, atol=1e-6)
            np.testing.assert_allclose(rise[13:], sign * interpolated(SLOPE, level), atol=1e-5)
    assert np.degrees(np.arctan(abs(rise[-1]))) == pytest.approx(25, abs=1e-3)


@pytest.mark.parametrize("kind, sign", [("stairs_up", 1), ("stairs_down", -1)])
def test_stairs_have_the_riser_of_their_level_and_the_same_tread_everywhere(
    ground: HeightMap, kind: str, sign: int
) -> None:
    for level in LEVELS:
        for profile in outwards(tile(ground, kind, level)):
            rise = np.diff(profile)
            risers = np.flatnonzero(rise)
            np.testing.assert_array_equal(risers, 13 + 3 * np.arange(9))
            np.testing.assert_allclose(rise[risers], sign * interpolated(RISER, level), atol=1e-6)
    assert abs(rise[risers[0]]) == pytest.approx(0.2, abs=1e-6)


@pytest.mark.parametrize("cell", [0.1, 0.05, 0.025])
@pytest.mark.parametrize("kind, sign", [("stairs_up", 1), ("stairs_down", -1)])
def test_stairs_have_the_same_steps_whatever_the_size_of_a_cell(kind: str, sign: int, cell: float) -> None:
    """All lengths but a riser's depth, which is a cell's; the platform is rounded up to whole cells."""
    share = TileShare(kind, 1, parameters={"riser": (0.2, 0.2)})
    terrain = Terrain(levels=1, columns=1, border=1.0, cell=cell, shares=(share,))
    for profile in outwards(tile(build(terrain), kind, 0, terrain)):
        risers = np.flatnonzero(np.diff(profile))
        first = 1.3 if cell == 0.1 else 1.25
        np.testing.assert_allclose(risers * cell, first + 0.3 * np.arange(9), atol=1e-9)
        np.testing.assert_allclose(np.diff(profile)[risers], sign * 0.2, atol=1e-6)
        assert profile[-1] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_finer_cells_have_the_same_ground(kind: str) -> None:
    """Exactly at the vertices that they share, but for boxes: they are rounded to cells, so their sides are about a cell elsewhere."""
    share = TileShare(kind, 1, parameters=on_all_levels(kind, slope=0.4, roughness=0.1))
    coarse = Terrain(levels=1, columns=1, border=1.0, platform=2.6, shares=(share,), seed=3)
    fine = dataclasses.replace(coarse, cell=0.05)
    here, there = tile(build(coarse), kind, 0, coarse), tile(build(fine), kind, 0, fine)[::2, ::2]
    if kind == "obstacles":
        near = [np.roll(there, (row, column), (0, 1)) for row in (-1, 0, 1) for column in (-1, 0, 1)]
        assert np.mean(np.abs(np.stack(near) - here).min(axis=0) > 1e-6) < 0.01 < np.ptp(here)
    else:
        np.testing.assert_allclose(there, here, atol=1e-6)


def test_stairs_have_at_least_one_step() -> None:
    terrain = Terrain(levels=1, columns=1, border=1.0, platform=7.6, shares=(TileShare("stairs_down", 1),))
    for profile in outwards(tile(build(terrain), "stairs_down", 0, terrain)):
        np.testing.assert_allclose(profile, 0.05 * (np.arange(41) <= 38), atol=1e-6)


def test_rough_ground_fills_its_amplitude_and_never_leaves_it(ground: HeightMap) -> None:
    for level in LEVELS:
        amplitude = interpolated(ROUGHNESS, level)
        heights = tile(ground, "rough", level)
        assert 0.98 * amplitude - 1e-9 <= np.abs(heights).max() <= amplitude + 1e-6
        knots = heights[2:80:2, 2:80:2]
        knots = knots[np.abs(knots) > 0]
        if level:
            assert knots.std() == pytest.approx(amplitude / 3**0.5, rel=0.05), "uniform"
            assert abs(knots.mean()) < 0.1 * amplitude


@pytest.mark.parametrize("smooth, rough", [("slope_up", "rough_slope_up"), ("slope_down", "rough_slope_down")])
def test_rough_slopes_are_slopes_plus_roughness(ground: HeightMap, smooth: str, rough: str) -> None:
    for level in LEVELS:
        amplitude = interpolated(ROUGHNESS, level)
        noise = tile(ground, rough, level) - tile(ground, smooth, level)
        assert 0.98 * amplitude - 1e-6 <= np.abs(noise).max() <= amplitude + 1e-6


def test_obstacles_are_boxes_of_the_four_heights_of_their_level(ground: HeightMap) -> None:
    for level in LEVELS:
        height = interpolated(OBSTACLES, level)
        heights = tile(ground, "obstacles", level)
        allowed = np.array([-1, -0.5, 0, 0.5, 1]) * height
        assert np.abs(heights[..., None] - allowed).min(axis=-1).max() < 1e-6
        for value in allowed:
            assert np.any(np.abs(heights - value) < 1e-6), value
        assert 0.3 < np.mean(heights != 0) < 0.85


def test_a_lone_obstacle_has_sides_of_one_to_two_meters() -> None:
    sides = []
    for seed in range(40):
        terrain = Terrain(
            levels=1, columns=1, tile=4, platform=0.1, seed=seed, cell=0.1, shares=(TileShare("obstacles", 1),)
        )
        assert round(terrain.tile**2 / OBSTACLE_AREA) == 5
        heights = build(terrain).heights
        for value in set(np.unique(heights)) - {0}:
            rows, columns = np.nonzero(heights == value)
            if rows.size == (np.ptp(rows) + 1) * (np.ptp(columns) + 1):  # neither covered nor joined
                sides += [np.ptp(rows) * 0.1, np.ptp(columns) * 0.1]
    assert len(sides) > 20
    assert max(sides) <= 2.0 + 1e-9


def test_the_seed_decides_and_a_tile_depends_on_its_own_place_only(ground: HeightMap) -> None:
    np.testing.assert_array_equal(build(EVERY_KIND).heights, ground.heights)
    other = build(dataclasses.replace(EVERY_KIND, seed=1))
    for kind in ("rough", "rough_slope_up", "obstacles"):
        assert np.any(tile(other, kind, 9) != tile(ground, kind, 9))
    np.testing.assert_array_equal(tile(other, "stairs_up", 9), tile(ground, "stairs_up", 9))

    wide = dataclasses.replace(EVERY_KIND, border=4, levels=4, columns=4, shares=(TileShare("rough", 1),))
    narrow = dataclasses.replace(wide, columns=2)
    at = {t.columns: (build(t).heights[40:-40, 40:-40]) for t in (wide, narrow)}
    np.testing.assert_array_equal(at[4][:161], at[2])
    assert np.any(at[4][:81] != at[4][80:161]) and np.any(at[4][:, :81] != at[4][:, 80:161])


def test_columns_follow_the_shares_and_no_kind_is_left_out() -> None:
    kinds = build(Terrain()).kinds
    counts = {kind: kinds.count(kind) for kind in KINDS if kind in kinds}
    assert counts == {
        "flat": 4, "slope_up": 2, "slope_down": 2, "rough": 4, "obstacles": 4, "stairs_up": 2, "stairs_down": 2,
    }  # fmt: skip
    assert list(kinds) == sorted(kinds, key=KINDS.index)
    rare = (TileShare("flat", 0.97), TileShare("rough", 0.01), TileShare("obstacles", 0.02))
    flat, rough, obstacles = rare
    assert column_shares(Terrain(columns=5, shares=rare)) == (flat, flat, flat, rough, obstacles)
    assert column_shares(Terrain(columns=2, shares=rare)) == (flat, obstacles)
    assert column_shares(Terrain(columns=1, shares=rare)) == (flat,)


def test_one_level_is_the_easiest() -> None:
    ground = build(Terrain(levels=1, columns=1, shares=(TileShare("stairs_down", 1),)))
    assert ground.tile_centers[0, 0, 2] == pytest.approx(9 * 0.05)


def test_a_plane_is_at_height_zero_everywhere_and_has_the_same_centers() -> None:
    plane, tiles = build(Terrain(kind="plane")), build(Terrain())
    np.testing.assert_array_equal(plane.tile_centers[..., :2], tiles.tile_centers[..., :2])
    assert not plane.tile_centers[..., 2].any() and plane.heights.shape == (2, 2)
    assert plane.origin[0] <= tiles.origin[0] and plane.origin[1] <= tiles.origin[1]
    x = np.linspace(-500, 500, 101, dtype=np.float32)
    assert not ground_height(plane.heights, plane.origin, plane.cell, x, -x).any()


@pytest.mark.parametrize(
    "change, words",
    [
        ({"platform": 7.9}, "at most 7.6 m"),
        ({"tread": 0.1}, "terrain.shares.stairs_down: .*0.1 m must be at least two cells of 0.1 m"),
        ({"tread": 0.25}, "terrain.shares.stairs_down: .*0.25 m must be a whole number of cells of 0.1 m"),
    ],
)
def test_terrain_that_does_not_fit_its_cells_is_refused(change: dict[str, float], words: str) -> None:
    stairs = TileShare("stairs_down", 1, parameters={name: value for name, value in change.items() if name == "tread"})
    platform = {name: value for name, value in change.items() if name == "platform"}
    with pytest.raises(ValueError, match=words):
        build(Terrain(levels=1, columns=1, border=1.0, shares=(stairs,), **platform))


def points(ground: HeightMap, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Random points of the map, and as many within 2 cm of the risers of stairs, as float32."""
    rng = np.random.default_rng(0)
    spread = rng.uniform(-1, 1, (count, 2)) * (-np.array(ground.origin))
    levels, columns = rng.integers(0, 10, count), KINDS.index("stairs_up") + rng.integers(0, 2, count)
    along, away = rng.uniform(-3.8, 3.8, count), 1.3 + 0.3 * rng.integers(0, 9, count) + rng.choice([0, 0.1], count)
    away = (away + rng.uniform(-0.02, 0.02, count)) * rng.choice([-1, 1], count)
    turned = rng.integers(0, 2, count).astype(bool)[:, None]
    offset = np.where(turned, np.stack([along, away], 1), np.stack([away, along], 1))
    near = ground.tile_centers[levels, columns, :2] + offset
    x, y = np.concatenate([spread, near]).astype(np.float32).T
    return np.ascontiguousarray(x), np.ascontiguousarray(y)


def rays(ground: HeightMap, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Heights of the ground as MuJoCo's own rays find them on a height field of the same numbers."""
    spec = mujoco.MjSpec()
    rows, columns = ground.heights.shape
    low, high = float(ground.heights.min()), float(ground.heights.max())
    half = [-ground.origin[0], -ground.origin[1], high - low, 0.1]
    spec.add_hfield(name="ground", nrow=rows, ncol=columns, size=half, userdata=[0.0] * (rows * columns))
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_HFIELD, hfieldname="ground", pos=[0, 0, low])
    model = spec.compile()
    model.hfield_data[:] = ((ground.heights - low) / (high - low)).ravel()
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    down, hit = np.array([0.0, 0.0, -1.0]), np.zeros(1, np.int32)

    def ray(px: float, py: float) -> float:
        return 5 - mujoco.mj_ray(model, data, np.array([px, py, 5.0]), down, None, 1, -1, hit)

    return np.array([ray(px, py) for px, py in zip(x, y)])


def test_heights_are_those_of_mujoco_rays(ground: HeightMap) -> None:
    x, y = points(ground, 1500)
    expected = rays(ground, x.astype(np.float64), y.astype(np.float64))
    found = ground_height(ground.heights, ground.origin, ground.cell, x, y)
    assert np.ptp(expected) > 3
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("cell", [0.05, 0.025])
def test_heights_on_finer_cells_are_those_of_mujoco_rays(cell: float) -> None:
    shares = (TileShare("stairs_up", 0.5, parameters={"riser": (0.2, 0.2)}), TileShare("obstacles", 0.5))
    ground = build(Terrain(levels=1, columns=2, border=1.0, cell=cell, shares=shares))
    x, y = np.random.default_rng(0).uniform(-4.0, 4.0, (2, 1000)).astype(np.float32)
    y[:500] = -4.003  # over the middle of the stairs, much of it over risers; not on an edge, where rays slip through
    found = ground_height(ground.heights, ground.origin, ground.cell, x, y)
    np.testing.assert_allclose(found, rays(ground, x.astype(np.float64), y.astype(np.float64)), atol=1e-4)


def test_heights_at_vertices_are_the_grid(ground: HeightMap) -> None:
    rows, columns = ground.heights.shape
    x, y = np.meshgrid(np.arange(columns) * 0.1 + ground.origin[0], np.arange(rows) * 0.1 + ground.origin[1])
    found = ground_height(ground.heights, ground.origin, ground.cell, x.astype(np.float32), y.astype(np.float32))
    np.testing.assert_allclose(found, ground.heights, atol=1e-4)


def test_the_diagonal_goes_from_lower_left_to_upper_right() -> None:
    heights = np.array([[0, 1], [2, 5]], np.float32)  # rows along y
    x, y = np.array([0.75, 0.25, 0.5], np.float32), np.array([0.25, 0.75, 0.5], np.float32)
    np.testing.assert_array_equal(ground_height(heights, (0.0, 0.0), 1.0, x, y), [0.75 + 0.25 * 4, 1.5 + 0.25 * 3, 2.5])


def test_points_beyond_the_map_get_its_edge_and_nan_gets_nan() -> None:
    heights = np.array([[0, 1], [2, 5]], np.float32)
    x, y = np.array([-9, 9, 9, np.nan, 0.5], np.float32), np.array([-9, 0, 9, 0.5, np.nan], np.float32)
    expected = [0, 1, 5, np.nan, np.nan]
    np.testing.assert_allclose(ground_height(heights, (0.0, 0.0), 1.0, x, y), expected, atol=1e-5)
    found = ground_height(torch.from_numpy(heights), (0.0, 0.0), 1.0, torch.from_numpy(x), torch.from_numpy(y))
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


def test_heights_keep_the_shape_and_do_not_depend_on_the_batch(ground: HeightMap) -> None:
    x, y = (a[:19_998].reshape(-1, 3) for a in points(ground, 10_000))
    whole = ground_height(ground.heights, ground.origin, ground.cell, x, y)
    assert whole.shape == x.shape and whole.dtype == np.float32
    for part in (slice(0, 1), slice(5, 18), slice(100, 5999)):
        alone = ground_height(ground.heights, ground.origin, ground.cell, x[part], y[part])
        np.testing.assert_array_equal(alone, whole[part])
    strided = ground_height(ground.heights, ground.origin, ground.cell, x[:, 1], y[:, 1])
    np.testing.assert_array_equal(strided, whole[:, 1])


def test_torch_finds_the_same_bits_as_numpy(ground: HeightMap) -> None:
    x, y = points(ground, 5000)
    heights, tx, ty = (torch.from_numpy(a) for a in (ground.heights, x, y))
    found = ground_height(heights, ground.origin, ground.cell, tx, ty)
    assert found.dtype == torch.float32
    np.testing.assert_array_equal(found.numpy(), ground_height(ground.heights, ground.origin, ground.cell, x, y))


def test_jax_finds_the_same_heights_as_numpy_compiled_or_not(ground: HeightMap) -> None:
    jax = pytest.importorskip("jax", reason="jax is not installed")
    x, y = points(ground, 5000)
    expected = ground_height(ground.heights, ground.origin, ground.cell, x, y)
    arrays = [jax.numpy.asarray(a) for a in (ground.heights, x, y)]

    def lookup(heights: object, x: object, y: object) -> object:
        return ground_height(heights, ground.origin, ground.cell, x, y)

    np.testing.assert_array_equal(np.asarray(lookup(*arrays)), expected)
    np.testing.assert_allclose(np.asarray(jax.jit(lookup)(*arrays)), expected, atol=5e-5)  # may fuse products and sums


@pytest.mark.parametrize("recipe", ["paper", "legged_gym", "walk"])
@pytest.mark.parametrize("env_id", sorted(env_id for env_id, (_, ground) in IDS.items() if ground == "rough"))
def test_a_robot_that_does_as_it_is_told_stays_on_the_map(env_id: str, recipe: str) -> None:
    task = task_of(env_id, recipe)
    ground = map_of(task)
    fastest = math.hypot(max(map(abs, task.commands.forward)), max(map(abs, task.commands.sideways)))
    farthest = fastest * task.timing.episode_length + task.randomization.start.position
    outermost = np.abs(ground.tile_centers[..., :2]).max(axis=(0, 1))
    half = -np.array(ground.origin)
    assert (outermost + farthest <= half - EDGE + 1e-6).all()
    assert (half - EDGE - outermost - farthest < 2 * ground.cell).all() or task.terrain.border > 20


def test_the_border_follows_from_commands_episode_and_start() -> None:
    task = task_of("Loco/A1-Rough-v0")
    slow = dataclasses.replace(task, commands=dataclasses.replace(task.commands, forward=(0.75, 0.75), sideways=(0, 0)))
    assert map_of(slow).heights.shape == build(task.terrain).heights.shape, "the terrain's own border is the least"
    assert np.array_equal(map_of(slow).heights, build(task.terrain).heights)
    short = dataclasses.replace(task, timing=dataclasses.replace(task.timing, episode_length=5.0))
    assert least_border(short) == pytest.approx(2**0.5 * 5 + 1 - 4 + EDGE)
    wide, narrow = map_of(task), build(task.terrain)
    grown = (wide.heights.shape[0] - narrow.heights.shape[0]) // 2
    assert grown == math.ceil((least_border(task) - 20) / 0.1)
    assert np.array_equal(wide.heights[grown:-grown, grown:-grown], narrow.heights)
    assert np.array_equal(wide.tile_centers, narrow.tile_centers)


PINNED = {
    ("rough", 1): (0.03750, 0.00523, -0.01297, 0.02750),
    ("rough", 2): (0.09695, 0.07781, 0.00649, -0.01706),
    ("obstacles", 0): (-0.02500, -0.02500, -0.05000, -0.02500),
    ("obstacles", 1): (-0.06250, 0.0, 0.06250, -0.06250),
    ("obstacles", 2): (-0.20000, 0.20000, -0.10000, -0.20000),
    ("rough_slope_up", 2): (-0.54903, -0.53569, -0.97584, -0.95958),
    ("rough_slope_down", 1): (0.29455, 0.23533, 0.47475, 0.49190),
}
"""(kind, level) -> heights of some vertices, m."""

SIZES = {
    "rough": (0.0, 0.015014, 0.029779),
    "obstacles": (0.01174, 0.031417, 0.080994),
    "rough_slope_up": (0.0, 0.292459, 0.584731),
    "rough_slope_down": (0.0, 0.293119, 0.586323),
}
"""Kind -> mean size of the heights of its tile of each level, m."""


def test_the_ground_of_a_seed_never_changes() -> None:
    """What a panel measures is on the ground of a seed, and its hash says nothing of the code that makes ground of it."""
    kinds: tuple[str, ...] = ("rough", "obstacles", "rough_slope_up", "rough_slope_down")
    assert kinds == tuple(SIZES)
    shares = tuple(TileShare(kind, 0.25) for kind in kinds)
    made = build(Terrain(levels=3, columns=4, border=2.0, seed=7, shares=shares))
    for (kind, level), heights in PINNED.items():
        row, col = 20 + 80 * kinds.index(kind), 20 + 80 * level  # the tile's first vertex
        found = [made.heights[row + dy, col + dx] for dy, dx in ((12, 20), (20, 12), (60, 33), (33, 60))]
        np.testing.assert_allclose(found, heights, atol=2e-5, err_msg=f"{kind} {level}")
    for column, sizes in enumerate(SIZES.values()):
        for level, size in enumerate(sizes):
            row, col = 20 + 80 * column, 20 + 80 * level
            assert np.abs(made.heights[row : row + 81, col : col + 81]).mean() == pytest.approx(size, abs=2e-6)
