"""The comparison of learners trains, judges and tells on the same panel, and does nothing twice."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("rsl_rl")
pytest.importorskip("stable_baselines3")
pytest.importorskip("onnxruntime")

from locoenvs.benchmarks import learners
from locoenvs.panel import load_panel
from locoenvs.wrappers import training
from locoenvs.wrappers.ppo import PPOConfig


def test_two_learners_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    panel = load_panel("flat")
    timing = dataclasses.replace(panel.task.timing, episode_length=0.2)
    short = dataclasses.replace(panel, num_robots=4, task=dataclasses.replace(panel.task, timing=timing))
    monkeypatch.setattr(learners, "load_panel", lambda name: short)
    small = PPOConfig(num_envs=8, horizon=4, updates=9, epochs=1, minibatches=1, hidden=(8,))
    monkeypatch.setattr(training, "config", lambda task: small)
    monkeypatch.setattr(learners, "BAR", {"fall_rate": 1.0, "velocity_error": 0.0})
    out = tmp_path / "learners.json"
    learners.main(("rsl_rl", "sb3"), seeds=(1,), updates=1, folder=tmp_path / "runs", out=out)
    report = json.loads(out.read_text())
    assert [(row["learner"], row["seed"], row["samples"]) for row in report["results"]] == [
        ("rsl_rl", 1, 32),
        ("sb3", 1, 32),
    ]
    for row in report["results"]:
        assert row["wall_seconds"] > 0 and set(row["seconds"]) == {"environment", "inference", "learning"}
        value, low, high = row["metrics"]["fall_rate"]
        assert 0 <= low <= value <= high <= 1 and row["panel_hash"] == short.hash and row["meets_the_bar"] is False
    assert "0 of 1" in capsys.readouterr().out
    monkeypatch.setattr(learners.known, "train", lambda *_, **__: pytest.fail("it was done already"))
    learners.main(("rsl_rl", "sb3"), seeds=(1,), updates=1, folder=tmp_path / "runs", out=out)
    assert json.loads(out.read_text())["results"] == report["results"]
