"""A ledger's line that lacks what it must have, or has it otherwise, is told by its number and field; all others pass."""

from __future__ import annotations

from typing import Any

import pytest

from locoenvs.training.ledger import usable

UPDATE = {"kind": "update", "update": 9, "elapsed_seconds": 1.0}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"kind": "update"}, "update: Field required (and 1 more)"),
        ({**UPDATE, "resets": [1, 2]}, "resets: Input should be an object"),
        ({**UPDATE, "explained_variance": "much"}, "explained_variance: Input should be a valid number"),
        ({"kind": "validation", "update": 9, "metrics": {}}, "elapsed_seconds: Field required"),
        ({"kind": "held_out"}, "panel: Field required"),
    ],
)
def test_what_is_missing_or_wrong_is_named(line: dict[str, Any], said: str) -> None:
    good, told = usable([UPDATE, line, UPDATE])
    assert good == [UPDATE, UPDATE]
    assert len(told) == 1 and told[0].startswith(f"ledger line 2, of kind {line['kind']!r}: {said}")


@pytest.mark.parametrize(
    "line",
    [
        {**UPDATE, "resets": {"time_limit": 3}, "explained_variance": None, "own": [{"word": None}]},
        {**UPDATE, "reward_per_second": float("nan")},
        {"kind": "held_out", "panel": "flat-1"},
        {"kind": "checkpoint"},
        {"kind": "of somebody else"},
    ],
)
def test_what_is_right_passes_as_it_is(line: dict[str, Any]) -> None:
    good, told = usable([line])
    assert good[0] is line and not told
