"""What is held out is used once: results lie in the run, and each use is counted."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("google.protobuf")
pytest.importorskip("onnxruntime")

from locoenvs.cli import app as cli
from locoenvs.cli import steps
from locoenvs.envs.registration import task
from locoenvs.evidence.failures.keeper import Keeper
from locoenvs.evidence.metrics import Estimate
from locoenvs.evidence.panel import Panel, load_panel, validation_of
from locoenvs.evidence.result import Result
from locoenvs.policies.policy import Policy, load_policy, save_policy
from locoenvs.training import judging, learners, parts
from locoenvs.training.judging import judge, run_of
from locoenvs.training.run import Run
from locoenvs.training.settings import TrainSettings

FLAT, ROUGH = "Loco/AnymalC-Flat-v0", "Loco/AnymalC-Rough-v0"


def standing(folder: Path, env_id: str = FLAT, updates: int = 7) -> None:
    made, size = task(env_id, actuator="pd"), 48 if env_id == FLAT else 156
    layers = [(np.full((12, size), 1e-3 * updates), np.zeros(12))]
    save_policy(folder, made, layers, provenance={"environment": env_id, "updates": updates})


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run with three policies, on flat ground."""
    made = Run.create(tmp_path / "run")
    made.write_recipe({"environment": FLAT, "learner": "still", "backend": "mujoco", "options": {"cone": "elliptic"}})
    standing(made.policy)
    standing(made.best, updates=5)
    standing(made.policies / "update-000003", updates=3)
    return made


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, object]]:
    """Panel, backend and options of what was evaluated; it all falls."""
    asked: list[tuple[str, str, object]] = []

    def evaluate(policy: Policy, panel: Panel, backend: str, progress: object, **given: object) -> Result:
        asked.append((panel.name, backend, given["options"]))
        value = Estimate(1.0, 0.9, 1.0, panel.num_robots)
        names = ("success_rate", "fall_rate", "velocity_error", "yaw_rate_error", "commanded_speed", "speed")
        return Result(
            panel=panel.name,
            panel_hash=panel.hash,
            task_hash=panel.task.hash,
            policy_sha256=policy.sha256,
            backend=backend,
            num_robots=panel.num_robots,
            episode_seconds=1.0,
            metrics=dict.fromkeys((*names, "action_clip_rate"), value),
            reset_reasons={"base_contact": panel.num_robots, "broken_physics": 0},
            strata={},
            versions={},
            wall_seconds=1.0,
        )

    monkeypatch.setattr(judging, "evaluate", evaluate)
    monkeypatch.setattr(steps, "evaluate", evaluate)
    monkeypatch.setattr(parts, "evaluate", lambda *given, **named: (evaluate(*given, **named), Keeper()))
    return asked


def held_out(run: Run) -> list[tuple[str, int]]:
    return [(line["file"], line["use"]) for line in run.records() if line["kind"] == "held_out"]


def test_each_use_of_a_panel_is_counted(run: Run, evaluated: list[object]) -> None:
    found = judge(run.folder)
    assert list(found) == ["flat"] and evaluated == [("AnymalC-flat-1", "mujoco", {"cone": "elliptic"})]
    assert Result.from_json((run.panels / "flat.json").read_bytes()) == found["flat"]
    judge(run.folder, ["flat"], policy="best")
    judge(run.folder, ["rough"], policy="policies/update-000003")
    assert held_out(run) == [
        ("panels/flat.json", 1), ("panels/best/flat.json", 2), ("panels/update-000003/rough.json", 1),
    ]  # fmt: skip
    line = run.records()[0]
    assert (line["panel"], line["panel_hash"], line["updates"]) == ("AnymalC-flat-1", load_panel("flat").hash, 7)
    assert line["policy_sha256"] == load_policy(run.policy).sha256
    assert line["metrics"]["fall_rate"]["low"] == 0.9 and line["resets"]["base_contact"] == 256
    run.truncate_ledger(0)
    assert len(held_out(run)) == 3, "what was used stays used, whatever is trained again"


def test_panels_that_do_not_fit_are_refused_before_any_is_evaluated(run: Run, evaluated: list[object]) -> None:
    with pytest.raises(ValueError, match="unknown panel 'ruogh'"):
        judge(run.folder, ["flat", "ruogh"])
    assert not evaluated and not run.ledger.exists() and not run.panels.exists()


def test_what_earlier_versions_wrote_down_counts(run: Run, evaluated: list[object]) -> None:
    run.record("evaluation", panel="AnymalC-flat-1", panel_hash=load_panel("flat").hash, metrics={})
    judge(run.folder)
    assert held_out(run) == [("panels/flat.json", 2)]


def test_a_validation_panel_is_not_held_out(run: Run, evaluated: list[object], tmp_path: Path) -> None:
    panel = validation_of(load_policy(run.policy).task)
    (tmp_path / "mine.json").write_text(panel.to_json())
    judge(run.folder, [str(tmp_path / "mine.json")])
    assert not held_out(run) and run.records()[-1]["file"] == f"panels/mine-{panel.hash}.json"


def test_only_policies_of_runs_are_of_a_run(run: Run, tmp_path: Path) -> None:
    for folder in (run.policy, run.best, run.policies / "update-000003"):
        assert run_of(load_policy(folder)) == Run(run.folder.resolve())
    standing(tmp_path / "policy")
    assert run_of(load_policy(tmp_path / "policy")) is None
    assert all(run_of(load_policy(folder)) is None for folder in cli.POLICIES.iterdir())


def test_eval_keeps_what_it_finds_in_the_run(
    run: Run,
    evaluated: list[object],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cli.main(["eval", str(run.folder)])
    assert "the first use of panel AnymalC-flat-1 on this run" in " ".join(capsys.readouterr().out.split())
    cli.main(["eval", str(run.best)])
    assert "panel AnymalC-flat-1 has been used 2 times on this run" in " ".join(capsys.readouterr().out.split())
    cli.main(["eval", str(run.folder), "--set", "randomization.friction=[0.2,0.4]"])
    first, second, third = held_out(run)
    assert (first, second) == (("panels/flat.json", 1), ("panels/best/flat.json", 2))
    assert third[1] == 1 and third[0].startswith("panels/flat-") and (run.folder / third[0]).is_file()
    standing(tmp_path / "mine")
    capsys.readouterr()
    cli.main(["eval", str(tmp_path / "mine")])
    assert "first use" not in capsys.readouterr().out and len(held_out(run)) == 3

    def full(*_: object, **__: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(judging, "write_atomically", full)
    cli.main(["eval", str(run.folder)])
    assert "no space left" in capsys.readouterr().out and len(held_out(run)) == 3


def test_compare_and_transfer_count_what_they_use(
    run: Run, evaluated: list[object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    standing(tmp_path / "mine")
    with pytest.raises(SystemExit):  # what stands in for results tells nothing of each robot
        cli.main(["compare", str(tmp_path / "mine"), str(run.folder), "--panel", "flat"])
    cli.main(["transfer", str(run.best), "--backend", "mujoco"])
    assert held_out(run) == [("panels/flat.json", 1), ("panels/best/flat.json", 2)]
    assert "has been used 2 times on this run" in " ".join(capsys.readouterr().out.split())
    assert len(evaluated) == 3, "what is no run's is evaluated and written nowhere"


def test_results_of_other_backends_and_options_lie_beside_one_another(run: Run, evaluated: list[object]) -> None:
    policy, panel = load_policy(run.policy), load_panel("flat")
    judge(run.folder)
    first = Result.from_json((run.panels / "flat.json").read_bytes())
    for backend, options in (("mjx-jax", {}), ("mujoco", {"contact": "mujoco"}), ("mujoco", {})):
        judging.note(run, policy, panel, "flat", dataclasses.replace(first, backend=backend, options=options))
    files = [line["file"] for line in run.records()]
    assert files[0] == files[3] == "panels/flat.json" and files[1].startswith("panels/flat-mjx-jax-")
    found = [Result.from_json((run.folder / file).read_bytes()) for file in files]
    assert [(each.backend, each.options) for each in found[:3]] == [
        ("mujoco", {}), ("mjx-jax", {}), ("mujoco", {"contact": "mujoco"}),
    ]  # fmt: skip


def test_a_use_on_another_backend_or_with_other_options_is_no_judgement_of_a_run(
    run: Run, evaluated: list[object]
) -> None:
    policy, panel = load_policy(run.policy), load_panel("flat")
    judge(run.folder)
    first = Result.from_json((run.panels / "flat.json").read_bytes())
    run.ledger.unlink()
    judging.note(
        run, policy, panel, "flat", dataclasses.replace(first, backend="mjx-warp", options={"cone": "pyramidal"})
    )
    asked = [
        ("mujoco", None),
        ("mjx", {"cone": "elliptic"}),
        ("mjx", {"cone": "pyramidal", "threads": 1}),
        ("mjx", None),
    ]
    found = [judging.judgement(run, policy, panel, *each) for each in asked]
    assert [line is not None for line in found] == [False, False, True, True]


@pytest.fixture
def learner(monkeypatch: pytest.MonkeyPatch) -> None:
    """It learns nothing, but to stop on demand."""

    def train(env_id: str, settings: TrainSettings) -> Path:
        made = Run(Path(settings.resume or settings.run or "nowhere"))
        if settings.resume is None:
            made.folder.mkdir(parents=True)
            made.write_recipe({"environment": env_id, "learner": "still", "backend": "mujoco", "options": {}})
        standing(made.policy, env_id, settings.updates or 1)
        if settings.updates == 13:
            raise KeyboardInterrupt
        return made.folder

    monkeypatch.setattr(learners, "installed", lambda: {"still": lambda: train})


def train(*arguments: str, env_id: str = FLAT) -> None:
    cli.main(["train", env_id, "--learner", "still", *arguments])


def test_train_ends_with_what_is_held_out(
    learner: None, evaluated: list[tuple[str, str, object]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flat, rough, none = (Run(tmp_path / name) for name in ("flat", "rough", "none"))
    train("--run", str(flat.folder))
    assert held_out(flat) == [("panels/flat.json", 1)] and evaluated[-1] == ("AnymalC-flat-1", "mujoco", {})
    train("--run", str(rough.folder), env_id=ROUGH)
    assert held_out(rough) == [("panels/rough.json", 1), ("panels/crossing.json", 1)]
    train("--run", str(none.folder), "--panels", "none")
    assert not none.ledger.exists()
    train("--run", str(tmp_path / "more"), "--panels", "rough2", "classes", env_id=ROUGH)
    assert [name for name, *_ in evaluated[3:]] == ["AnymalC-rough2-1", "AnymalC-classes-1"]
    capsys.readouterr()
    train("--resume", str(flat.folder))
    assert len(held_out(flat)) == 1, "the same policy is not judged again"
    train("--resume", str(flat.folder), "--updates", "2")
    assert [use for _, use in held_out(flat)] == [1, 2]
    assert "has been used 2 times on this run" in " ".join(capsys.readouterr().out.split())


def test_an_interrupted_training_is_not_judged(
    learner: None, evaluated: list[object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        train("--run", str(tmp_path / "run"), "--updates", "13")
    assert stopped.value.code == 130 and not evaluated
    assert f"locoenvs eval {tmp_path / 'run'} does that" in "".join(capsys.readouterr().out.split("\n"))


def test_a_panel_that_cannot_be_done_is_told_and_the_others_are(
    learner: None,
    evaluated: list[object],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = parts.evaluate

    def one(policy: Policy, panel: Panel, *given: Any, **named: Any) -> Any:
        if panel.name == "AnymalC-rough-1":
            raise RuntimeError("one simulation a process")
        return whole(policy, panel, *given, **named)

    monkeypatch.setattr(parts, "evaluate", one)
    train("--run", str(tmp_path / "run"), env_id=ROUGH)
    assert "not judged on panel rough: one simulation a process" in capsys.readouterr().out
    assert held_out(Run(tmp_path / "run")) == [("panels/crossing.json", 1)]
