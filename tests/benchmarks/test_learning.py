"""The comparison of training recipes trains, judges and goes on."""

from __future__ import annotations

import dataclasses
import json
import signal
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rsl_rl")
pytest.importorskip("google.protobuf")
pytest.importorskip("onnxruntime")

from locoenvs.benchmarks import learning
from locoenvs.evidence import panel as panels
from locoenvs.evidence.panel import Panel, load_panel
from locoenvs.tasks.task import Task
from locoenvs.wrappers import validation
from locoenvs.wrappers.ppo import PPOConfig
from locoenvs.wrappers.training import Training


def small_panel(name: str) -> Panel:
    panel = load_panel(name)
    timing = dataclasses.replace(panel.task.timing, episode_length=0.2)
    return dataclasses.replace(panel, num_robots=4, task=dataclasses.replace(panel.task, timing=timing))


def tiny() -> tuple[Task, PPOConfig]:
    task, ppo = learning.walk()
    return task, dataclasses.replace(ppo, num_envs=4, horizon=4, hidden=(8,))


def test_it_judges_each_variant_and_seed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "VARIANTS", {"tiny": tiny})
    monkeypatch.setattr(learning, "load_panel", small_panel)
    out = tmp_path / "results" / "learning.json"
    learning.main(("tiny",), (0, 1), 32, tmp_path / "runs", out)
    monkeypatch.setattr(learning, "train", lambda *_: pytest.fail("it was done already"))
    learning.main(("tiny",), (0, 1), 34, tmp_path / "runs", out)  # as many updates
    results = json.loads(out.read_text())["results"]
    assert [(result["variant"], result["seed"], result["samples"]) for result in results] == [
        ("tiny", 0, 32),
        ("tiny", 1, 32),
    ]
    assert results[0]["velocity_error"] != results[1]["velocity_error"]  # two seeds, two policies
    with pytest.raises(
        SystemExit, match="samples=64: the result in .*tiny-0 is of at most 32, not of 64. Choose another --folder"
    ):
        learning.main(("tiny",), (0, 1), 64, tmp_path / "runs", out)


def test_an_interrupted_training_goes_on_to_the_samples_that_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    update = Training._update

    def interrupted(self: Training) -> dict[str, Any]:
        signal.raise_signal(signal.SIGINT)
        return update(self)

    monkeypatch.setattr(learning, "VARIANTS", {"tiny": tiny})
    monkeypatch.setattr(learning, "load_panel", small_panel)
    with monkeypatch.context() as patched:
        patched.setattr(Training, "_update", interrupted)
        with pytest.raises(KeyboardInterrupt):
            learning.run("tiny", 0, 32, tmp_path)
    assert not (tmp_path / "tiny-0" / "result.json").exists()
    assert learning.run("tiny", 0, 64, tmp_path)["samples"] == 64


def test_a_variant_that_is_good_enough_stops_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "VARIANTS", {"tiny": tiny})
    monkeypatch.setattr(learning, "load_panel", small_panel)
    monkeypatch.setattr(learning, "VALIDATION", 32)
    monkeypatch.setattr(panels, "validation_of", lambda task: small_panel("flat"))
    monkeypatch.setattr(validation, "meets_bar", lambda result: True)
    result: Any = learning.run("tiny", 0, 1600, tmp_path)
    assert result["stopped_by_the_bar"] and result["samples"] == 64 and result["asked"] == 1600
    assert [samples for samples, *_ in result["validations"]] == [32, 64]
    assert result == learning.run("tiny", 0, 1600, tmp_path)
    last: Any = learning.run("tiny", 1, 64, tmp_path)
    assert last["stopped_by_the_bar"] and last["samples"] == last["asked"] == 64, "as well as in its last update"


def test_many_robots_keep_the_samples_of_the_schedule() -> None:
    (few, few_ppo), (many, many_ppo) = learning.walk(), learning.many_robots()
    assert few.rewards.penalty_schedule and many.rewards.penalty_schedule
    assert few.rewards.penalty_schedule.control_steps * few_ppo.num_envs == (
        many.rewards.penalty_schedule.control_steps * many_ppo.num_envs
    )


def test_an_unknown_variant_is_told_before_anything_trains(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="unknown variant 'walks'; did you mean 'walk'"):
        learning.main(("walk", "walks"), folder=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
