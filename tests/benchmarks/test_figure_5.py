"""Figure 5 is drawn of what lies beside the policies: the sizes of each kind of tile, and what was found there."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

from locoenvs.benchmarks.figure_5 import curve, figure_5
from locoenvs.evidence.panel import panel_of
from locoenvs.evidence.result import Result
from locoenvs.policies.policy import POLICIES, load_policy

NAME = "anymal_c_rough_lstm"


def test_a_curve_is_of_the_sizes_and_rates_of_the_result() -> None:
    result = Result.from_json((POLICIES / NAME / "crossing.json").read_text())
    terrain = panel_of(load_policy(POLICIES / NAME).task, "crossing").task.terrain
    sizes, rates = curve(result, terrain, "stairs_down")
    assert sizes[0] == pytest.approx(0.05) and sizes[-1] == pytest.approx(0.2) and len(sizes) == 10
    assert rates[-1] == 100 * result.strata["terrain_and_level"]["stairs_down 9"]["success_rate"].value
    assert curve(result, terrain, "slope_up")[0][-1] == pytest.approx(25.0, abs=0.1)


def test_it_draws_and_leaves_out_what_was_not_judged_beyond(tmp_path: Path) -> None:
    figure_5((NAME,), beyond=tmp_path, out=tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000
