"""What runs on a robot gives the environment's own actions, and damps whatever is wrong."""

from __future__ import annotations

import ast
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deployed import walk
from fake import BIPED
from locoenvs.mdp.layout import layout
from locoenvs.policies.deploy import runtime
from locoenvs.policies.deploy.export import write_export
from locoenvs.policies.deploy.log import read_log
from locoenvs.policies.deploy.runtime import FAULTS, Runtime
from locoenvs.policies.policy import POLICIES, load_policy, save_policy
from locoenvs.tasks.task import Observations, Task, Terrain

pytest.importorskip("google.protobuf")
pytest.importorskip("onnxruntime")

TASK = Task(BIPED, terrain=Terrain(kind="plane"), observations=Observations.paper(heights=None))
SIZE = layout(TASK)[-1].stop
DT = TASK.timing.control_dt


def exported(folder: Path, task: Task = TASK) -> Path:
    size, rng = layout(task)[-1].stop, np.random.default_rng(0)
    weights = [(rng.normal(size=(b, a)) / a**0.5, rng.normal(size=b)) for a, b in ((size, 8), (8, 2))]
    save_policy(folder, task, weights)
    return folder


def good(**changes: Any) -> dict[str, Any]:
    """Readings of a robot in order."""
    seen: dict[str, Any] = {
        "base_linear_velocity": [0.1, 0.0, 0.0],
        "base_angular_velocity": np.zeros(3, np.float32),
        "projected_gravity": (0.0, 0.0, -1.0),
        "joint_position": [0.1, -0.1],
        "joint_velocity": np.zeros(2),
        "command": [0.5, 0.0, 0.0],
    }
    return {name: value for name, value in {**seen, **changes}.items() if value is not None}


WHOLE = ("anymal_c_flat", "anymal_c_rough", "anymal_c_flat_lstm")
CASES = [pytest.param(name, 1000) for name in WHOLE]
for shipped in sorted({path.name for path in POLICIES.iterdir()} - {*WHOLE}):
    CASES += [pytest.param(shipped, 100), pytest.param(shipped, 1000, marks=pytest.mark.slow)]


@pytest.mark.parametrize(("name", "steps"), CASES)
def test_it_gives_the_environments_own_actions_in_a_closed_loop(name: str, steps: int, tmp_path: Path) -> None:
    policy = load_policy(POLICIES / name)
    write_export(policy, tmp_path)
    made = walk(policy, tmp_path, steps)
    np.testing.assert_allclose(made.runtime, made.own, rtol=0, atol=1e-5)
    assert np.ptp(made.own, axis=0).min() > 0.1, "it moves all its joints"


def test_it_imports_nothing_but_numpy_and_onnxruntime() -> None:
    source = Path(runtime.__file__).read_text()
    assert len(source.splitlines()) < 200
    names = set[str]()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            names.add(str(node.module))
    assert {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names) == {"numpy", "onnxruntime"}


def test_an_exported_folder_runs_by_itself(tmp_path: Path) -> None:
    write_export(load_policy(exported(tmp_path / "saved")), tmp_path / "robot")
    code = (
        "import sys\nfrom runtime import Runtime\nrun = Runtime('.')\n"
        f"print(run.step(0.0, {good(base_angular_velocity=[0, 0, 0], joint_velocity=[0, 0])!r}).position.tolist())\n"
        "assert not any(name.startswith('locoenvs') for name in sys.modules)"
    )
    folder = tmp_path / "robot"
    ran = subprocess.run([sys.executable, "-c", code], cwd=folder, env={}, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ast.literal_eval(ran.stdout) == Runtime(folder).step(0.0, good()).position.tolist()


def test_targets_are_the_clipped_actions_and_gains_are_the_tasks(tmp_path: Path) -> None:
    clipped = TASK.with_({"action_clip": 0.5})
    run = Runtime(exported(tmp_path, clipped))
    targets = run.step(0.0, good())
    assert np.abs(run.action).max() > 0.5
    np.testing.assert_array_equal(targets.position, run.default + 0.5 * np.clip(run.action, -0.5, 0.5))
    assert (targets.stiffness.tolist(), targets.damping.tolist(), targets.fault) == ([40, 40], [1, 1], "")
    first = run.action
    run.step(DT, good())
    assert not np.array_equal(run.action, first), "the last action is seen, after its clip"
    saw = run._raw[run._places["last_action"]]
    np.testing.assert_array_equal(saw, np.clip(first, -0.5, 0.5))


def test_commands_beyond_what_training_asked_for_are_clipped(tmp_path: Path) -> None:
    run = Runtime(exported(tmp_path))
    most = run.step(0.0, good(command=[1.0, -1.0, 1.0])).position
    run.reset()
    assert run.step(0.0, good(command=[99.0, -3.0, 2.0])).position.tolist() == most.tolist()


BAD = [
    ({"joint_position": None}, "missing: no reading 'joint_position'"),
    ({"joint_position": [0.1]}, r"shape: joint_position must be \(2,\), got \(1,\)"),
    ({"joint_position": 0.1}, r"shape: joint_position must be \(2,\), got \(\)"),
    ({"joint_position": [[0.1, 0.1]]}, r"shape: joint_position must be \(2,\), got \(1, 2\)"),
    ({"joint_position": "ab"}, "shape: joint_position must be 2 numbers"),
    ({"joint_position": [[1], [1, 2]]}, "shape: joint_position must be 2 numbers"),
    ({"command": [0.5, 0.0]}, r"shape: command must be \(3,\), got \(2,\)"),
    ({"joint_velocity": [0.0, math.nan]}, r"not finite: joint_velocity\[1\] is nan"),
    ({"base_linear_velocity": [math.inf, 0, 0]}, r"not finite: base_linear_velocity\[0\] is inf"),
    ({"command": [0, 0, math.nan]}, r"not finite: command\[2\] is nan"),
    ({"joint_position": [5.7, -5.7]}, r"out of range: joint_position\[0\] is 5.7, from -1.5 to 1.5 was expected"),
    ({"base_angular_velocity": [0, 0, 90]}, r"out of range: base_angular_velocity\[2\] is 90, from -30 to 30"),
    ({"projected_gravity": [0, 0, -9.81]}, r"out of range: projected_gravity\[2\] is -9.81"),
    ({"projected_gravity": [0, 0, 0]}, "out of range: projected_gravity has length 0.000, it must be a unit vector"),
]


@pytest.mark.parametrize(("changes", "why"), BAD, ids=[why[:40] for _, why in BAD])
def test_a_bad_reading_is_damped_and_told(tmp_path: Path, changes: dict[str, Any], why: str) -> None:
    run = Runtime(exported(tmp_path))
    before = run.step(0.0, good()).position
    targets = run.step(DT, good(**changes))
    assert re.match(why, targets.fault), targets.fault
    assert (targets.stiffness.tolist(), targets.damping.tolist()) == ([0, 0], [1, 1])
    assert targets.position.tolist() == before.tolist() and np.isnan(run.action).all()
    after = run.step(2 * DT, good())
    assert after.fault == targets.fault and not after.stiffness.any(), "it damps until it is reset"
    run.reset()
    assert run.step(3 * DT, good()).fault == ""


@pytest.mark.parametrize(
    ("time", "now", "why"),
    [
        (-0.1, None, "time: a step -0.1000 s after the last: time goes back"),
        (-1e-6, 0.0, "time: a step -0.0000 s after the last: time goes back"),
        (0.009, 0.07, "stale: no step for 0.070 s, at most 0.06"),
        (0.009, math.nan, "stale: no step for nan s"),
        (math.nan, None, "time: nan s is no time"),
        (DT, math.inf, "time: 0.02 s is no time, at inf s"),
        (0.061, None, "stale: no step for 0.061 s, at most 0.06"),
        (DT, DT + 0.061, "stale: readings are 0.061 s old, at most 0.06"),
        (DT, DT - 0.061, "stale: readings are -0.061 s old"),
    ],
)
def test_a_bad_time_is_damped_and_told(tmp_path: Path, time: float, now: float | None, why: str) -> None:
    run = Runtime(exported(tmp_path))
    run.step(0.0, good())
    targets = run.step(time, good(), now)
    assert targets.fault.startswith(why) and not targets.stiffness.any()


def test_an_early_step_tells_the_targets_and_runs_nothing(tmp_path: Path) -> None:
    """As after one late tick, or one message that was lost and the same readings again: that is no fault."""
    run = Runtime(exported(tmp_path), log=tmp_path / "log")
    first = run.step(0.0, good())
    action = run.action.tolist()
    for early in (0.0, 0.0099):
        again = run.step(early, good(joint_velocity=[1, 1]), now=0.01)
        assert again.fault == "" and run.action.tolist() == action
        assert (again.position.tolist(), again.stiffness.tolist()) == (first.position.tolist(), [40, 40])
    assert run.step(0.011, good()).fault == "" and run.action.tolist() != action
    assert run.step(0.071, good()).fault == "", "the time of the last step is that of the last that ran"
    run.close()
    assert read_log(tmp_path / "log").time.tolist() == [0.0, 0.011, 0.071]


def test_what_is_handed_out_is_the_callers(tmp_path: Path) -> None:
    run = Runtime(exported(tmp_path))
    waiting = run.targets(0.0)
    for targets in (waiting, run.step(0.0, good()), run.targets(0.0)):
        for array in targets[:3]:
            array += 100.0  # type: ignore[misc]
    fresh = run.targets(0.0)
    assert (fresh.stiffness.tolist(), fresh.damping.tolist()) == ([40, 40], [1, 1])
    assert np.abs(fresh.position).max() < 10
    with pytest.raises(ValueError, match="read-only"):
        run.default += 1.0
    damping = run.step(DT, good(joint_position=None))
    damping.stiffness[:] = 7
    assert not run.targets(DT).stiffness.any()
    run.reset()
    assert run.step(2 * DT, good()).fault == "" and not run._raw[run._places["last_action"]].any()


def test_a_policy_need_not_see_its_last_action(tmp_path: Path) -> None:
    run = Runtime(exported(tmp_path, TASK.with_({"observations.slots.last_action": None})))
    for step in range(3):
        assert run.step(DT * step, good()).fault == "" and np.isfinite(run.action).all()


TIPPED = (0.0, 0.75, -0.66)
"""By 49 degrees."""

FAR = "out of range: joint_position[0] is 0.45, from 0 to 0.4 was expected: begin upright, near the default pose"
LYING = "out of range: projected_gravity[2] is -0.66, from -1.2 to -0.7 was expected: begin upright"


@pytest.mark.parametrize(
    ("changes", "why"), [({"joint_position": [0.45, -0.1]}, FAR), ({"projected_gravity": TIPPED}, LYING)]
)
def test_the_first_step_is_upright_and_near_the_default_pose(tmp_path: Path, changes: dict[str, Any], why: str) -> None:
    run = Runtime(exported(tmp_path))
    for start in (0.0, 1.0):
        run.reset()
        targets = run.step(start, good(**changes))
        assert targets.fault.startswith(why) and not targets.stiffness.any()
        run.reset()
        assert run.step(start, good(joint_position=[0.39, -0.39])).fault == "", "starts of training, and 0.1 rad more"
        assert run.step(start + DT, good(**changes)).fault == "", "later it may be anywhere"


@pytest.mark.parametrize("name", sorted(path.name for path in POLICIES.iterdir()))
def test_starts_of_training_are_near_enough(name: str, tmp_path: Path) -> None:
    policy = load_policy(POLICIES / name)
    write_export(policy, tmp_path)
    run = Runtime(tmp_path)
    lowest, highest = policy.task.randomization.start.joint_scale
    for scale in (lowest, highest):
        seen: dict[str, Any] = {reading: np.zeros(size) for reading, size in run.readings.items()}
        seen |= {"projected_gravity": [0, 0, -1], "joint_position": scale * run.default}
        run.reset()
        assert run.step(0.0, seen).fault == ""


def test_a_time_that_is_none_is_damped(tmp_path: Path) -> None:
    run = Runtime(exported(tmp_path))
    assert run.targets(math.nan).fault == "waiting: no step yet"
    run.step(0.0, good())
    targets = run.targets(math.nan)
    assert targets.fault == "stale: no step for nan s, at most 0.06" and not targets.stiffness.any()


def test_a_log_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "walk.log").write_bytes(b"of before")
    with pytest.raises(FileExistsError, match=r"File exists: .*walk\.log"):
        Runtime(exported(tmp_path), log=tmp_path / "walk.log")
    assert (tmp_path / "walk.log").read_bytes() == b"of before"


def test_nothing_at_all_is_damped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = Runtime(exported(tmp_path))
    waiting = run.targets(0.0)
    assert waiting.fault == "waiting: no step yet" and not waiting.stiffness.any() and run.fault == ""
    assert run.step(0.0, {}).fault.startswith("missing: no reading")
    run.reset()
    assert run.step(0.0, None).fault.startswith("missing")  # type: ignore[arg-type]
    assert [record.getMessage()[:16] for record in caplog.records] == ["damping, missing"] * 2


def test_the_watchdog_damps_when_steps_stop_to_come(tmp_path: Path) -> None:
    run = Runtime(exported(tmp_path))
    run.step(0.0, good())
    for now in (0.005, 0.06):
        assert run.targets(now).fault == ""
    assert run.targets(0.0601).fault == "stale: no step for 0.060 s, at most 0.06"
    assert run.step(0.0601, good()).fault.startswith("stale")


def test_targets_come_as_late_as_in_training_less_what_the_robot_takes(tmp_path: Path) -> None:
    late = TASK.with_({"randomization.terms.action_delay.parameters.delay": [0.03, 0.05]})
    exported(tmp_path, late)
    assert load_policy(tmp_path).document["control"]["action_delay"] == [0.03, 0.05]
    run, at_once = Runtime(tmp_path, robot_delay=0.005), Runtime(tmp_path, robot_delay=0.04)
    assert run.delay == pytest.approx(0.025) and at_once.delay == 0
    new = [at_once.step(DT * step, good()).position.tolist() for step in range(3)]
    assert run.step(0.0, good()).position.tolist() == run.default.tolist(), "as the drives hold the default pose"
    assert run.step(DT, good()).position.tolist() == run.default.tolist()
    assert run.targets(0.0249).position.tolist() == run.default.tolist()
    assert run.targets(0.025).position.tolist() == new[0]
    assert run.step(2 * DT, good()).position.tolist() == new[0]
    assert run.targets(0.045).position.tolist() == new[1]
    for wrong in (-0.1, math.nan, math.inf):
        with pytest.raises(ValueError, match=f"robot_delay={wrong}: must be seconds"):
            Runtime(tmp_path, robot_delay=wrong)


def test_actions_that_are_not_finite_are_damped(tmp_path: Path) -> None:
    save_policy(tmp_path, TASK, [(np.full((2, SIZE), 3e38), np.full(2, 3e38))])
    targets = Runtime(tmp_path).step(0.0, good())
    assert targets.fault == "network: its actions are not finite" and not targets.stiffness.any()


def test_what_breaks_beside_it_raises_nothing(tmp_path: Path) -> None:
    run = Runtime(exported(tmp_path), log=tmp_path / "log")
    run.close()  # as a full disk does, it takes no rows any more
    assert run.step(0.0, good()).fault == "" and run.step(DT, good()).fault == ""
    run._outputs = ["nowhere"]
    targets = run.step(2 * DT, good())
    assert targets.fault.startswith("network: ") and not targets.stiffness.any()


def test_a_broken_folder_is_refused(tmp_path: Path) -> None:
    exported(tmp_path)
    network = (tmp_path / "policy.onnx").read_bytes()
    (tmp_path / "policy.onnx").write_bytes(network + b"\0")
    with pytest.raises(ValueError, match="policy.onnx is not the network that policy.json describes"):
        Runtime(tmp_path)
    document = (tmp_path / "policy.json").read_text()
    (tmp_path / "policy.json").write_text(document.replace('"format_version": 3', '"format_version": 2', 1))
    with pytest.raises(ValueError, match=r"policy.json is \('locoenvs.policy', 2\), this runtime reads"):
        Runtime(tmp_path)
    (tmp_path / "policy.json").unlink()
    with pytest.raises(FileNotFoundError):
        Runtime(tmp_path)


def test_kinds_of_faults_are_numbered_for_the_log() -> None:
    assert FAULTS == ("", "missing", "shape", "not finite", "out of range", "time", "stale", "network")
