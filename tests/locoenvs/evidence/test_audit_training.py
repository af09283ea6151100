"""Each audit of a training passes what is sound and finds what is not, planted in ledgers and in a training."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from locoenvs.envs.registration import task as task_of
from locoenvs.evidence.audit_training import audit_training
from locoenvs.evidence.panel import Panel, validation_of
from locoenvs.mdp.rewards import Step
from locoenvs.numerics.arrays import Array
from locoenvs.policies.policy import POLICIES
from locoenvs.tasks.entries import Term
from locoenvs.tasks.task import Task
from locoenvs.tasks.vocabulary import REWARD_TERMS, reward_term
from locoenvs.training.learners import train
from locoenvs.training.ppo import WALK_FLAT
from locoenvs.training.run import Run


def failed(findings: Any) -> list[str]:
    return [finding.name for finding in findings if not finding.passed]


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


def test_robots_that_fail_together_after_they_had_walked() -> None:
    fallen = update(41, resets={"time_limit": 0, "base_contact": 100})
    assert failed(audit_training([*SPREAD, fallen], 100)) == ["resets spread"]
    early = [update(0), update(1, resets={"time_limit": 0, "base_contact": 90}), *SPREAD]
    assert failed(audit_training(early, 100)) == []  # robots that know nothing fall


@pytest.mark.parametrize(("share", "names"), [(0.25, []), (0.26, ["resets spread"])])
def test_robots_that_end_in_one_control_step(share: float, names: list[str]) -> None:
    lines = [*SPREAD, update(41, most_at_once={"base_contact": share})]
    findings = audit_training(lines, 100)
    assert failed(findings) == names
    if names:
        assert findings[2].message == "26 % of the robots ended by base_contact in one control step of update 41"


@pytest.mark.parametrize(
    ("robots", "line"),
    [
        (3, {"resets": {"time_limit": 1, "base_contact": 0}}),
        (3, {"most_at_once": {"base_contact": 0.34}}),
        (2, {"resets": {"time_limit": 0, "base_contact": 2}}),
    ],
)
def test_few_robots_end_together_by_chance(robots: int, line: dict[str, Any]) -> None:
    quiet = [update(number, resets={"time_limit": 0, "base_contact": 0}) for number in range(40)]
    assert failed(audit_training([*quiet, update(41, **line)], robots)) == []


@pytest.mark.parametrize(("share", "names"), [(0.0, ["resets spread"]), (0.05, ["resets spread"]), (0.32, [])])
def test_updates_that_are_a_large_part_of_an_episode(share: float, names: list[str]) -> None:
    """Of episodes of 200 steps a third ends in an update of 64 steps, however evenly they are spread."""
    lines = [*SPREAD, update(41, resets={"time_limit": 40})]
    assert failed(audit_training(lines, 100, update_share=share)) == names


def test_kinds_of_tile_that_nobody_is_on() -> None:
    lines = [update(n, levels={"flat": 1.0, "rough": 2.0}) for n in range(9)]
    assert failed(audit_training(lines, 100, ("flat", "rough"))) == []
    findings = audit_training(lines, 100, ("flat", "rough", "gaps"))
    assert findings[-1].message == "no robot was ever on gaps" and not findings[-1].passed


def test_held_out_panels_that_are_used_again() -> None:
    used = {"kind": "held_out", "panel": "flat-1"}
    assert failed(audit_training([*SPREAD, used], 100)) == []
    assert failed(audit_training([*SPREAD, used, used], 100)) == ["held-out panels are used once"]
    changed = [used | {"panel": "flat-1, and 1 change", "panel_hash": digits} for digits in ("a" * 12, "b" * 12)]
    assert failed(audit_training([*SPREAD, *changed], 100)) == [], "two panels of one name are two"


def test_terms_that_only_some_updates_have_are_nothing_in_the_others() -> None:
    lines = [update(n, terms_per_second={"a": 1.0} if n % 2 else {"b": 1.0}) for n in range(20)]
    judged = [validation(5, 0.9), validation(15, 0.1)]
    assert failed(audit_training([*lines, *judged], 100)) == []
    none = [update(n, terms_per_second={}) for n in range(20)]
    assert failed(audit_training([*none, *judged], 100)) == []


def validation(number: int, success: float, **others: Any) -> dict[str, Any]:
    metrics = {"success_rate": success}
    return {"kind": "validation", "update": number, "num_robots": 100, "metrics": metrics, **others}


def test_only_validations_by_the_panel_of_the_last_one_tell_of_an_exploit() -> None:
    lines = [update(n, terms_per_second={"skimming": 0.1 * n}) for n in range(1, 31)]
    before, after = validation(10, 0.9, panel_hash="a"), validation(30, 0.4, panel_hash="a")
    assert failed(audit_training([*lines, before, after], 100)) == ["rewards balance", "rewards follow success"]
    another = {**after, "panel_hash": "b"}
    assert failed(audit_training([*lines, before, another], 100)) == ["rewards balance"]


@pytest.mark.parametrize(
    ("success", "skimming", "names"),
    [
        ((0.5, 0.9, 0.9), 0.5, []),  # more of it, and better
        ((0.5, 0.9, 0.4), 0.0, []),  # worse, but no term pays for it
        ((0.5, 0.9, 0.85), 0.5, []),  # not worse beyond the intervals
        ((0.5, 0.9, 0.4), 0.5, ["rewards follow success"]),
    ],
)
def test_a_term_that_grows_while_success_falls(success: tuple[float, ...], skimming: float, names: list[str]) -> None:
    lines = [
        update(n, terms_per_second={"tracking": 0.6, "torques": -0.2, "skimming": 0.1 + skimming * max(n - 20, 0) / 10})
        for n in range(1, 31)
    ]
    judged = [validation(10 * (index + 1), share) for index, share in enumerate(success)]
    findings = audit_training([*lines, *judged], 100)
    assert failed(findings) == names
    if names:
        assert "while skimming grew from" in findings[-1].message


@pytest.fixture
def skimming() -> Iterator[str]:
    """A reward term that pays for a base that is all but on the ground, where the episode would end."""

    def skimming(s: Step) -> Array:
        """1 while the base is less than 0.25 m above the ground"""
        height = s.readout.base_position[:, 2]
        return s.mdp.xp.astype(height < 0.25, s.mdp.xp.float32) + (0.6 - height).clip(0.0, 0.4)

    reward_term()(skimming)
    yield "skimming"
    REWARD_TERMS.remove("skimming")


@pytest.mark.slow
def test_a_planted_exploit_is_found_in_a_training(
    skimming: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def short(task: Task) -> Panel:
        panel = validation_of(task)
        timing = dataclasses.replace(panel.task.timing, episode_length=4.0)
        return dataclasses.replace(panel, task=dataclasses.replace(panel.task, timing=timing))

    monkeypatch.setattr("locoenvs.evidence.panel.validation_of", short)
    task = task_of("Loco/AnymalC-Flat-v0", "walk", "pd")
    terms = {**task.rewards.terms, skimming: Term(weight=20.0)}
    folder = train(
        "Loco/AnymalC-Flat-v0",
        task=dataclasses.replace(task, rewards=dataclasses.replace(task.rewards, terms=terms, penalty_schedule=None)),
        ppo=dataclasses.replace(WALK_FLAT, num_envs=64, updates=42, max_learning_rate=5e-3),
        backend="mujoco",
        run=str(tmp_path / "run"),
        start_from=str(POLICIES / "anymal_c_flat"),
        validate_every=7,
        validate_robots=64,
    )
    finding = audit_training(Run.open(folder).records(), 64)[3]
    assert finding.name == "rewards follow success" and not finding.passed and skimming in finding.message, finding
