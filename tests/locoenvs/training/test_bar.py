"""Whether the bar has stopped a training is in its ledger."""

from __future__ import annotations

from pathlib import Path

import pytest

from locoenvs.training.bar import reached, stopped_by_the_bar
from locoenvs.training.run import Run


def run_of(folder: Path, met: list[int], until_bar: bool = True, updates_after: int = 0) -> Run:
    """A run that was judged after every second update, and met the bar so many times in a row each time."""
    run = Run.create(folder)
    run.write_recipe({"validation": {"until_bar": until_bar}})
    for number, count in enumerate(met, 1):
        run.record("update", update=2 * number - 1)
        run.record("update", update=2 * number)
        run.record("validation", update=2 * number, met=count)
    for number in range(updates_after):
        run.record("update", update=2 * len(met) + number + 1)
    return run


def test_twice_in_a_row_is_enough() -> None:
    assert [reached(True, met) for met in range(4)] == [False, False, True, True]
    assert not reached(False, 2)


@pytest.mark.parametrize(
    ("met", "until_bar", "after", "expected"),
    [
        ([0, 1, 2], True, 0, 6),
        ([0, 1, 2], False, 0, None),
        ([1, 0, 1], True, 0, None),
        ([1, 2], True, 1, None),  # gone on with since
        ([], True, 3, None),
    ],
)
def test_a_training_that_was_good_enough_and_ended_is_known(
    met: list[int], until_bar: bool, after: int, expected: int | None, tmp_path: Path
) -> None:
    assert stopped_by_the_bar(run_of(tmp_path / "run", met, until_bar, after)) == expected


def test_a_run_without_validation_was_not_stopped_and_one_that_is_not_there_is_told(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run")
    run.write_recipe({"validation": None})
    run.record("update", update=1)
    assert stopped_by_the_bar(run) is None
    with pytest.raises(FileNotFoundError, match="no run folder"):
        stopped_by_the_bar(Run(tmp_path / "nobody"))
