"""``locoenvs size`` says what a training amounts to, and measures with few robots in a folder that goes away."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from locoenvs.cli import app as cli
from locoenvs.envs.registration import task
from locoenvs.tasks.task import Task
from locoenvs.training import estimate as estimating
from locoenvs.training import learners
from locoenvs.training.ppo import PPOConfig
from locoenvs.training.run import Run
from locoenvs.training.settings import TrainSettings

FLAT = "Loco/AnymalC-Flat-v0"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[TrainSettings, Task, PPOConfig]]:
    """A learner that says what it was asked for, and takes 1 s an update for all of physics, inference and learning."""
    asked: list[tuple[TrainSettings, Task, PPOConfig]] = []

    def train(env_id: str, settings: TrainSettings, task: Task, ppo: PPOConfig) -> Path:
        asked.append((settings, task, ppo))
        run = Run.create(Path(settings.run or ""))
        print("what a training prints")
        for update in range(ppo.updates):
            slow = 100.0 if update == 0 else 1.0  # the first one compiles
            seconds = {"environment": 0.5 * slow, "inference": 0.25 * slow, "learning": 0.25 * slow}
            run.record("update", update=update + 1, seconds=seconds, memory_mb=500.0, device_memory_mb=10.0)
        return run.folder

    monkeypatch.setattr(learners, "load", lambda name: train)
    return asked


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    cli.main(["size", *arguments])
    return capsys.readouterr().out


def test_the_papers_update_without_measuring(capsys: pytest.CaptureFixture[str], asked: list[Any]) -> None:
    out = said(capsys, "--robots", "4096", "--horizon", "24", "--actuator", "pd", "--no-measure")
    for words in (
        "98,304",
        "0.48",
        "1,966.08",
        "147,456,000",
        "24 steps x 4096 robots x 156 numbers, 58.5 MiB",
        "minibatch: 24,576 samples; each sample is used 5 times",
        "128 seed families of 32; by ground: flat 820",
        "held-out: seed 0 of split panel, terrain seed 1000, panel AnymalC-rough-1 (",
        "not measured",
    ):
        assert words in out, words
    assert not asked


def test_an_estimate_scales_what_few_robots_took(
    capsys: pytest.CaptureFixture[str], asked: list[tuple[TrainSettings, Task, PPOConfig]]
) -> None:
    """4 times the robots and twice the steps; 5 epochs of what was one gradient step on everything."""
    out = said(capsys, FLAT, "--robots", "1024", "--horizon", "48", "--set", "ppo.updates=100")
    ((settings, trained, ppo),) = asked
    assert (ppo.num_envs, ppo.horizon, ppo.epochs, ppo.minibatches) == (
        256,
        24,
        1,
        1,
    ) and trained.terrain.kind == "plane"
    assert not Path(settings.run or "").parent.exists() and "what a training prints" not in out
    whole = 8 * (0.5 + 0.25 + 5 * 0.25)
    assert "an estimate, measured with 256 robots and scaled to 1024" in out
    assert f"time of an update {whole:.2f} s (environment 4.00, inference 2.00, learning 10.00)" in out
    assert f"of the whole run {100 * whole / 3600:.2f} h" in out and "at most 80 MiB of the GPU" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--robots", "0"], "num_envs=0: must be a whole number from 1"),
        (["--horizon", "-1"], "horizon"),
        (["--robots", "1000000", "--horizon", "100000"], "this machine has .* GB: at most [0-9]+ fit"),
        (["--robots", "8", "--set", "ppo.num_envs=9"], "ppo.num_envs=9 and 8 by an option: give one of them"),
        (["--set", "ppo.minibatch=8"], "ppo.minibatch: .*minibatches"),
        (["--set", "ppo.minibatches=1000000"], "minibatches=1000000: an update of .* has fewer samples"),
        (["--learner", "nonsense"], "nonsense"),
        (["--backend", "nonsense"], "unknown backend 'nonsense'"),
        (["Loco/Nothing-v0"], "Loco/Nothing-v0"),
    ],
)
def test_bad_numbers_are_told_in_a_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["size", *arguments])
    (line,) = capsys.readouterr().err.splitlines()
    assert left.value.code == 2
    assert re.search(message, line), line


def test_a_learner_of_another_package_has_no_ppo(monkeypatch: pytest.MonkeyPatch, asked: list[Any]) -> None:
    with pytest.raises(ValueError, match="learner 'theirs' is not of this project, and its settings are its own"):
        estimating.estimate("theirs", TrainSettings(FLAT), task(FLAT), PPOConfig())
    assert not asked
