"""Torque limits and gains of a joint are those of what drives it."""

from __future__ import annotations

from pathlib import Path

import pytest

from locoenvs.backends.mujoco.description import read
from locoenvs.tasks.robot import Joint


def driven(folder: Path, drives: str, joint: str = "") -> tuple[Joint, tuple[str, ...]]:
    (folder / "a.xml").write_text(
        '<mujoco><compiler angle="radian"/><worldbody><body name="trunk"><freejoint/><geom size=".1"/><body name="leg">'
        f'<joint name="hip" range="-1 1" {joint}/><geom size=".1" pos="0 0 -.3"/></body></body></worldbody>'
        f"<actuator>{drives}</actuator></mujoco>"
    )
    found = read(folder / "a.xml")
    notes = [note for note in found.notes if not note.startswith("assumed: a velocity limit")]
    return found.robot.joints[0], tuple(notes)


@pytest.mark.parametrize(
    ("drives", "torque"),
    [
        ('<motor joint="hip" ctrlrange="-5 5"/>', 5.0),
        ('<motor joint="hip" ctrlrange="-5 5" gear="-4"/>', 20.0),
        ('<motor joint="hip" gear="4" forcerange="-6 6"/>', 24.0),
        ('<motor joint="hip" gear="4" forcerange="-6 6" ctrlrange="-5 5"/>', 20.0),
        ('<general joint="hip" gainprm="50" ctrlrange="-1 1"/>', 50.0),
        ('<general joint="hip" gainprm="50" ctrlrange="-1 1" gear="0.1"/>', 5.0),
        ('<motor jointinparent="hip" ctrlrange="-5 5"/>', 5.0),
        ('<motor joint="hip" ctrlrange="-5 5"/><motor joint="hip" ctrlrange="-2 2"/>', 7.0),
        ('<position joint="hip" kp="20" forcerange="-3 3"/>', 3.0),
    ],
)
def test_a_torque_limit_is_at_the_joint(tmp_path: Path, drives: str, torque: float) -> None:
    assert driven(tmp_path, drives)[0].torque_limit == pytest.approx(torque, rel=1e-9)
    assert driven(tmp_path, drives)[1] == ()
    assert driven(tmp_path, drives, 'actuatorfrcrange="-1.5 1.5"')[0].torque_limit == 1.5


def test_gains_are_those_of_a_position_drive(tmp_path: Path) -> None:
    joint, notes = driven(tmp_path, '<position joint="hip" kp="20" kv="3" gear="2" forcerange="-9 9"/>')
    assert (joint.stiffness, joint.damping, notes) == (80.0, 12.0, ())
    joint, _ = driven(tmp_path, '<position joint="hip" kp="20"/>')
    assert (joint.stiffness, joint.damping) == (20.0, 0.5)


def test_a_torque_that_nothing_limits_is_assumed(tmp_path: Path) -> None:
    for drives in ("", '<motor joint="hip"/>', '<motor joint="hip" ctrlrange="-5 5"/><motor joint="hip"/>'):
        joint, notes = driven(tmp_path, drives)
        assert joint.torque_limit == 100.0
        assert notes == ("assumed: a torque limit of 100 N m for hip: the file says none",)


@pytest.mark.parametrize(
    ("drives", "note"),
    [
        ('<motor joint="hip" gear="-4" ctrlrange="-5 3"/>', "changed: torque limits of hip, [-12, 20] N m, are +-20 here"),
        ('<velocity joint="hip" kv="2" forcerange="-9 9"/>', "not kept: how the velocity actuator of hip works: here it is a motor"),
        ('<damper joint="hip" kv="2" ctrlrange="0 1" forcerange="-9 9"/>', "not kept: how the affine actuator of hip works"),
        ('<intvelocity joint="hip" kp="2" actrange="-1 1" forcerange="-9 9"/>', "not kept: how the integrator actuator of hip works"),
        ('<muscle joint="hip" forcerange="-9 9"/>', "not kept: how the muscle actuator of hip works"),
        ('<general joint="hip" gainprm="3" biastype="affine" biasprm="1 -3" forcerange="-9 9"/>', "not kept: how the affine actuator"),
        ('<position joint="hip" kp="2" ctrlrange="-.5 1" forcerange="-9 9"/>', "not kept: ctrlrange [-0.5, 1] of the position drive of hip"),
    ],
)  # fmt: skip
def test_what_a_drive_does_otherwise_is_told(tmp_path: Path, drives: str, note: str) -> None:
    assert any(said.startswith(note) for said in driven(tmp_path, drives)[1]), driven(tmp_path, drives)[1]


def test_a_joint_without_end_stops_gets_far_ones(tmp_path: Path) -> None:
    joint, notes = driven(tmp_path, '<motor joint="hip" ctrlrange="-5 5"/>', 'limited="false"')
    assert (joint.lower, joint.upper) == (-9.42, 9.42)
    assert notes == ("assumed: a range of +-9.42 rad, for hip: the file says none",)
