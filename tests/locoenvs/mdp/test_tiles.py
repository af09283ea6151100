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
