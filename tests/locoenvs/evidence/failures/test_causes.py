"""Falls are told apart by simple rules, the first of which decides."""

from __future__ import annotations

from typing import Any

import pytest

from locoenvs.evidence.failures.causes import Fall, alike


def fall(robot: int = 0, **changes: Any) -> Fall:
    values = {
        "robot": robot,
        "step": 100,
        "seconds": 2.0,
        "broken": False,
        "kind": "stairs_up",
        "level": 3,
        "since_push": None,
        "since_command": None,
        "since_caught": None,
        "caught": None,
        "tilt": 1.0,
        "tilt_rate": 1.0,
        "direction": "left",
        "feet": (),
        "command": (0.75, 0.0, 0.0),
        "speed": 0.5,
    }
    return Fall(**values | changes)


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({}, "lost its balance"),
        ({"tilt_rate": 3.5}, "thrown over"),
        ({"tilt": 0.2, "tilt_rate": 3.5}, "the base hit the ground upright"),
        ({"since_command": 1.0, "tilt": 0.2}, "after a new command"),
        ({"since_caught": 0.4, "caught": "LF_FOOT", "since_command": 0.5}, "a foot was caught"),
        ({"since_caught": 0.6, "caught": "LF_FOOT"}, "lost its balance"),
        ({"since_push": 0.9, "since_caught": 0.4, "caught": "LF_FOOT"}, "after a push"),
        ({"since_push": 1.1}, "lost its balance"),
        ({"broken": True, "since_push": 0.1}, "physics broke"),
    ],
)
def test_the_first_rule_that_holds_is_the_cause(changes: dict[str, Any], cause: str) -> None:
    assert fall(**changes).cause == cause


def test_falls_that_are_alike_are_told_together_the_most_frequent_first() -> None:
    caught = {"since_caught": 0.1, "caught": "LF_FOOT"}
    falls = [
        fall(5),
        fall(1, kind="gaps"),
        fall(3, **caught),
        fall(2, **caught, direction="forward"),
        fall(4, **caught),
    ]
    groups = alike(falls)
    assert [(group.kind, group.cause, [f.robot for f in group.falls]) for group in groups] == [
        ("stairs_up", "a foot was caught", [2, 3, 4]),
        ("gaps", "lost its balance", [1]),
        ("stairs_up", "lost its balance", [5]),
    ]
    assert groups[0].words == "3 falls, 2 left, 1 forward, LF_FOOT caught 3 times"
    assert groups[1].words == "1 fall, 1 left"
    assert alike([]) == []


def test_a_fall_in_words() -> None:
    told = fall(
        feet=("LF_FOOT", "RH_FOOT"), since_push=0.24, since_caught=0.1, caught="RF_FOOT", since_command=3.0
    ).words
    assert told == (
        "after 2.00 s; stairs_up, level 3; leaning 1.00 rad left at 1.0 rad/s; on LF_FOOT, RH_FOOT; 0.24 s after a push; "
        "RF_FOOT caught 0.10 s before; 3.00 s after a new command; told 0.75 m/s ahead, 0.00 m/s left, 0.00 rad/s, moved at "
        "0.50 m/s"
    )
    assert "no foot on the ground" in fall().words
    assert "stairs_up, level 3;" in fall().words and "; plane;" in fall(kind="plane", level=6).words
