"""What MuJoCo is given of a description: meshes where they weigh, what is included, and a URDF's inertials."""

from __future__ import annotations

from pathlib import Path

import mujoco
import pytest

from locoenvs.backends.mujoco.description import read
from locoenvs.tools.robot_file import Description

CUBE = "\n".join(
    [f"v {x} {y} {z}" for x in (-0.1, 0.1) for y in (-0.1, 0.1) for z in (-0.05, 0.05)]
    + [
        f"f {face}"
        for face in ("1 2 4", "1 4 3", "5 7 8", "5 8 6", "1 5 6", "1 6 2", "3 4 8", "3 8 7", "1 3 7", "1 7 5")
    ]
    + ["f 2 6 8", "f 2 8 4"]
)
LEG = (
    '<body name="leg" pos="0 0 -.1"><joint name="hip"/><geom type="capsule" fromto="0 0 0 0 0 -.3" size=".02"/></body>'
)


def mjcf(folder: Path, trunk: str, asset: str = '<mesh name="cube" file="cube.obj"/>', before: str = "") -> Description:
    text = f'<mujoco>{before}<asset>{asset}</asset><worldbody><body name="trunk"><freejoint/>{trunk}{LEG}</body></worldbody>'
    (folder / "a.xml").write_text(f"{text}</mujoco>")
    return read(folder / "a.xml")


def truth(folder: Path, body: str = "trunk") -> float:
    return float(mujoco.MjModel.from_xml_path(str(folder / "a.xml")).body(body).mass[0])


@pytest.mark.parametrize(
    "trunk",
    [
        '<geom type="mesh" mesh="cube" mass="8"/><geom size=".01"/>',
        '<geom type="mesh" mesh="cube"/>',
        '<geom type="mesh" mesh="cube" density="20" contype="0" conaffinity="0"/><geom size=".05" mass="1"/>',
        '<geom type="box" mesh="cube" density="20"/>',
    ],
)
def test_a_mesh_weighs_what_mujoco_says(tmp_path: Path, trunk: str) -> None:
    (tmp_path / "cube.obj").write_text(CUBE)
    assert mjcf(tmp_path, trunk).robot.bodies[0].mass == pytest.approx(truth(tmp_path), rel=1e-8)
    (tmp_path / "cube.obj").unlink()
    with pytest.raises(
        ValueError, match="body 'trunk' takes its mass from mesh 'cube', and there is no file .*cube.obj"
    ):
        read(tmp_path / "a.xml")


@pytest.mark.parametrize(
    ("trunk", "before"),
    [
        ('<inertial pos="0 0 0" mass="3" diaginertia="1 1 1"/><geom type="mesh" mesh="cube"/>', ""),
        ('<geom size=".1" mass="3"/><geom type="mesh" mesh="cube" mass="0"/>', ""),
        ('<geom size=".1" mass="3"/><geom type="mesh" mesh="cube" density="0"/>', ""),
        ('<geom size=".1" mass="3"/><geom type="mesh" mesh="cube" group="2"/>', '<compiler inertiagrouprange="0 1"/>'),
        ('<inertial pos="0 0 0" mass="3" diaginertia="1 1 1"/><geom type="box" mesh="cube"/>', ""),
    ],
)
def test_a_mesh_that_weighs_nothing_may_be_missing(tmp_path: Path, trunk: str, before: str) -> None:
    assert mjcf(tmp_path, trunk, before=before).robot.bodies[0].mass == 3.0


def test_masses_are_those_that_the_compiler_makes(tmp_path: Path) -> None:
    """settotalmass, and shapes that count although there is an inertial."""
    trunk = '<inertial pos="0 0 0" mass="3" diaginertia="1 1 1"/><geom size=".1" mass="5"/>'
    found = mjcf(tmp_path, trunk, before='<compiler inertiafromgeom="true" settotalmass="11"/>', asset="")
    assert found.robot.mass == pytest.approx(11.0) and found.robot.bodies[0].mass == pytest.approx(truth(tmp_path))
    assert any(note.startswith("MuJoCo says: compiler attribute 'settotalmass' is deprecated") for note in found.notes)


def test_files_are_found_where_mujoco_finds_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Included descriptions beside the file, and meshes in its folder for them, from any working directory."""
    (tmp_path / "parts" / "shapes").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (tmp_path / "parts" / "shapes" / "cube.obj").write_text(CUBE)
    (tmp_path / "parts" / "legs.xml").write_text(f"<mujocoinclude>{LEG}</mujocoinclude>")
    (tmp_path / "parts" / "defaults.xml").write_text(
        '<mujocoinclude><default><geom density="500"/></default></mujocoinclude>'
    )
    (tmp_path / "a.xml").write_text(
        '<mujoco><compiler meshdir="parts/shapes"/><include file="parts/defaults.xml"/><asset><mesh file="cube.obj"/></asset>'
        '<worldbody><body name="trunk"><freejoint/><geom type="mesh" mesh="cube"/><include file="parts/legs.xml"/></body>'
        "</worldbody></mujoco>"
    )
    robot = read(Path("../a.xml")).robot
    assert robot.joint_names == ("hip",) and robot.bodies[0].mass == pytest.approx(truth(tmp_path), rel=1e-8)


def test_a_files_own_balanceinertia_is_kept(tmp_path: Path) -> None:
    trunk = '<inertial pos="0 0 0" mass="3" diaginertia="1 1 3"/>'
    with pytest.raises(ValueError, match="use 'balanceinertia' to fix"):
        mjcf(tmp_path, trunk, asset="")
    balanced = mjcf(tmp_path, trunk, asset="", before='<compiler balanceinertia="true"/>').robot
    assert balanced.bodies[0].inertia[0] == pytest.approx(5 / 3)
    found = urdf(tmp_path, izz="3", more='<mujoco><compiler balanceinertia="true"/></mujoco>')
    assert found.robot.bodies[0].inertia[0] == pytest.approx(5 / 3, rel=1e-3)  # the lidar has a little of it
    assert "changed: inertias that no body can have, as <compiler balanceinertia> asks" in found.notes


def urdf(folder: Path, izz: str = "1", more: str = "", joint: str = "") -> Description:
    inertial = '<inertial><mass value="2"/><inertia ixx="1" iyy="1" izz="{}" ixy="0" ixz="0" iyz="0"/></inertial>'
    ball = '<collision><geometry><sphere radius="0.1"/></geometry></collision>'
    mesh = '<geometry><mesh filename="package://robot/meshes/x.stl"/></geometry>'
    (folder / "a.urdf").write_text(
        f'<robot name="r"><link name="base">{inertial.format(izz)}<visual>{mesh}</visual><collision>{mesh}</collision></link>'
        f'<link name="lidar">{ball}</link><joint name="l" type="fixed"><parent link="base"/><child link="lidar"/></joint>'
        f'<link name="leg">{inertial.format(1)}{ball}</link>'
        '<joint name="hip" type="revolute"><parent link="base"/><child link="leg"/><origin xyz="0 0 -.2"/><axis xyz="0 1 0"/>'
        f'<limit lower="-1" upper="1" effort="9" velocity="8"/>{joint}</joint>{more}</robot>'
    )
    return read(folder / "a.urdf")


def test_a_urdfs_shapes_weigh_nothing(tmp_path: Path) -> None:
    assert urdf(tmp_path).robot.mass == pytest.approx(4.0, rel=1e-12)
    own = '<mujoco><compiler inertiafromgeom="true" boundmass="1" boundinertia="1" settotalmass="99"/></mujoco>'
    found = urdf(tmp_path, more=own)
    assert found.robot == urdf(tmp_path).robot
    told = "not kept: what <compiler> says of masses (inertiafromgeom, boundmass, boundinertia, settotalmass): a URDF's are"
    assert any(note.startswith(told) for note in found.notes), found.notes


def test_what_a_urdf_says_beside_its_links_is_told(tmp_path: Path) -> None:
    more = '<transmission name="t"/><gazebo/><gazebo reference="leg"/><material name="red"/>'
    notes = urdf(tmp_path, more=more, joint='<safety_controller k_velocity="1"/>').notes
    assert "not kept: <transmission> (1), <gazebo> (2), <safety_controller> (1)" in notes
    assert "not kept: shapes that are only drawn (1)" in notes
    assert "not kept: contact meshes, for which no spheres stand: base" in notes


def test_joints_that_follow_others_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a.urdf: joint 'hip' has a <mimic>: here each joint has a drive of its own"):
        urdf(tmp_path, joint='<mimic joint="hip"/>')


def test_a_root_that_is_fixed_in_the_file_is_told(tmp_path: Path) -> None:
    assert not any("fixed to the world" in note for note in urdf(tmp_path).notes)
    world = '<link name="world"/><joint name="w" type="fixed"><parent link="world"/><child link="base"/></joint>'
    told = "changed: base is fixed to the world in the file, and moves freely here"
    assert told in urdf(tmp_path, more=world).notes
    assert not any("fixed to the world" in note for note in mjcf(tmp_path, '<geom size=".1"/>', asset="").notes)
    (tmp_path / "a.xml").write_text((tmp_path / "a.xml").read_text().replace("<freejoint/>", ""))
    assert told.replace("base", "trunk") in read(tmp_path / "a.xml").notes
