"""Figure 3 is drawn of a ledger: each robot on a tile of its kind and level, and the share of each level."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from locoenvs.benchmarks.figure_3 import BINS, figure_3, places, shares, updates_of
from locoenvs.envs.registration import task
from locoenvs.mdp.terrain import map_of
from locoenvs.policies.policy import POLICIES

NAME = "anymal_c_rough_lstm"


def test_each_robot_lies_on_a_tile_of_its_kind_and_level_and_the_tiles_share_them() -> None:
    rough = task("Loco/AnymalC-Rough-v0")
    ground, tile = map_of(rough), rough.terrain.tile
    levels, columns = ground.tile_centers.shape[:2]
    kind = max(set(ground.kinds), key=ground.kinds.count)
    own = ground.kinds.count(kind)
    counts = {name: [0] * levels for name in ground.kinds} | {kind: [0, 2 * own + 1] + [0] * (levels - 2)}
    found = places(ground, tile, counts)
    assert found.shape == (2 * own + 1, 2)
    level, column = (np.floor(found[:, axis] / tile + n / 2).astype(int) for axis, n in enumerate((levels, columns)))
    assert (level == 1).all() and {ground.kinds[each] for each in column} == {kind}
    assert sorted(np.bincount(column)[np.unique(column)]) == [2] * (own - 1) + [3]


def test_shares_are_of_the_robots_of_a_stretch() -> None:
    lines = [{"samples": 1e6 * (i + 1), "level_counts": {"flat": [3 - i, i]}} for i in range(4)]
    edges, share = shares(lines, "flat", bins=2)
    assert edges.tolist() == [0, 2, 4]
    np.testing.assert_allclose(share, [[100 * 5 / 6, 100 / 6], [100 / 6, 100 * 5 / 6]])
    assert shares(lines, "flat", bins=BINS)[1].shape == (2, 4)


def test_it_draws_the_moments_that_are_asked_for(tmp_path: Path) -> None:
    figure_3(POLICIES / NAME, out=tmp_path / "whole.png")
    figure_3(POLICIES / NAME, (1, 100), tmp_path / "early.png")
    assert (tmp_path / "whole.png").read_bytes() != (tmp_path / "early.png").read_bytes()
    with pytest.raises(ValueError, match="update 0 is not in the ledger: take one from 1 to"):
        figure_3(POLICIES / NAME, (0, 1), tmp_path / "none.png")


def test_what_has_no_levels_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is no run folder"):
        updates_of(tmp_path)
    with pytest.raises(ValueError, match="has no level_counts: figure 3 is of a training on tiles"):
        updates_of(POLICIES / "anymal_c_flat")
    (tmp_path / "recipe.json").write_text(json.dumps({}))
    with pytest.raises(FileNotFoundError, match="has no ledger.jsonl"):
        updates_of(tmp_path)
