"""The exported folder holds the policy, what runs it, and on request the robot."""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np
import pytest

from locoenvs.cli.app import main
from locoenvs.policies.deploy import export
from locoenvs.policies.policy import POLICIES, load_policy

pytest.importorskip("google.protobuf")


def test_the_folder_holds_the_policy_and_its_runtimes_as_they_are(tmp_path: Path) -> None:
    main(["export", "a1_flat", "--out", str(tmp_path)])
    assert {path.name for path in tmp_path.iterdir()} == {"policy.onnx", "policy.json", "runtime.py", "runtime.hpp"}
    assert load_policy(tmp_path).document == load_policy(POLICIES / "a1_flat").document
    for name in export.RUNTIMES:
        assert (tmp_path / name).read_bytes() == (Path(export.__file__).parent / name).read_bytes()


@pytest.mark.parametrize("name", ["runtime.hpp", "runtime.py", "model.xml"])
def test_nothing_is_replaced_unasked(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / name).write_text("precious")
    with pytest.raises(SystemExit):
        main(["export", "a1_flat", "--out", str(tmp_path), "--model"])
    assert f"{tmp_path} holds {name} already" in capsys.readouterr().err
    assert [path.read_text() for path in tmp_path.iterdir()] == ["precious"]
    main(["export", "a1_flat", "--out", str(tmp_path), "--model", "--force"])
    assert (tmp_path / name).read_text() != "precious"


@pytest.mark.parametrize("name", sorted(path.name for path in POLICIES.iterdir()))
def test_the_model_is_the_tasks_robot_on_a_plane(tmp_path: Path, name: str) -> None:
    main(["export", name, "--out", str(tmp_path), "--model"])
    model, task = mujoco.MjModel.from_xml_path(str(tmp_path / "model.xml")), load_policy(POLICIES / name).task
    robot = task.robot
    assert [model.joint(index).name for index in range(1, model.njnt)] == list(robot.joint_names)
    assert [model.actuator(index).name for index in range(model.nu)] == list(robot.joint_names)
    assert model.body_mass.sum() == pytest.approx(sum(body.mass for body in robot.bodies), rel=1e-4)
    assert model.opt.timestep == task.timing.physics_dt and model.nsensor == 0
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, model.key("start").id)
    default = np.array([joint.default for joint in robot.joints])
    np.testing.assert_allclose(data.qpos, [0, 0, robot.start_height, 1, 0, 0, 0, *default], atol=1e-6)
    data.ctrl[:], data.qvel[6:] = default + 0.01, 0.1
    mujoco.mj_forward(model, data)
    expected = [0.01 * joint.stiffness - 0.1 * joint.damping for joint in robot.joints]
    np.testing.assert_allclose(data.actuator_force, expected, atol=1e-3)
