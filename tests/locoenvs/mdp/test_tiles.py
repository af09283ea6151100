"""A kind of tile of one's own is shaped like ours, and one whose tiles would not join is refused by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from locoenvs.mdp.terrain import build
from locoenvs.mdp.tiles import Tile
from locoenvs.tasks.entries import TileShare
from locoenvs.tasks.task import Heights, Terrain
from locoenvs.tasks.vocabulary import TILE_KINDS, tile_kind

EASY, HARD = 0, 1


@pytest.fixture
def register() -> Iterator[Callable[[Callable[..., Any]], None]]:
    made: list[str] = []

    def register(function: Callable[..., Any]) -> None:
        tile_kind()(function)
        made.append(function.__name__)

    yield register
    for name in made:
        TILE_KINDS.remove(name)


def test_a_kind_of_ones_own_has_its_parameters_its_level_and_draws_of_its_tile(register: Any) -> None:
    tiles: list[Tile] = []

    def mounds(tile: Tile, height: Heights = (0.1, 0.3)) -> np.ndarray:
        """Mounds of random height, up to ``height`` m."""
        tiles.append(tile)
        return tile.free * tile.at(height) * tile.random.random()

    register(mounds)
    shares = (TileShare("flat", 0.5), TileShare("mounds", 0.5, parameters={"height": (0.2, 0.4)}))
    ground = build(Terrain(levels=2, columns=2, tile=4.0, border=1.0, platform=1.0, shares=shares))
    assert ground.kinds == ("flat", "mounds")
    assert [(tile.cells, tile.cell, tile.difficulty) for tile in tiles] == [(40, 0.1, EASY), (40, 0.1, HARD)]
    for level, highest in ((EASY, 0.2), (HARD, 0.4)):
        draw = np.random.Generator(np.random.Philox(np.random.SeedSequence((0, level, 1)))).random()
        heights = ground.heights[10 + 40 : 10 + 81, 10 + 40 * level : 10 + 40 * level + 41]
        expected = np.float32(highest * draw)
        assert set(np.unique(heights)) == {0, expected} and heights[1, 1] == expected
        assert not heights[15:26, 15:26].any() and not heights[0].any() and not heights[:, -1].any()


def test_what_a_tile_is_says_where_it_may_be_shaped() -> None:
    tile = Tile.of(Terrain(tile=4.0, platform=1.0), 0.25, np.random.default_rng(0))
    assert tile.edge.shape == tile.free.shape == (41, 41)
    assert tile.edge[0].max() == 0 and tile.edge[20, 20] == 20 and tile.edge[3, 7] == 3 and tile.platform == 15
    assert tile.free.sum() == 39**2 - 11**2 and not tile.free[20, 20] and tile.free[1, 1]
    assert tile.at((0.0, 2.0)) == 0.5


@pytest.mark.parametrize(
    ("heights", "message"),
    [
        (lambda tile: np.zeros((3, 3)), r"must return \(41, 41\) finite heights, m, got float64 of \(3, 3\)"),
        (lambda tile: 0.0, r"must return \(41, 41\) finite heights, m, got float64 of \(\)"),
        (lambda tile: None, r"must return \(41, 41\) finite heights, m, got object of \(\)"),
        (lambda tile: tile.free, r"must return \(41, 41\) finite heights, m, got bool"),
        (lambda tile: np.where(tile.free, np.nan, 0.0), "must return .* finite heights"),
        (lambda tile: np.where(tile.free, np.inf, 0.0), "must return .* finite heights"),
        (lambda tile: np.ones(tile.edge.shape), "heights along the edge must be 0, so that tiles join"),
    ],
)
def test_tiles_that_would_not_join_are_refused(register: Any, heights: Callable[[Tile], Any], message: str) -> None:
    def odd(tile: Tile) -> Any:
        """An odd tile."""
        return heights(tile)

    register(odd)
    with pytest.raises(ValueError, match=f"kind of tile 'odd':? {message}"):
        build(Terrain(levels=1, columns=1, tile=4.0, border=1.0, platform=1.0, shares=(TileShare("odd", 1.0),)))


def test_what_a_kind_refuses_is_told_with_its_name(register: Any) -> None:
    def picky(tile: Tile) -> np.ndarray:
        """A tile that is never right."""
        raise ValueError("use larger tiles")

    register(picky)
    with pytest.raises(ValueError, match="^terrain.shares.picky: use larger tiles$"):
        build(Terrain(levels=1, columns=1, shares=(TileShare("picky", 1.0),)))


OURS = tuple(name for name, word in TILE_KINDS.words().items() if word.package == "locoenvs")


def shaped(kind: str, level: float, cell: float = 0.1, **parameters: Any) -> tuple[Tile, np.ndarray]:
    """A tile of 8 m of that kind and difficulty, and its heights."""
    tile = Tile.of(Terrain(cell=cell), level, np.random.default_rng(3))
    return tile, np.asarray(TILE_KINDS[kind].function(tile, **parameters))


@pytest.mark.parametrize("cell", [0.1, 0.05])
@pytest.mark.parametrize("kind", OURS)
def test_every_kind_joins_its_neighbours_and_holds_a_robot(kind: str, cell: float) -> None:
    for level in (0.0, 0.5, 1.0):
        tile, heights = shaped(kind, level, cell)
        assert not heights[tile.edge == 0].any()
        assert np.ptp(heights[tile.edge >= tile.platform]) < 1e-9
        assert (heights.any() or kind == "flat" or level == 0) and np.abs(heights).max() < 2.5


@pytest.mark.parametrize("kind", [kind for kind in OURS if kind != "flat"])
def test_what_a_kind_is_measured_by_grows_from_level_to_level(kind: str) -> None:
    measure = TILE_KINDS[kind].measure
    assert measure is not None and measure[1]
    easiest, hardest = TILE_KINDS[kind].parameters({})[measure[0]]
    assert easiest < hardest


def test_curbs_gaps_and_stones_have_the_sizes_that_they_are_given() -> None:
    tile, heights = shaped("curbs", 0.5, height=(0.1, 0.2), width=0.5)
    middle = heights[tile.cells // 2]
    assert set(np.round(middle, 9)) == {0.0, 0.15}
    assert run_lengths(middle > 0) == [5, 5, 5, 5]
    tile, heights = shaped("gaps", 1.0, width=(0.1, 0.4), every=1.0, depth=0.3)
    assert run_lengths(heights[tile.cells // 2] < 0) == [4] * 6 and heights.min() == -0.3
    tile, heights = shaped("stepping_stones", 0.0, stone=(0.5, 0.5), gap=(0.2, 0.2), depth=0.4)
    row = heights[3]
    assert set(run_lengths(row[1:-1] < 0)) <= {1, 79} and heights.min() == -0.4


def run_lengths(mask: np.ndarray) -> list[int]:
    """How many vertices each run of True has."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(int)))
    return [int(length) for length in np.diff(edges)[::2]]


def test_turned_stairs_have_risers_of_their_height_and_are_met_at_an_angle() -> None:
    tile, down = shaped("turned_stairs_down", 1.0, degrees=30.0)
    _, up = shaped("turned_stairs_up", 1.0, degrees=30.0)
    np.testing.assert_array_equal(up, -down)
    steps = np.unique(np.round(down, 9))
    np.testing.assert_allclose(np.diff(steps), 0.2)
    assert len(steps) == 4
    rows, columns = np.nonzero(down > 0.5)
    assert not np.array_equal(np.ptp(rows), 0) and not np.array_equal(down, down[::-1]), (
        "turned, so it has no mirror image"
    )
    _, straight = shaped("turned_stairs_down", 1.0, degrees=0.0)
    np.testing.assert_array_equal(straight, straight[::-1])


def test_waves_and_ridges_are_as_high_as_they_should_be() -> None:
    _, wave = shaped("wave", 1.0, amplitude=(0.1, 0.3), length=2.0)
    assert 0.28 < wave.max() <= 0.3 and -0.3 <= wave.min() < -0.28
    _, ridges = shaped("ridges", 0.0, cell=0.05, height=(0.1, 0.2))
    assert 0.09 < ridges.max() <= 0.1 and ridges.min() == 0.0
