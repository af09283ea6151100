"""What a runtime wrote can be read and done again, and a file that it did not write is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from locoenvs.cli.app import main
from locoenvs.mdp.layout import layout
from locoenvs.policies.deploy.log import again, is_log, read_log
from locoenvs.policies.deploy.runtime import Runtime
from locoenvs.policies.policy import load_policy, save_policy

from .test_runtime import DT, TASK, exported, good


def logged(folder: Path) -> Path:
    """Three steps, a fault that lasts two, a reset, and two steps more."""
    run = Runtime(exported(folder / "policy"), log=folder / "a.log")
    for step in range(3):
        run.step(DT * step, good(joint_velocity=[step, -step]))
    run.step(3 * DT, good(joint_position=[math.nan, 0.0]))
    run.step(4 * DT, good())
    run.reset()
    for step in range(2):
        run.step(5 * DT + DT * step, good())
    run.close()
    return folder / "a.log"


def test_a_log_holds_each_step(tmp_path: Path) -> None:
    path = logged(tmp_path)
    policy, log = load_policy(tmp_path / "policy"), read_log(path)
    assert is_log(path) and not is_log(tmp_path / "policy" / "policy.json") and not is_log(tmp_path / "none")
    assert log.sha256 == policy.sha256
    np.testing.assert_allclose(log.time, DT * np.arange(7))
    assert log.fault == ["", "", "", "not finite", "not finite", "", ""]
    assert log.begun.tolist() == [True, False, False, False, False, True, False]
    slots = {slot.name: log.readings[:, slot.start : slot.stop] for slot in layout(TASK)}
    assert slots["joint_velocity"][2].tolist() == [2, -2] and slots["joint_position"][0].tolist() == [0.1, -0.1]
    np.testing.assert_array_equal(slots["last_action"][1], log.actions[0])
    assert np.isnan(log.actions[3:5]).all() and np.isfinite(log.actions[[0, 1, 2, 5, 6]]).all()
    default = [joint.default for joint in TASK.robot.joints]
    np.testing.assert_allclose(log.targets[2], default + 0.5 * log.actions[2])
    np.testing.assert_array_equal(log.targets[3], log.targets[2])


def test_its_actions_can_be_had_again(tmp_path: Path) -> None:
    log = read_log(logged(tmp_path))
    np.testing.assert_array_equal(again(log, load_policy(tmp_path / "policy")), log.actions)
    save_policy(tmp_path / "other", TASK, [(np.zeros((2, layout(TASK)[-1].stop)), np.zeros(2))])
    other = load_policy(tmp_path / "other")
    with pytest.raises(ValueError, match="the log is of the network .*, not of .*other"):
        again(log, other)


def test_replay_tells_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = logged(tmp_path)
    main(["replay", str(path), "--policy", str(tmp_path / "policy")])
    said = " ".join(capsys.readouterr().out.split())
    assert "7 steps of the network" in said and "20.0 ms apart, 20.0 ms at most" in said
    assert "damped from 0.060 s on, for 2 steps: not finite" in said
    assert "its actions in 5 steps are those of" in said and said.endswith("to 0.0e+00")
    with pytest.raises(SystemExit):
        main(["replay", str(tmp_path / "policy" / "policy.json")])
    assert "--robot is missing: say which robot" in capsys.readouterr().err


def test_replay_of_a_bad_time_tells_no_rate_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = Runtime(exported(tmp_path / "policy"), log=tmp_path / "a.log")
    for time in (0.0, DT, math.nan, 3 * DT):
        run.step(time, good())
    run.close()
    main(["replay", str(tmp_path / "a.log"), "--policy", str(tmp_path / "policy")])
    said = " ".join(capsys.readouterr().out.split())
    assert "4 steps of the network" in said and "20.0 ms apart, 20.0 ms at most" in said and "nan" not in said
    assert "damped from step 2, of no time, on, for 2 steps: time" in said


def test_a_row_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    path = logged(tmp_path)
    path.write_bytes(path.read_bytes()[:-5])
    assert len(read_log(path).time) == 6
    header = path.read_bytes().partition(b"\n")[0]
    path.write_bytes(header + b"\n")
    assert len(read_log(path).time) == 0
    main(["replay", str(path), "--policy", str(tmp_path / "policy")])


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    path = logged(tmp_path)
    line, _, rows = path.read_bytes().partition(b"\n")
    header = json.loads(line)
    for changes, why in (
        ({"format": "other"}, "is not a runtime's log: its format is 'other'"),
        ({"format_version": 9}, "has format version 9"),
        ({"observations": 10**9}, "observations: "),
        ({"faults": [""]}, "has rows that no runtime writes"),
        ({"joints": 3}, "has rows that no runtime writes"),
        ({"sha256": "../x"}, "sha256: "),
    ):
        path.write_bytes(json.dumps({**header, **changes}).encode() + b"\n" + rows)
        with pytest.raises(ValueError, match=why):
            read_log(path)
    path.write_bytes(b"\x00" * 100)
    with pytest.raises(ValueError, match="is not JSON"):
        read_log(path)
