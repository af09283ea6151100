"""Validation against minutes is drawn of ledgers."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

from locoenvs.benchmarks.walks import validations_of, walks

RESULTS = Path(__file__).parents[2] / "benchmarks/results"


def test_it_draws_each_training_until_it_was_good_enough(tmp_path: Path) -> None:
    runs = tuple(RESULTS / f"walk-seed-{seed}" for seed in range(3))
    assert [validations_of(run)[-1]["met"] for run in runs] == [2, 2, 2]
    walks(runs, tmp_path / "all.png")
    walks(runs[:1], tmp_path / "one.png")
    assert (tmp_path / "all.png").stat().st_size > (tmp_path / "one.png").stat().st_size > 10_000


def test_a_training_that_was_not_validated_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is no run folder"):
        validations_of(tmp_path)
    with pytest.raises(ValueError, match="has no validation: train with --validate-every"):
        walks((RESULTS / "processes/seed-0-by-1",), tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()
