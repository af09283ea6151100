"""The comparison of training recipes trains, judges and goes on."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

pytest.importorskip("rsl_rl")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from locoenvs.benchmarks import learning
from locoenvs.panel import Panel, load_panel
from locoenvs.task import Task
from locoenvs.wrappers.ppo import PPOConfig


def small_panel(name: str) -> Panel:
    panel = load_panel(name)
    timing = dataclasses.replace(panel.task.timing, episode_length=0.2)
    return dataclasses.replace(panel, num_robots=4, task=dataclasses.replace(panel.task, timing=timing))


def test_it_judges_each_variant_and_seed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = []

    def tiny() -> tuple[Task, PPOConfig]:
        task, ppo = learning.walk()
        trained.append(task.hash)
        return task, dataclasses.replace(ppo, num_envs=4, horizon=4, hidden=(8,))

    monkeypatch.setattr(learning, "VARIANTS", {"tiny": tiny})
    monkeypatch.setattr(learning, "load_panel", small_panel)
    out = tmp_path / "results" / "learning.json"
    for _ in range(2):
        learning.main(("tiny",), (0, 1), 32, tmp_path / "runs", out)
    assert len(trained) == 2  # the second call found both done
    results = json.loads(out.read_text())["results"]
    assert [(result["variant"], result["seed"], result["samples"]) for result in results] == [
        ("tiny", 0, 32),
        ("tiny", 1, 32),
    ]
    assert results[0]["velocity_error"] != results[1]["velocity_error"]  # two seeds, two policies


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
