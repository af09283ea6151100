"""A training that judges itself stops when it is good enough, and never on what is held out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("rsl_rl")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from locoenvs.evidence.metrics import Estimate
from locoenvs.evidence.panel import Panel, load_panel
from locoenvs.evidence.result import Result
from locoenvs.policies.policy import Policy, load_policy
from locoenvs.training.run import Run
from locoenvs.training.settings import TrainSettings
from locoenvs.wrappers import training, validation
from locoenvs.wrappers.rsl_rl import train

FLAT, ROUGH = "Loco/AnymalC-Flat-v0", "Loco/AnymalC-Rough-v0"
GOOD = {"fall_rate": 0.01, "velocity_error": 0.15, "yaw_rate_error": 0.15}


def result(panel: Panel, found: dict[str, float]) -> Result:
    return Result(
        panel=panel.name,
        panel_hash=panel.hash,
        task_hash=panel.task.hash,
        policy_sha256=None,
        backend="mujoco",
        num_robots=1,
        episode_seconds=1.0,
        metrics={name: Estimate(value, None, None, 1) for name, value in found.items()},
        reset_reasons={"time_limit": 1},
        strata={},
        versions={},
        wall_seconds=1.0,
    )


@pytest.fixture(autouse=True)
def small() -> Iterator[None]:
    """The recipe's settings, but less of everything."""
    full, less = training.config, {"horizon": 4, "epochs": 1, "minibatches": 1, "hidden": (8,)}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(training, "config", lambda task: dataclasses.replace(full(task), **less))
        yield


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Panel, str, dict[str, Any]]]:
    """What was judged, its hash and the backend's options. Every second policy falls until the sixth is asked for."""
    asked: list[tuple[Panel, str, dict[str, Any]]] = []

    def judge(policy: Policy, panel: Panel, backend: str, *, device: object, options: dict[str, Any]) -> Result:
        asked.append((panel, policy.sha256, options))
        bad = len(asked) < 6 and len(asked) % 2
        return result(panel, {**GOOD, "fall_rate": 0.02} if bad else GOOD)

    monkeypatch.setattr(validation, "evaluate", judge)
    return asked


def test_a_training_stops_when_the_bar_holds_twice_in_a_row(
    judged: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = TrainSettings(
        FLAT, num_envs=4, updates=100, run=str(tmp_path / "run"), recipe="walk", validate_every=2, until_bar=True
    )
    run = Run(train(FLAT, settings))
    lines = [record for record in run.records() if record["kind"] == "validation"]
    assert [line["update"] for line in lines] == [2, 4, 6, 8, 10, 12, 14]
    assert [line["met"] for line in lines] == [0, 1, 0, 1, 0, 1, 2]
    assert lines[0]["metrics"] == {**GOOD, "fall_rate": 0.02} and lines[1]["metrics"] == GOOD
    assert [record["update"] for record in run.records() if record["kind"] == "update"][-1] == 14
    assert "good enough 2 times in a row after 14 updates" in capsys.readouterr().out
    panels, hashes, options = zip(*judged)
    assert {panel.split for panel in panels} == {"validation"} and load_panel("flat").hash not in {
        panel.hash for panel in panels
    }
    assert run.recipe()["validation"] == {
        "every": 2, "until_bar": True, "panel": panels[0].name, "panel_hash": panels[0].hash, "num_robots": 256,
    }  # fmt: skip
    assert len(set(hashes)) == 7 and hashes[-1] == load_policy(run.policy).sha256
    assert options[0] == run.recipe()["options"]
    updates = [record for record in run.records() if record["kind"] == "update"]
    spent = sum(sum(update["seconds"].values()) for update in updates) + sum(line["seconds"] for line in lines)
    assert lines[-1]["elapsed_seconds"] == pytest.approx(spent, abs=0.1), "judging is time of the training"


def test_without_until_bar_it_goes_on(judged: list[Any], tmp_path: Path) -> None:
    settings = TrainSettings(FLAT, num_envs=4, updates=16, run=str(tmp_path / "run"), recipe="walk", validate_every=2)
    run = Run(train(FLAT, settings))
    assert [record["met"] for record in run.records() if record["kind"] == "validation"][-2:] == [2, 3]


def test_a_resumed_training_knows_what_the_last_one_found(judged: list[Any], tmp_path: Path) -> None:
    """The sixth is the first of two in a row: here the first half ends with it."""
    settings = TrainSettings(
        FLAT, num_envs=4, updates=12, run=str(tmp_path / "run"), recipe="walk", validate_every=2, until_bar=True
    )
    run = Run(train(FLAT, settings))
    train("", TrainSettings("", resume=str(run.folder), updates=100))
    assert [record["update"] for record in run.records() if record["kind"] == "validation"][-1] == 14 and len(
        judged
    ) == 7


def test_judging_changes_nothing_of_a_training(tmp_path: Path) -> None:
    """With the real panel, shortened: the same weights as without."""
    whole = validation.validation_of
    with pytest.MonkeyPatch.context() as patched:

        def short(task: Any) -> Panel:
            panel = whole(task)
            timing = dataclasses.replace(panel.task.timing, episode_length=0.2)
            return dataclasses.replace(panel, num_robots=3, task=dataclasses.replace(panel.task, timing=timing))

        patched.setattr(validation, "validation_of", short)
        runs = [
            Run(
                train(
                    FLAT,
                    TrainSettings(FLAT, num_envs=4, updates=3, run=str(tmp_path / str(every)), validate_every=every),
                )
            )
            for every in (None, 1)
        ]
    plain, watched = (load_policy(run.policy).sha256 for run in runs)
    assert plain == watched
    assert len([record for record in runs[1].records() if record["kind"] == "validation"]) == 3


def test_there_is_no_bar_on_rough_ground(tmp_path: Path) -> None:
    settings = TrainSettings(ROUGH, num_envs=4, run=str(tmp_path / "run"), validate_every=2, until_bar=True)
    with pytest.raises(ValueError, match="the bar is one of flat ground"):
        train(ROUGH, settings)
    assert not list(tmp_path.iterdir())
