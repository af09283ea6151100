"""What the recipe's choices buy, as a study: what is trained, and that it runs, stops by the bar, and goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import array_api_compat.numpy as xp
import pytest

from locoenvs.benchmarks import learning
from locoenvs.benchmarks.learning import SMOKE, Plan
from locoenvs.cli import study
from locoenvs.mdp.mdp import prepare
from locoenvs.mdp.rewards import disturbance_factor, penalty_factor
from locoenvs.mdp.terrain import build
from locoenvs.tasks.task import Task
from locoenvs.training.ppo import PPOConfig
from locoenvs.training.study.spec import Study, configurations, parsed, resolved
from studies import Pretended


def asked(plan: Plan) -> Study:
    return parsed(plan.toml().encode(), "the study")[0]


def variant(name: str) -> tuple[Task, PPOConfig]:
    return resolved(asked(Plan()).base_of(), learning.VARIANTS[name])


def test_every_variant_is_compared_with_the_recipe_at_equal_samples() -> None:
    wanted = asked(Plan())
    found = configurations(wanted)
    assert [each.changes for each in found] == [{}, *learning.VARIANTS.values()]
    assert wanted.base_of()[0].recipe == "walk" and wanted.base_of()[0].actuator.kind == "pd"
    for each in found:
        settings = wanted.settings(0, -1, each.changes, each.samples_per_update)
        assert settings.until_bar and settings.updates and settings.validate_every
        assert settings.updates * each.samples_per_update == 6_144_000
        assert settings.validate_every * each.samples_per_update == 1_228_800


def test_many_robots_and_a_long_horizon_keep_the_samples_of_the_schedule() -> None:
    wholes = set[int]()
    for task, ppo in (asked(Plan()).base_of(), variant("many_robots"), variant("long_horizon")):
        assert task.rewards.penalty_schedule is not None
        wholes.add(task.rewards.penalty_schedule.control_steps * ppo.num_envs)
    assert wholes == {4800 * 512}


def test_without_a_penalty_schedule_all_is_whole_from_the_first_step() -> None:
    task, _ = variant("without_penalty_schedule")
    mdp = prepare(task, build(task.terrain), xp)
    for clock in (0, 1, 4799, 4800, 10**6):
        assert penalty_factor(mdp, xp.asarray(clock)) == 1.0 == disturbance_factor(mdp, xp.asarray(clock))


def test_it_stops_by_the_bar_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    off = {"ppo.mirror": 1.0, "rewards.penalty_schedule.termination_last": 0.1}

    def value(changes: dict[str, Any], seed: int, update: int) -> float:
        return next((error for name, error in off.items() if name in changes), 0.5) + 0.001 * seed

    train = Pretended(value=value, bar=0.2)  # type: ignore[arg-type]
    monkeypatch.setattr(study, "train_by", train)
    out = tmp_path / "learning.json"
    learning.main(folder=tmp_path / "runs", out=out, smoke=True)
    report = json.loads(out.read_text())
    results = report["results"]
    assert [(each["variant"], each["stopped_by_the_bar"], each["seeds"]) for each in results] == [
        ("walk", 0, 2),
        ("without_mirror", 0, 2),
        ("falls_cost_from_the_start", 2, 2),
    ]
    assert [each["updates"] for each in results] == [4, 4, 4], "the bar must hold twice, so stopped in the last update"
    assert [each["numbers"]["velocity_error"]["mean"] for each in results] == pytest.approx([0.5005, 1.0005, 0.1005])
    assert results[1]["changes"] == {"ppo.mirror": False} and report["held_out"] == []
    for name in ("samples", "minutes", *learning.TOLD):
        assert all(each["numbers"][name]["low"] is not None for each in results), name
    assert [end["stopped_by_the_bar"] for end in results[2]["trainings"]] == [True, True]
    assert "falls_cost_from_the_start" in capsys.readouterr().out
    count = len(train.asked)
    learning.main(folder=tmp_path / "runs", out=out, smoke=True)
    assert count == 6 and len(train.asked) == count, "the same command goes on"
    with pytest.raises(ValueError, match=r"samples is 6144000, was 64.*or choose another --folder$"):
        learning.main(folder=tmp_path / "runs", out=out)


def test_a_smoke_test_trains(tmp_path: Path) -> None:
    for package in ("rsl_rl", "google.protobuf", "onnxruntime"):
        pytest.importorskip(package)
    folder, out = tmp_path / "runs", tmp_path / "learning.json"
    learning.main(folder=folder, out=out, smoke=True)
    results = json.loads(out.read_text())["results"]
    assert [(each["variant"], each["status"], each["error"]) for each in results] == [
        (name, "finished", None) for name in ("walk", *SMOKE.variants)
    ]
    ends = [end for each in results for end in each["trainings"]]
    assert [end["samples"] for end in ends] == [64] * 6
    assert results[0]["trainings"][0]["metrics"] != results[0]["trainings"][1]["metrics"], "two seeds, two policies"
    assert {"yaw_rate_error", "foot_slip"} <= ends[0]["metrics"].keys()


def test_the_result_of_an_earlier_version_is_not_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "train_by", Pretended())
    monkeypatch.chdir(tmp_path)
    learning.main(smoke=True)
    assert Path("runs/learning-study-smoke.json").is_file() and not Path("benchmarks").exists()
    assert learning.PLACE != "learning" and (Path(__file__).parents[2] / "benchmarks/results/learning.json").is_file()


def test_an_unknown_variant_is_told_before_anything_trains(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="unknown variant 'many_robot'; did you mean 'many_robots'"):
        learning.main(("earlier", "many_robot"), folder=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
