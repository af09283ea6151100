"""A policy in several places: each beside the first, and what is missing is said, not failed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from locoenvs.envs import backends
from locoenvs.evidence.manifest import Panel
from locoenvs.evidence.metrics import wilson
from locoenvs.evidence.result import Result
from locoenvs.evidence.robots import Robots
from locoenvs.evidence.transfer import Transfer, table, transfer
from locoenvs.policies.policy import POLICIES, load_policy

POLICY = load_policy(POLICIES / "anymal_c_flat")


def result(panel: Panel, backend: str, succeed: int) -> Result:
    count = 40
    succeeded = [robot < succeed for robot in range(count)]
    robots = Robots(
        kind=["flat"] * count,
        level=[0] * count,
        drawn={},
        groups={},
        succeeded=succeeded,
        fell=[False] * count,
        seconds=[8.0] * count,
        reset_reason=["time_limit"] * count,
        numerators={"velocity_error": np.linspace(0.1, 0.2, count).tolist()},
        denominators={},
    )
    return Result(
        panel=panel.name,
        panel_hash=panel.hash,
        task_hash=panel.task.hash,
        policy_sha256=None,
        backend=backend,
        num_robots=count,
        episode_seconds=8.0,
        metrics={"success_rate": wilson(succeed, count), "fall_rate": wilson(0, count)},
        reset_reasons={},
        strata={},
        versions={},
        wall_seconds=1.0,
        drive=panel.task.actuator.kind,
        robots=robots,
    )


def tried(monkeypatch: pytest.MonkeyPatch, succeed: dict[tuple[str, str], int], **options: Any) -> Transfer:
    """The flat policy with engines that load by name; where no success is told, the backend refuses the panel."""

    def load(name: str) -> object:
        if name == "isaaclab":
            raise ImportError("backend 'isaaclab' needs isaaclab, which is not installed")
        return object()

    def judge(panel: Panel, name: str | None, backend: str) -> Result:
        place = (backend, panel.task.actuator.kind)
        if place not in succeed:
            raise ValueError(f"backend {backend!r} does not run it")
        return result(panel, backend, succeed[place])

    monkeypatch.setattr(backends, "load", load)
    monkeypatch.setattr(backends, "installed", lambda: {name: object for name in ("mujoco", "mjx", "isaaclab")})
    return transfer(POLICY, judge, ("mujoco", "mjx", "isaaclab"), ("pd", "lstm"), **options)


def test_each_place_is_beside_the_first_and_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    made = tried(monkeypatch, {("mujoco", "pd"): 38, ("mujoco", "lstm"): 20, ("mjx", "pd"): 37}, smoke=True)
    assert [(str(each.place), each.result.panel, each.word) for each in made.tried] == [
        ("mujoco, pd", "AnymalC-flat-1-smoke", "the first"),
        ("mujoco, lstm", "AnymalC-lstm-flat-1-smoke", "worse"),
        ("mjx, pd", "AnymalC-flat-1-smoke", "no difference"),
    ]
    assert made.verdicts() == [
        "[mujoco, lstm] does not hold up: worse on AnymalC-lstm-flat-1-smoke",
        "[mjx, pd] holds up",
    ]
    assert made.missing == (
        ("mjx, lstm, its own panel", "backend 'mjx' does not run it"),
        ("isaaclab", "backend 'isaaclab' needs isaaclab, which is not installed"),
    )
    assert table(made).row_count == 3


def test_in_the_first_place_what_is_missing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="'mujoco' does not run it"):
        tried(monkeypatch, {})
    with pytest.raises(ValueError, match="unknown panel 'flatt'"):
        tried(monkeypatch, {}, panels=("flatt",))


def test_what_was_done_is_kept_when_a_later_panel_cannot_be_or_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "installed", lambda: dict.fromkeys(("mujoco", "mjx"), object))
    monkeypatch.setattr(backends, "load", lambda name: object())

    def judge(panel: Panel, name: str | None, backend: str) -> Result:
        if backend == "mjx":
            raise RuntimeError("out of memory")
        if name == "disturb":
            raise ValueError("no such payload")
        return result(panel, backend, 38)

    made = transfer(POLICY, judge, ("mujoco", "mjx"), (), ("flat", "disturb"))
    assert [(each.result.panel, str(each.place)) for each in made.tried] == [("AnymalC-flat-1", "mujoco, pd")]
    assert made.missing == (("mjx, pd, flat", "out of memory"), ("mujoco, pd, disturb", "no such payload"))


def test_an_unknown_backend_is_named_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="unknown backend 'mujocoo'; did you mean 'mujoco'"):
        transfer(POLICY, lambda panel, name, backend: pytest.fail("judged"), ("mujoco", "mujocoo"))
