"""Figure 4 as a study: what is trained, and that it runs, goes on and is drawn."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from locoenvs.benchmarks import parallelism
from locoenvs.benchmarks.parallelism import SMOKE, Plan
from locoenvs.cli import study
from locoenvs.training.study.spec import configurations, parsed, resolved
from studies import Pretended


def test_robots_and_samples_are_what_differs_and_the_ground_is_softer() -> None:
    asked, _ = parsed(Plan().toml("rsl_rl", "auto", None).encode(), "figure 4")
    found = configurations(asked)
    assert len(found) == 21 and asked.seeds == (0, 1, 2, 3, 4) and asked.updates == 1500
    task, ppo = resolved(asked.base_of(), found[-1].changes)
    assert (ppo.num_envs, ppo.horizon, ppo.samples_per_update) == (16384, 12, 196_608)
    assert not task.curriculum.enabled
    shares = {share.kind: share.parameters for share in task.terrain.shares}
    assert tuple(shares["stairs_up"]["riser"]) == (0.05, 0.1) and tuple(shares["obstacles"]["height"]) == (0.05, 0.1)
    assert {resolved(asked.base_of(), each.changes)[1].samples_per_update for each in found} == set(Plan.samples)


def test_penalties_that_grow_have_grown_halfway_whatever_the_horizon() -> None:
    plan = Plan((128, 512), (12_288,), updates=100, seeds=(0,), recipe="walk", actuator="pd")
    asked, _ = parsed(plan.toml("rsl_rl", "auto", None).encode(), "figure 4")
    found = [resolved(asked.base_of(), each.changes) for each in configurations(asked)]
    grown = [
        (ppo.horizon, schedule.control_steps) for task, ppo in found if (schedule := task.rewards.penalty_schedule)
    ]
    assert grown == [(96, 4800), (24, 1200)]
    assert all(task.actuator.kind == "pd" and not task.curriculum.enabled for task, _ in found)


def test_samples_that_robots_cannot_share_are_refused() -> None:
    with pytest.raises(ValueError, match="samples=100: must be a multiple of robots=64"):
        Plan(robots=(64,), samples=(100,)).points()


def test_the_result_tells_reward_time_and_validation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    train = Pretended(value=lambda changes, seed, update: 1.0 / changes["ppo.num_envs"] + 0.01 * seed)
    monkeypatch.setattr(study, "train_by", train)
    out = tmp_path / "parallelism.json"
    parallelism.main(folder=tmp_path / "runs", out=out, smoke=True)
    results = json.loads(out.read_text())["results"]
    found = [(each["robots"], each["horizon"], each["samples_per_update"], each["updates"]) for each in results]
    assert found == [(4, 4, 16, 2), (8, 2, 16, 2), (4, 8, 32, 2), (8, 4, 32, 2)]
    assert all(each["status"] == "finished" and each["seeds"] == 2 for each in results)
    assert [each["numbers"]["velocity_error"]["mean"] for each in results[:2]] == pytest.approx([0.255, 0.13])
    for name in ("reward", "minutes", *parallelism.TOLD):
        assert all(each["numbers"][name]["low"] is not None for each in results), name
    assert out.with_suffix(".png").stat().st_size > 10_000
    count = len(train.asked)
    parallelism.main(folder=tmp_path / "runs", out=out, smoke=True)
    assert count == 8 and len(train.asked) == count, "the same command goes on"


def test_a_smoke_test_is_not_in_the_way_of_a_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(study, "train_by", Pretended(value=lambda changes, seed, update: 1.0))
    monkeypatch.chdir(tmp_path)
    parallelism.main(smoke=True)
    assert Path("runs/parallelism-smoke.json").is_file() and Path("runs/parallelism-smoke.png").is_file()
    assert not Path("benchmarks").exists() and not Path("runs/parallelism").exists()
    with pytest.raises(ValueError, match=r"or choose another --folder$"):
        parallelism.main(folder=Path("runs/parallelism-smoke"))


def test_the_smoke_plan_is_a_task_that_can_be_trained() -> None:
    asked, _ = parsed(SMOKE.toml("rsl_rl", "auto", None).encode(), "smoke")
    task, ppo = resolved(asked.base_of(), configurations(asked)[0].changes)
    assert task.terrain.levels == 2 and ppo.num_envs == 4 and ppo.horizon == 4


def test_each_training_is_judged_as_often_as_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(study, "train_by", Pretended(value=lambda changes, seed, update: 1.0))
    small: dict[str, tuple[int, ...]] = {"robots": (4,), "samples": (16,), "seeds": (0,)}
    parallelism.main(**small, updates=30, validations=3, folder=tmp_path / "runs", out=tmp_path / "found.json")
    asked, _ = parsed((tmp_path / "runs" / "study.toml").read_bytes(), "figure 4")
    assert (asked.validate_every, asked.updates) == (10, 30)
