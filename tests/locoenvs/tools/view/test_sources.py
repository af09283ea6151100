from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from locoenvs.policies.policy import POLICIES
from locoenvs.tools.view.sources import Followed
from locoenvs.training.run import Run


def write(run: Run, name: str, at: int) -> None:
    shutil.copytree(POLICIES / name, run.policy, dirs_exist_ok=True)
    os.utime(run.policy / "policy.json", ns=(at, at))


def test_a_policy_is_taken_each_time_that_the_training_writes_it(tmp_path: Path) -> None:
    run = Run(tmp_path)
    source = Followed(run)
    assert source.newer(0.0) is None  # nothing yet
    write(run, "anymal_c_flat", 1)
    assert source.newer(0.5) is None  # it is not looked at all the time
    first = source.newer(1.5)
    assert first is not None and first.task.robot.name == "anymal_c"
    assert source.newer(3.0) is None
    write(run, "a1_flat", 2)
    second = source.newer(4.5)
    assert second is not None and second.task.robot.name == "a1"


def test_one_that_is_being_written_is_told_and_taken_later(tmp_path: Path) -> None:
    run = Run(tmp_path)
    source = Followed(run)
    write(run, "anymal_c_flat", 1)
    shutil.copy(POLICIES / "a1_flat" / "policy.onnx", run.policy / "policy.onnx")
    with pytest.raises(ValueError, match=r"policy\.onnx"):
        source.newer(0.0)
    write(run, "a1_flat", 1)
    policy = source.newer(2.0)
    assert policy is not None and policy.task.robot.name == "a1"
