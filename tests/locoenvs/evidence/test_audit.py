"""Each audit passes what is sound and finds what is not."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from locoenvs.evidence.audit import audit_result, audit_training
from locoenvs.evidence.metrics import Estimate
from locoenvs.evidence.result import Result

SOUND = {"commanded_speed": 0.8, "speed": 0.7, "action_clip_rate": 0.0}


def result(broken: int = 0, **changes: float) -> Result:
    return Result(
        panel="p",
        panel_hash="0",
        task_hash="0",
        policy_sha256=None,
        backend="mujoco",
        num_robots=100,
        episode_seconds=20.0,
        metrics={name: Estimate(value, None, None, 100) for name, value in {**SOUND, **changes}.items()},
        reset_reasons={"time_limit": 100 - broken, "base_contact": 0, "broken_physics": broken},
        strata={},
        versions={},
        wall_seconds=1.0,
    )


def failed(findings: Any) -> list[str]:
    return [finding.name for finding in findings if not finding.passed]


@pytest.mark.parametrize(
    ("found", "names"),
    [
        (result(), []),
        (result(speed=0.1), ["moves"]),
        (result(speed=0.0, commanded_speed=0.0), []),
        (result(action_clip_rate=0.2), ["actions within the clip"]),
        (result(broken=1), ["physics holds"]),
    ],
)
def test_evaluations(found: Result, names: list[str]) -> None:
    assert failed(audit_result(found)) == names


def update(number: int, **changes: Any) -> dict[str, Any]:
    line = {
        "kind": "update",
        "update": number,
        "action_clip_rate": 0.0,
        "terms_per_second": {"tracking": 0.6, "torques": -0.2, "air_time": 0.1},
        "resets": {"time_limit": 2, "base_contact": 1},
    }
    return {**line, **changes}


SPREAD = [update(number) for number in range(40)]


@pytest.mark.parametrize(
    ("records", "names"),
    [
        (SPREAD, []),
        ([{"kind": "checkpoint"}, *SPREAD], []),
        ([*SPREAD, update(41, action_clip_rate=0.5)], ["actions within the clip"]),
        ([*SPREAD, *[update(n, terms_per_second={"a": -9.0, "b": 0.1}) for n in range(400)]], ["rewards balance"]),
        ([*SPREAD[:20], update(20, resets={"time_limit": 90, "base_contact": 0}), *SPREAD], ["resets spread"]),
    ],
)
def test_trainings(records: list[dict[str, Any]], names: list[str]) -> None:
    assert failed(audit_training(records, num_envs=100)) == names


def test_a_ledger_without_updates_is_no_training() -> None:
    with pytest.raises(ValueError, match="nothing was trained"):
        audit_training([{"kind": "checkpoint"}], 100)


def test_the_message_says_what_was_found() -> None:
    assert (
        audit_result(dataclasses.replace(result(speed=0.1)))[0].message == "mean speed 0.10 m/s of 0.80 m/s commanded"
    )


@pytest.mark.parametrize(
    ("found", "names"),
    [
        (result(speed=0.4), []),  # half of what was asked for, 0.8 m/s, still moves
        (result(speed=0.39), ["moves"]),
        (result(action_clip_rate=0.01), []),
        (result(action_clip_rate=0.011), ["actions within the clip"]),
    ],
)
def test_evaluations_at_the_limit_of_what_is_sound(found: Result, names: list[str]) -> None:
    assert failed(audit_result(found)) == names


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"action_clip_rate": 0.01}, []),
        ({"action_clip_rate": 0.011}, ["actions within the clip"]),
        ({"terms_per_second": {"a": -8.9, "b": 1.1}}, []),
        ({"terms_per_second": {"a": -9.1, "b": 0.9}}, ["rewards balance"]),
        ({"resets": {"time_limit": 25}}, []),
        ({"resets": {"time_limit": 26}}, ["resets spread"]),
    ],
)
def test_trainings_at_the_limit_of_what_is_sound(changes: dict[str, Any], names: list[str]) -> None:
    assert failed(audit_training([update(number, **changes) for number in range(5)], num_envs=100)) == names
