"""Where a run is, also when its training ended between two validations."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from locoenvs.cli.steps import train_by
from locoenvs.envs.registration import task
from locoenvs.evidence.evaluate import evaluate
from locoenvs.evidence.panel import load_panel
from locoenvs.policies.policy import load_policy, save_policy
from locoenvs.training.run import Run
from locoenvs.training.settings import TrainSettings
from locoenvs.training.study.trial import Job, reach, where
from studies import FLAT


def test_a_policy_that_was_not_judged_last_is_judged_now(tmp_path: Path) -> None:
    pytest.importorskip("google.protobuf")
    pytest.importorskip("onnxruntime")
    run, own = Run.create(tmp_path / "run"), task(FLAT, "walk", "pd")
    save_policy(run.policy, own, [(np.zeros((12, 48)), np.zeros(12))], provenance={"environment": FLAT})
    panel = load_panel("flat")
    timing = dataclasses.replace(panel.task.timing, episode_length=0.4)
    panel = dataclasses.replace(panel, num_robots=4, strata=(), task=dataclasses.replace(panel.task, timing=timing))
    run.write_recipe({"backend": "mujoco", "options": {}})
    (run.folder / "validation.json").write_text(panel.to_json())
    told = {"samples": 1, "elapsed_seconds": 7.0, "reward_per_second": 0.5}
    run.record("update", update=1, **told)
    run.record("validation", update=1, elapsed_seconds=8.0, metrics={"velocity_error": 99.0})
    assert where(run).metrics == {"velocity_error": 99.0} and where(run).seconds == 8.0
    run.record("update", update=2, **told)
    expected = evaluate(load_policy(run.policy), panel, "mujoco", options={}).metrics
    found = where(run)
    assert found.update == 2 and found.metrics == {name: estimate.value for name, estimate in expected.items()}
    assert len([line for line in run.records() if line["kind"] != "update"]) == 1, "the ledger is the training's"


def test_a_run_that_its_bar_stopped_and_that_was_killed_before_it_left_its_policy_leaves_it_and_trains_no_further(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("rsl_rl", "google.protobuf", "onnxruntime"):
        pytest.importorskip(package)
    from locoenvs.wrappers import validation

    monkeypatch.setattr(validation, "meets_bar", lambda result: True)
    changes = {"robot.action_scale": 0.4, "timing.episode_length": 0.4, "ppo.hidden": [8], "ppo.horizon": 4}
    pace = {"updates": 9, "validate_every": 1, "validate_robots": 4, "until_bar": True}
    asked = TrainSettings(
        FLAT, num_envs=4, seed=0, recipe="walk", actuator="pd", changes=changes, run=str(tmp_path / "run"), **pace
    )
    job, run = Job("base", 0, 0, "rsl_rl", asked, None), Run(tmp_path / "run")
    first = reach(train_by, job)
    assert first.update == 2 and first.stopped_by_the_bar
    digest = load_policy(run.policy).sha256
    shutil.rmtree(run.policy)
    assert reach(train_by, job) == first
    assert [line["update"] for line in run.records() if line["kind"] == "update"] == [1, 2]
    assert load_policy(run.policy).sha256 == digest
