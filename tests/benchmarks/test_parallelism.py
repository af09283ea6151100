"""Figure 4 as a study: what is trained, and that it runs, goes on and is drawn."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from locoenvs.benchmarks import parallelism
from locoenvs.benchmarks.parallelism import SMOKE, Plan
from locoenvs.training.study.spec import configurations, parsed, resolved


def test_robots_and_samples_are_what_differs_and_the_ground_is_softer() -> None:
    study, _ = parsed(Plan().toml("rsl_rl", "auto", None).encode(), "figure 4")
    found = configurations(study)
    assert len(found) == 21 and study.seeds == (0, 1, 2, 3, 4) and study.updates == 1500
    task, ppo = resolved(study.base_of(), found[-1].changes)
    assert (ppo.num_envs, ppo.horizon, ppo.samples_per_update) == (16384, 12, 196_608)
    assert not task.curriculum.enabled
    shares = {share.kind: share.parameters for share in task.terrain.shares}
    assert tuple(shares["stairs_up"]["riser"]) == (0.05, 0.1) and tuple(shares["obstacles"]["height"]) == (0.05, 0.1)
    assert {resolved(study.base_of(), each.changes)[1].samples_per_update for each in found} == set(Plan.samples)


def test_samples_that_robots_cannot_share_are_refused() -> None:
    with pytest.raises(ValueError, match="samples=100: must be a multiple of robots=64"):
        Plan(robots=(64,), samples=(100,)).points()


def test_it_runs_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rsl_rl")
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(parallelism, "SMOKE", Plan((4, 8), (16,), 2, (0, 1), 1, SMOKE.robots_judged, SMOKE.changes))
    out = tmp_path / "parallelism.json"
    parallelism.main(folder=tmp_path / "runs", out=out, smoke=True)
    results = json.loads(out.read_text())["results"]
    assert [(each["robots"], each["horizon"], each["updates"], each["status"]) for each in results] == [
        (4, 4, 2, "finished"),
        (8, 2, 2, "finished"),
    ]
    for name in ("reward", "minutes", *parallelism.TOLD):
        assert all(each["numbers"][name]["low"] is not None for each in results), name
    assert out.with_suffix(".png").stat().st_size > 10_000
    ledger = (tmp_path / "runs" / "trial-1-seed-0" / "ledger.jsonl").read_text()
    parallelism.main(folder=tmp_path / "runs", out=out, smoke=True)
    assert (tmp_path / "runs" / "trial-1-seed-0" / "ledger.jsonl").read_text() == ledger
