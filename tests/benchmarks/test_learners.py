"""The comparison of learners trains, judges and tells on the same panel, and does nothing twice."""

from __future__ import annotations

import dataclasses
import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("rsl_rl")
pytest.importorskip("stable_baselines3")
pytest.importorskip("onnxruntime")

from locoenvs import install
from locoenvs.benchmarks import learners
from locoenvs.evidence.panel import load_panel
from locoenvs.training.run import Run
from locoenvs.wrappers import training
from locoenvs.wrappers.ppo import PPOConfig

SMALL = PPOConfig(num_envs=8, horizon=4, updates=9, epochs=1, minibatches=1, hidden=(8,))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> str:
    """A short panel of four robots, whose hash it is, and trainings of a moment."""
    panel = load_panel("flat")
    timing = dataclasses.replace(panel.task.timing, episode_length=0.2)
    short = dataclasses.replace(panel, num_robots=4, task=dataclasses.replace(panel.task, timing=timing))
    monkeypatch.setattr(learners, "load_panel", lambda name: short)
    monkeypatch.setattr("locoenvs.wrappers.recipe.config", lambda task: SMALL)
    monkeypatch.setattr(learners, "config", lambda task: SMALL)
    return short.hash


def test_two_learners_are_compared(
    small: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
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
        assert 0 <= low <= value <= high <= 1 and row["panel_hash"] == small and row["meets_the_bar"] is False
        kept = tmp_path / "learners" / f"{row['learner']}-1"
        assert json.loads((kept / "evaluation.json").read_text())["metrics"]["fall_rate"]["value"] == value
        assert json.loads((kept / "recipe.json").read_text())["seed"] == 1
        assert Run(kept).records()[0]["samples"] == 32
    assert "0 of 1" in capsys.readouterr().out
    monkeypatch.setattr(learners.known, "train", lambda *_, **__: pytest.fail("it was done already"))
    learners.main(("rsl_rl", "sb3"), seeds=(1,), updates=1, folder=tmp_path / "runs", out=out)
    assert json.loads(out.read_text())["results"] == report["results"]
    learners.main(("sb3",), seeds=(1,), updates=1, folder=tmp_path / "runs", out=out)
    assert json.loads(out.read_text())["results"] == report["results"], "results of other learners stay"
    others = [{"updates": 0}, {"updates": 1, "minutes": 5.0}, {"updates": 1, "recipe": "paper"}]
    for other in others:
        with pytest.raises(SystemExit, match=r"rsl_rl-1 has .*Choose another --folder"):
            learners.main(("rsl_rl", "sb3"), seeds=(1,), folder=tmp_path / "runs", out=out, **other)


def test_an_interrupted_training_is_no_result_and_is_gone_on_with(
    small: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    update = training.Training._update

    def interrupted(self: training.Training) -> dict[str, Any]:
        signal.raise_signal(signal.SIGINT)
        return update(self)

    settings: dict[str, Any] = {"updates": 3, "folder": tmp_path / "runs", "out": tmp_path / "learners.json"}
    with monkeypatch.context() as patched:
        patched.setattr(training.Training, "_update", interrupted)
        with pytest.raises(KeyboardInterrupt):
            learners.main(("rsl_rl", "sb3"), (0,), **settings)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["rsl_rl-0"]
    assert not (tmp_path / "runs" / "rsl_rl-0" / "result.json").exists()
    learners.main(("rsl_rl",), (0,), **settings)
    (result,) = json.loads((tmp_path / "learners.json").read_text())["results"]
    assert result["samples"] == 3 * SMALL.samples_per_update


def test_a_training_goes_on_for_more_updates_and_tells_how_it_was_judged_before(small: str, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"folder": tmp_path / "runs", "out": tmp_path / "learners.json"}
    found = []
    for updates in (1, 3, None):
        learners.main(("rsl_rl",), (0,), updates=updates, **settings)
        (result,) = json.loads((tmp_path / "learners.json").read_text())["results"]
        found.append(result)
    samples = [updates * SMALL.samples_per_update for updates in (1, 3, SMALL.updates)]
    assert [result["samples"] for result in found] == samples
    for count, result in enumerate(found):
        assert [before["samples"] for before in result["judged_before"]] == samples[:count]
    assert found[2]["judged_before"][1]["metrics"] == found[1]["metrics"]


def test_a_run_of_the_same_settings_is_judged_and_not_trained_again(
    small: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "runs" / "sb3-0"
    learners.known.train(learners.ENVIRONMENT, "sb3", recipe="walk", actuator="pd", updates=2, run=str(place))
    (place / "checkpoint.pt").unlink()
    monkeypatch.setattr(learners.known, "train", lambda *_, **__: pytest.fail("it was trained already"))
    settings: dict[str, Any] = {"updates": 2, "folder": tmp_path / "runs", "out": tmp_path / "learners.json"}
    learners.main(("sb3",), (0,), **settings)
    (result,) = json.loads((tmp_path / "learners.json").read_text())["results"]
    assert result["samples"] == 2 * SMALL.samples_per_update and result["hardware"]["cores"] > 0


def test_a_training_whose_minutes_are_over_is_a_result(small: str, tmp_path: Path) -> None:
    out = tmp_path / "learners.json"
    learners.main(("rsl_rl",), (0,), minutes=1e-6, folder=tmp_path / "runs", out=out)
    (result,) = json.loads(out.read_text())["results"]
    assert result["samples"] == SMALL.samples_per_update
    assert Run.open(tmp_path / "runs" / "rsl_rl-0").recipe()["minutes"] == 1e-6


def test_a_learner_that_cannot_train_is_told_before_any_other_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learners.known, "train", lambda *_, **__: pytest.fail("it was not told first"))
    with pytest.raises(SystemExit, match="unknown learner 'sb33'; did you mean 'sb3'"):
        learners.main(("rsl_rl", "sb33"), folder=tmp_path)
    monkeypatch.setattr(learners.known, "missing", lambda name: "brax" if name == "brax" else None)
    with pytest.raises(SystemExit, match=re.escape(f"learner 'brax' needs brax: {install.line('brax')}")):
        learners.main(("rsl_rl", "brax"), folder=tmp_path)


def test_the_docs_say_what_the_committed_results_do() -> None:
    root = Path(__file__).parents[2]
    page = (root / "docs" / "learners" / "README.md").read_text().splitlines()
    results = json.loads((root / "benchmarks" / "results" / "learners.json").read_text())["results"]
    assert {result["learner"] for result in results} >= set(learners.LEARNERS)
    for result in results:
        falls, speed, turn = (result["metrics"][name] for name in ("fall_rate", "velocity_error", "yaw_rate_error"))
        cells = [f"`{result['learner']}`", str(result["ppo"]["updates"]), f"{result['samples'] / 1e6:.1f}"]
        cells += [f"{result['wall_seconds'] / 60:.0f}", "{:.1f} ({:.1f} to {:.1f})".format(*(100 * x for x in falls))]
        cells += ["{:.3f} ({:.3f} to {:.3f})".format(*errors) for errors in (speed, turn)]
        assert any(line.startswith("| " + " | ".join(cells) + " |") for line in page), cells
        kept = root / "benchmarks" / "results" / "learners" / f"{result['learner']}-{result['seed']}"
        evaluation = json.loads((kept / "evaluation.json").read_text())
        assert evaluation["panel_hash"] == result["panel_hash"] == load_panel("flat").hash
        assert evaluation["metrics"]["fall_rate"]["value"] == falls[0]
        assert max(line.get("update", 0) for line in Run(kept).records()) == result["ppo"]["updates"]
        assert Run.open(kept).recipe()["task_hash"] == result["task_hash"]
