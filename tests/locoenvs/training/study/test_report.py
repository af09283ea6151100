"""What came out of a study, as numbers, a table and a picture."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from locoenvs.training.study import pictures, report
from locoenvs.training.study.loop import Here, carry_out
from locoenvs.training.study.pictures import curves_of, picture
from locoenvs.training.study.state import State
from studies import ENTROPIES, Pretended, state_of


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> State:
    made = state_of(ENTROPIES, tmp_path_factory.mktemp("report") / "entropies")
    carry_out(made, Here(Pretended()), lambda said: None)
    return made


def test_an_interval_over_seeds_is_students() -> None:
    found = report.spread([1.0, 2.0, 3.0])
    assert found.mean == 2.0 and found.low is not None and found.high is not None
    assert found.high - 2.0 == pytest.approx(4.303 / np.sqrt(3)) and 2.0 - found.low == pytest.approx(found.high - 2.0)
    assert report.spread([1.0]) == report.Spread(1.0, None, None)
    assert report.spread([0.0, 0.5], share=True).low == 0.0 and report.spread([0.5, 1.0], share=True).high == 1.0


def test_rows_tell_rank_status_and_intervals(state: State) -> None:
    base, first, second, *_ = report.rows(state)
    assert (base.name, base.status, base.rank) == ("base", "finished", 2)
    assert (first.status, first.rank, first.seeds, first.updates, first.samples) == ("finished", 1, 2, 9, 90)
    assert (second.status, second.rank, second.updates) == ("pruned after 1 updates", None, 1)
    assert first.numbers["velocity_error"] == report.spread([0.091, 0.101])
    assert [row.name for row in report.in_order(state)] == ["base", "trial-1", "trial-2", "trial-3", "trial-4"]


def test_the_table_marks_the_best_and_what_was_pruned(state: State) -> None:
    console = Console(width=200, record=True, file=open("/dev/null", "w"))
    console.print(report.table(state))
    text = console.export_text()
    assert "trial-1 *" in text and text.count("pruned after 1 updates") == 3 and "ppo.entropy" in text


def test_the_files_hold_all_of_it(state: State) -> None:
    document = json.loads(report.to_json(state, [], curves_of(state)))
    assert document["best"] == "trial-1" and document["rungs"] == [1, 3, 9]
    assert [each["update"] for each in document["validations"]["trial-1-seed-0"]] == list(range(1, 10))
    assert document["runs"]["trial-2-seed-1"][0]["metrics"]["velocity_error"] == pytest.approx(0.209)
    lines = list(csv.DictReader(report.to_csv(state).splitlines()))
    assert len(lines) == 18 and lines[-1]["configuration"] == "trial-4"
    assert lines[-1]["ppo.entropy"] == "0.4" and lines[-1]["status"] == "pruned after 1 updates"


UNTIL_BAR = """
env_id = "Loco/AnymalC-Flat-v0"
recipe = "walk"
seeds = [0, 1]
samples = 110_592
validate_samples = 12_288
until_bar = true
objective = "velocity_error"
points = [{ "ppo.entropy" = 0.1 }]
"""


@pytest.fixture(scope="module")
def until_bar(tmp_path_factory: pytest.TempPathFactory) -> State:
    made = state_of(UNTIL_BAR, tmp_path_factory.mktemp("report") / "until-bar")
    carry_out(made, Here(Pretended(bar=0.1075)), lambda said: None)
    return made


def test_rows_tell_who_stopped_by_the_bar_and_after_how_many_samples(until_bar: State) -> None:
    base, first = report.rows(until_bar)
    assert (base.stopped_by_the_bar, first.stopped_by_the_bar) == (0, 2)
    assert base.numbers["samples"] == report.spread([90, 90]) and first.numbers["samples"] == report.spread([20, 40])
    assert first.numbers["minutes"] == report.spread([0.2, 0.4])
    console = Console(width=200, record=True, file=open("/dev/null", "w"))
    console.print(report.table(until_bar))
    text = console.export_text()
    assert "until-bar: 110,592 samples, seeds 0, 1" in text and "2 of 2" in text and "0 of 2" in text
    assert "stopped by the bar" in text and "M samples" in text and "3e-05" in text


def test_the_files_tell_who_stopped_by_the_bar(until_bar: State) -> None:
    document = json.loads(report.to_json(until_bar, [], curves_of(until_bar)))
    assert document["unit"] == "samples" and document["rungs"] == [110_592]
    assert [row["stopped_by_the_bar"] for row in document["rows"]] == [0, 2]
    assert document["runs"]["trial-1-seed-1"][0]["stopped_by_the_bar"] is True
    assert [each["samples"] for each in document["validations"]["trial-1-seed-0"]] == [12_288, 24_576]
    lines = list(csv.DictReader(report.to_csv(until_bar).splitlines()))
    assert [line["stopped_by_the_bar"] for line in lines] == ["0", "0", "1", "1"]


@pytest.mark.parametrize(
    ("budget", "unit", "x"),
    [
        ({"updates": 9, "validate_every": 1}, "updates", [1, 2]),
        ({"minutes": 0.9, "validate_minutes": 0.1}, "minutes", [0.1, 0.2]),
        ({"samples": 110_592, "validate_samples": 12_288}, "samples", [12_288, 24_576]),
    ],
)
def test_the_picture_is_drawn_against_what_the_budget_is_in(
    budget: dict[str, Any],
    unit: str,
    x: list[float],
    until_bar: State,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("matplotlib")
    drawn = list[Any]()
    monkeypatch.setattr(pictures, "save", lambda figure, path: drawn.append(figure))
    study = replace(until_bar.study, **{"samples": None, "validate_samples": None, **budget})
    picture(replace(until_bar, study=study), curves_of(until_bar), tmp_path / "study.png")
    axes = drawn[0].axes[0]
    assert axes.get_xlabel() == unit
    assert list(axes.lines[1].get_xdata()) == pytest.approx(x), "as far as all seeds got"


def test_the_picture_is_drawn(state: State, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    picture(state, curves_of(state), tmp_path / "study.png")
    assert (tmp_path / "study.png").stat().st_size > 10_000
