"""What no robot here has is refused where it makes another machine, and told where it does not: nothing is lost unseen."""

from __future__ import annotations

from pathlib import Path

import pytest

from locoenvs.backends.mujoco.description import read
from locoenvs.tools.robot_file import Description

LEG = (
    '<body name="{name}" pos="{x} 0 0"><joint name="{name}_hip" range="-1 1" {joint}/><geom size=".03" fromto="0 0 0 0 0 -.2" '
    'type="capsule" {geom}/><site name="{name}_end" pos="0 0 -.2"/></body>'
)


def mjcf(folder: Path, more: str = "", joint: str = "", geom: str = "", trunk: str = "<freejoint/>") -> Description:
    legs = LEG.format(name="left", x=0.1, joint=joint, geom=geom) + LEG.format(name="right", x=-0.1, joint="", geom="")
    text = f'<worldbody><body name="trunk">{trunk}<geom size=".1"/>{legs}</body></worldbody>'
    drives = (
        '<actuator><motor joint="left_hip" ctrlrange="-9 9"/><motor joint="right_hip" ctrlrange="-9 9"/></actuator>'
    )
    (folder / "a.xml").write_text(f'<mujoco><compiler angle="radian"/>{text}{drives}{more}</mujoco>')
    return read(folder / "a.xml")


def test_of_a_plain_robot_nothing_is_told_but_the_speed(tmp_path: Path) -> None:
    assert mjcf(tmp_path).notes == (
        "not kept: sites (2)",
        "assumed: a velocity limit of 30 rad/s for left_hip, right_hip: the file says none",
    )


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('<equality><connect body1="left" body2="right" anchor="0 0 0"/></equality>', "connect of 'left' and 'right'"),
        ('<equality><connect site1="left_end" site2="right_end"/></equality>', "connect of 'left_end' and 'right_end'"),
        ('<equality><weld body1="left"/></equality>', "weld of 'left' and 'world'"),
        ('<equality><joint joint1="left_hip" joint2="right_hip"/></equality>', "joint of 'left_hip' and 'right_hip'"),
        ('<equality><joint joint1="left_hip"/></equality>', "joint of 'left_hip'"),
        ('<tendon><fixed name="t" stiffness="1"><joint joint="left_hip" coef="1"/></fixed></tendon>', "tendon 't' couples"),
        ('<tendon><fixed name="t" damping="1"><joint joint="left_hip" coef="1"/></fixed></tendon>', "tendon 't' couples"),
        ('<tendon><fixed name="t" range="0 1"><joint joint="left_hip" coef="1"/></fixed></tendon>', "tendon 't' couples"),
        ('<tendon><spatial name="t" frictionloss="1"><site site="left_end"/><site site="right_end"/></spatial></tendon>', "tendon 't'"),
        ('<tendon><spatial armature="1"><site site="left_end"/><site site="right_end"/></spatial></tendon>', "tendon 0 couples"),
        (
            '<tendon><fixed name="t"><joint joint="left_hip" coef="1"/></fixed></tendon><actuator><motor tendon="t"/></actuator>',
            "tendon 't' couples joints: here each has a drive of its own",
        ),
    ],
)  # fmt: skip
def test_what_couples_joints_is_refused(tmp_path: Path, more: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"a.xml: .*{message}"):
        mjcf(tmp_path, more)


@pytest.mark.parametrize("kind", ["slide", "ball"])
def test_other_joints_are_refused_by_body(tmp_path: Path, kind: str) -> None:
    tail = f'<body name="tail"><joint type="{kind}"/><geom size=".1"/></body>'
    with pytest.raises(ValueError, match=rf"a.xml: body 'tail' has the joints \['{kind}'\]: the root moves freely"):
        mjcf(tmp_path, trunk=f"<freejoint/>{tail}")


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"joint": 'stiffness="5" springref="0.2"'}, "not kept: stiffness of joints (N m/rad): left_hip 5"),
        ({"joint": 'damping="0.5"'}, "not kept: damping of joints (N m s/rad): left_hip 0.5"),
        ({"joint": 'frictionloss="0.25"'}, "not kept: frictionloss of joints (N m): left_hip 0.25"),
        ({"joint": 'actuatorgravcomp="true"'}, "not kept: actuatorgravcomp of joints: left_hip 1"),
        ({"joint": 'margin="0.01"'}, "not kept: margin of joints (rad): left_hip 0.01"),
        ({"trunk": '<joint type="free" damping="1"/>'}, "not kept: damping of joints (N m s/rad): 0 1"),
        ({"trunk": '<joint type="free" armature="1"/>'}, "not kept: armature of the free joint"),
        ({"trunk": '<freejoint/><camera name="eye"/><light/>'}, "not kept: cameras (1)"),
        ({"trunk": '<freejoint/><body name="imu"/>'}, "not kept: frames without mass: imu"),
        ({"trunk": '<freejoint/><body name="held" gravcomp="1"><geom size=".1"/></body>'}, "not kept: gravcomp of bodies: held"),
        ({"geom": 'friction="0.4"'}, "not kept: friction of contacts: the suite has its own"),
        ({"geom": 'solref="0.01 1" margin="0.01"'}, "not kept: solref, margin of contacts: the suite has its own"),
        ({"geom": 'contype="0" conaffinity="0"'}, "not kept: shapes that are only drawn (1)"),
        ({"trunk": '<freejoint/><geom type="ellipsoid" size=".1 .1 .1"/>'}, "not kept: contact shapes, for which no spheres stand: ellipsoid of trunk"),
        ({"more": '<option gravity="0 0 -1.6" timestep="0.001"/>'}, "not kept: <option> gravity, timestep: the suite has its own"),
        ({"more": '<sensor><gyro site="left_end"/></sensor>'}, "not kept: sensors (1)"),
        ({"more": '<contact><exclude body1="left" body2="right"/></contact>'}, "not kept: contact excludes (1)"),
        ({"more": '<keyframe><key/><key/><key/></keyframe>'}, "not kept: keyframes after the first (2)"),
        ({"more": '<custom><numeric name="n" size="1"/></custom>'}, "not kept: numerics (1)"),
        ({"more": '<worldbody><geom type="plane" size="1 1 1"/><geom size="1"/></worldbody>'}, "not kept: shapes of the world (2)"),
        ({"more": '<worldbody><body name="lamp" mocap="true"/></worldbody>'}, "not kept: bodies beside the robot: lamp"),
        (
            {"more": '<equality><connect body1="left" body2="right" anchor="0 0 0" active="false"/></equality>'},
            "not kept: <equality> that is not active (1)",
        ),
        (
            {"more": '<tendon><fixed name="t"><joint joint="left_hip" coef="1"/></fixed></tendon>'},
            "not kept: tendons, which do nothing here (1)",
        ),
    ],
)  # fmt: skip
def test_what_is_not_kept_is_told(tmp_path: Path, changes: dict[str, str], note: str) -> None:
    assert note in mjcf(tmp_path, **changes).notes
