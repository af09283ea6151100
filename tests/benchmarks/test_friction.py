"""Success on the steepest slopes is told apart by friction, of results that keep what each robot did."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

from locoenvs.benchmarks.friction import NEEDED, SLOPES, friction, on_the_steepest, share
from locoenvs.evidence.panel import panel_of
from locoenvs.evidence.result import Result
from locoenvs.evidence.robots import Robots
from locoenvs.policies.policy import POLICIES, load_policy

ROOT = Path(__file__).parents[2]
STORED = json.loads((ROOT / "benchmarks/results/friction.json").read_text())


def result(**changes: list[str]) -> Result:
    """Eight robots, up and down, on levels 0 and 1; of the steeper ones those with a friction of 0.9 come across."""
    place = list(zip(*((kind, level, mu) for kind in SLOPES for level in (0, 1) for mu in (0.9, 0.5))))
    kinds, levels, frictions = (list(each) for each in place)
    came = [level == 0 or mu > NEEDED for level, mu in zip(levels, frictions)]
    robots = Robots(
        kind=kinds, level=levels, drawn={"friction": frictions}, groups={}, succeeded=came, fell=[not each for each in came],
        seconds=[10.0] * 8, reset_reason=["time_limit"] * 8, numerators={}, denominators={},
    )  # fmt: skip
    whole = Result.from_json((POLICIES / "cassie_rough" / "crossing.json").read_text())
    return dataclasses.replace(whole, num_robots=8, robots=dataclasses.replace(robots, **changes))


def test_only_the_last_level_counts_and_least_friction_is_first() -> None:
    assert on_the_steepest(result(), "slope_up") == [(0.5, False), (0.9, True)]


def test_a_share_is_of_those_in_the_range() -> None:
    robots = [(0.5, False), (0.6, True), (0.9, True)]
    assert (share(robots, 0.0, 0.65), share(robots, 0.65)) == (50.0, 100.0)
    assert math.isnan(share(robots, 1.0))


def test_it_writes_and_draws_what_it_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cassie.json").write_text(result().to_json())
    friction((tmp_path / "cassie.json",), tmp_path / "out.json", tmp_path / "out.png")
    (found,) = json.loads((tmp_path / "out.json").read_text())["policies"].values()
    assert found["slope_down"] == {"friction": [0.5, 0.9], "crossed": [False, True]}
    assert "cassie, slope_up: friction 0.65 or more 100 % of 1, less 0 % of 1" in capsys.readouterr().out
    assert (tmp_path / "out.png").stat().st_size > 10_000


def test_a_result_that_cannot_tell_is_refused() -> None:
    with pytest.raises(ValueError, match="without what each robot did: locoenvs eval NAME --out FILE keeps it"):
        on_the_steepest(dataclasses.replace(result(), robots=None), "slope_up")
    with pytest.raises(ValueError, match="no slope_up or one friction for all: take panel crossing"):
        on_the_steepest(result(kind=["flat"] * 8), "slope_up")


@pytest.mark.parametrize("name", STORED["policies"])
def test_what_is_stored_is_of_the_policy_that_is_shipped_and_stands_in_the_page(name: str) -> None:
    policy, found = load_policy(POLICIES / name), STORED["policies"][name]
    assert found["policy_sha256"] == policy.sha256
    assert found["panel_hash"] == panel_of(policy.task, "crossing").hash
    levels = Result.from_json((POLICIES / name / "crossing.json").read_text()).strata["terrain_and_level"]
    cells = []
    for kind in SLOPES:
        robots = list(zip(found[kind]["friction"], found[kind]["crossed"]))
        assert len(robots) == 80 and share(robots, 0.0) == pytest.approx(
            100 * levels[f"{kind} 9"]["success_rate"].value
        )
        cells += [f"{share(robots, NEEDED):.0f}", f"{share(robots, 0.0, NEEDED):.0f}"]
    assert f"| `{name}` | {' | '.join(cells)} |" in (ROOT / "docs/results.md").read_text()
