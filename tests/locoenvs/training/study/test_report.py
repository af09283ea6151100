"""What came out of a study, as numbers, a table and a picture."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from locoenvs.training.study import report
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


def test_the_picture_is_drawn(state: State, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    picture(state, curves_of(state), tmp_path / "study.png")
    assert (tmp_path / "study.png").stat().st_size > 10_000
