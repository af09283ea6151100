"""Robots read from MJCF and URDF: where MuJoCo has their bodies, and what their files say."""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np
import pytest

from kinematics import frames
from locoenvs.backends.mujoco import description
from locoenvs.backends.mujoco.description import read
from locoenvs.tasks.robot import Joint, Robot
from locoenvs.tasks.robots import ROBOTS
from locoenvs.tools.robot_check import _mass

LEGS = (("fl", 0.2, 0.1), ("fr", 0.2, -0.1), ("hl", -0.2, 0.1), ("hr", -0.2, -0.1))

MJCF = """
<mujoco>
  <compiler angle="radian"/>
  <default>
    <default class="drawn"><geom type="mesh" contype="0" conaffinity="0" mass="0"/></default>
  </default>
  <asset>
    <texture name="wood" type="2d" file="missing.png"/>
    <material name="plain" texture="wood"/>
    <material name="layered"><layer role="rgb" texture="wood"/></material>
    <mesh name="shell" file="missing.obj"/>
  </asset>
  <worldbody>
    <geom type="plane" size="1 1 1" material="plain"/>
    <body name="lamp" mocap="true"><body name="bulb"/></body>
    <body name="base" pos="0 0 1" quat="0.8 0 0.6 0">
      <freejoint/>
      <geom class="drawn" mesh="shell" material="layered"/>
      <geom class="drawn" type="box" size="1 1 1" mass="0"/>
      <geom name="trunk" type="box" size="0.2 0.1 0.05" mass="20" material="plain"/>
      <site name="imu" material="plain"/>
      <body name="camera"><body name="lens"/></body>
      <body pos="0 0 -0.02">
        <body name="left" pos="0 0.1 0" euler="0.4 0.3 1.5">
          <joint name="hip" axis="0.6 0.8 0" pos="0 0.03 0" range="-1 1" ref="0.3"/>
          <geom type="capsule" fromto="0 0 0 0 0 -0.3" size="0.02" mass="1"/>
          <body pos="0 0.05 -0.3" euler="0 1 0">
            <joint name="knee" axis="0 1 0" range="-2 0.5"/>
            <geom type="cylinder" pos="0 0 -0.1" size="0.03 0.1" mass="0.5"/>
          </body>
        </body>
      </body>
    </body>
  </worldbody>
  <tendon>
    <fixed name="first"><joint joint="hip" coef="1"/></fixed>
    <fixed name="second"><joint joint="hip" coef="1"/></fixed>
  </tendon>
  <actuator>
    <position joint="hip" gear="10" kp="2" forcerange="-2 2"/>
    <motor joint="knee" gear="-4" ctrlrange="-5 3"/>
  </actuator>
  <sensor><accelerometer site="imu"/></sensor>
  <keyframe><key qpos="0 0 1 1 0 0 0 0.5 -0.7"/></keyframe>
</mujoco>
"""


def mjcf(folder: Path, text: str = MJCF) -> Robot:
    (folder / "walker.xml").write_text(text)
    return read(folder / "walker.xml").robot


def link(name: str, collision: str = "", mass: float = 1.0) -> str:
    inertia = f'<mass value="{mass}"/><inertia ixx="0.01" iyy="0.01" izz="0.01" ixy="0" ixz="0" iyz="0"/>'
    return f'<link name="{name}"><inertial>{inertia}</inertial>{collision}</link>'


def urdf(folder: Path, origin: str = "", limit: str = "", first: str = "", more: str = "") -> Robot:
    """A base with four legs of one joint, whose foot is 0.3 m below it where ``origin`` turns nothing."""
    parts = [first, link("base", mass=5.0)]
    for leg, x, y in LEGS:
        foot = '<collision><origin xyz="0 0 -0.3"/><geometry><sphere radius="0.02"/></geometry></collision>'
        parts.append(link(f"{leg}_leg", foot))
        parts.append(
            f'<joint name="{leg}_hip" type="revolute"><parent link="base"/><child link="{leg}_leg"/>'
            f'<origin xyz="{x} {y} 0" {origin}/><axis xyz="0 1 0"/>'
            f'<limit lower="-2" upper="2" effort="9" {limit}/></joint>'
        )
    (folder / "walker.urdf").write_text(f'<robot name="Walker-1">{"".join(parts)}{more}</robot>')
    return read(folder / "walker.urdf").robot


def joint(robot: Robot, name: str) -> Joint:
    return next(joint for joint in robot.joints if joint.name == name)


def test_an_mjcfs_bodies_are_where_mujoco_has_them(tmp_path: Path) -> None:
    """Centers of mass and inertias at random joint angles; hinges beside their bodies, turned frames, a zero that is
    not the pose it is drawn in."""
    robot = mjcf(tmp_path)
    assert [body.name for body in robot.bodies] == ["base", "left", "body_8"]
    model = mujoco.MjModel.from_xml_string(
        MJCF[: MJCF.index("<asset>")]
        + MJCF[MJCF.index("<worldbody>") :]
        .replace('<geom class="drawn" mesh="shell" material="layered"/>', "")
        .replace(' material="plain"', "")
    )
    data = mujoco.MjData(model)
    numbers = {"base": model.body("base").id, "left": model.body("left").id, "body_8": model.body("left").id + 1}
    draw = np.random.default_rng(0)
    for _ in range(5):
        angles = draw.uniform(-1, 1, 2)
        data.qpos[7:] = angles
        mujoco.mj_kinematics(model, data)
        placed = frames(robot, dict(zip(robot.joint_names, angles)))
        turn, at = data.body("base").xmat.reshape(3, 3), data.body("base").xpos
        for body in robot.bodies:
            if body.name not in numbers:
                continue
            number, (own, place) = numbers[body.name], placed[body.name]
            np.testing.assert_allclose(
                at + turn @ (place + own @ body.center_of_mass), data.xipos[number], atol=1e-5, err_msg=body.name
            )
            xx, yy, zz, xy, xz, yz = body.inertia
            world = turn @ own @ np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]) @ (turn @ own).T
            axes = data.ximat[number].reshape(3, 3)
            np.testing.assert_allclose(world, axes @ np.diag(model.body_inertia[number]) @ axes.T, atol=1e-6)
            for sphere in (each for each in robot.spheres if each.body == body.name):
                inside = at + turn @ (place + own @ sphere.position)
                shapes = [geom for geom in range(model.ngeom) if model.geom_bodyid[geom] == number]
                off = [
                    np.linalg.norm((inside - data.geom_xpos[shape]) @ data.geom_xmat[shape].reshape(3, 3)[:, :2])
                    for shape in shapes
                    if model.geom_type[shape] != int(mujoco.mjtGeom.mjGEOM_BOX)
                ]
                assert not off or min(off) < 1e-5, "ends of capsules and cylinders are on their axes"


def test_what_an_mjcf_says_of_its_joints_and_shapes(tmp_path: Path) -> None:
    robot = mjcf(tmp_path)
    hip, knee = joint(robot, "hip"), joint(robot, "knee")
    assert robot.name == "walker"  # it has no name of its own, nor has one that MuJoCo named
    assert mjcf(tmp_path, MJCF.replace("<mujoco>", '<mujoco model="MuJoCo Model">')) == robot
    assert mjcf(tmp_path, MJCF.replace("<mujoco>", '<mujoco model="Big-Dog">')).name == "big_dog"
    assert (hip.default, knee.default) == (0.5, -0.7)  # its keyframe
    assert (hip.lower, hip.upper, hip.torque_limit, hip.stiffness) == (-1, 1, 20, 200)  # gear 10: x 10 and x 100
    assert (knee.torque_limit, knee.stiffness, knee.velocity_limit) == (20, 20, 30)
    balls = {name: [s.radius for s in robot.spheres if s.body == name] for name in robot.contact_bodies}
    assert balls == {"base": [0.05] * 4, "left": [0.02] * 2, "body_8": [0.03] * 2}
    assert robot.feet == ("body_8",)
    ends = np.array([sphere.position for sphere in robot.spheres if sphere.body == "left"])
    assert np.linalg.norm(ends[0] - ends[1]) == pytest.approx(0.3, abs=1e-5)
    # The frame without mass that carries the leg is joined to the base.
    (left,) = (body for body in robot.bodies if body.name == "left")
    assert left.parent == "base"
    assert _mass(robot).passed and robot.mass == pytest.approx(21.5, rel=1e-9)


def test_an_mjcf_starts_a_little_above_the_ground(tmp_path: Path) -> None:
    robot = mjcf(tmp_path)
    placed = frames(robot, {joint.name: joint.default for joint in robot.joints})
    (turn, at), own = placed["body_8"], [sphere for sphere in robot.spheres if sphere.body == "body_8"]
    lowest = min((at + turn @ np.array(sphere.position))[2] - sphere.radius for sphere in own)
    assert robot.start_height + lowest == pytest.approx(0.03, abs=1e-4)


def test_a_flat_cylinders_sphere_is_inside_it(tmp_path: Path) -> None:
    robot = mjcf(tmp_path, MJCF.replace('pos="0 0 -0.1" size="0.03 0.1"', 'pos="0 0 -0.1" size="0.1 0.03"'))
    assert [sphere.radius for sphere in robot.spheres if sphere.body == "body_8"] == [0.03]


@pytest.mark.parametrize("rpy", ["0 0 0", "1.570796 0 0", "0.3 -0.8 2"])
def test_a_urdfs_turned_joints_hold_their_feet_where_they_are(tmp_path: Path, rpy: str) -> None:
    """A sphere 0.3 m along the turned leg, at zero, is as far below the base as the rotation says."""
    robot = urdf(tmp_path, origin=f'rpy="{rpy}"')
    roll, pitch, _ = (float(angle) for angle in rpy.split())
    height = -0.3 * np.cos(roll) * np.cos(pitch) - 0.02
    assert robot.start_height == pytest.approx(0.03 - height, abs=1e-3)
    assert set(robot.feet) == {f"{leg}_leg" for leg, *_ in LEGS}


def test_frames_are_parallel_to_the_roots_whatever_the_file_turns(tmp_path: Path) -> None:
    """A leg along -z of a frame that is rolled by 90 degrees lies along y of the root's."""
    robot = urdf(tmp_path, origin='rpy="1.570796 0 0"')
    ends = {sphere.body: sphere.position for sphere in robot.spheres}
    np.testing.assert_allclose(ends["fl_leg"], (0, 0.3, 0), atol=1e-5)


def test_velocity_limits_are_a_urdfs_own(tmp_path: Path) -> None:
    assert {each.velocity_limit for each in urdf(tmp_path, limit='velocity="7"').joints} == {7.0}
    for none in ("0", "inf"):
        assert {each.velocity_limit for each in urdf(tmp_path, limit=f'velocity="{none}"').joints} == {30.0}
    with pytest.raises(ValueError, match="walker.urdf: could not convert string to float: 'fast'"):
        urdf(tmp_path, limit='velocity="fast"')
    (tmp_path / "walker.urdf").write_text((tmp_path / "walker.urdf").read_text().replace(' velocity="fast"', ""))
    assert {each.velocity_limit for each in read(tmp_path / "walker.urdf").robot.joints} == {30.0}


def test_left_and_right_are_told_by_where_they_are(tmp_path: Path) -> None:
    assert urdf(tmp_path).mirror == (("fr_hip", 1.0), ("fl_hip", 1.0), ("hr_hip", 1.0), ("hl_hip", 1.0))
    text = (tmp_path / "walker.urdf").read_text().replace('xyz="0.2 -0.1 0"', 'xyz="0.25 -0.1 0"')
    (tmp_path / "walker.urdf").write_text(text)
    assert read(tmp_path / "walker.urdf").robot.mirror == ()


@pytest.mark.parametrize("name", list(ROBOTS))
def test_the_suites_robots_mirror_as_their_files_say(name: str) -> None:
    assert description._mirror(list(ROBOTS[name].bodies)) == ROBOTS[name].mirror


def test_a_urdf_may_have_options_for_mujoco(tmp_path: Path) -> None:
    own = '<mujoco><compiler meshdir="nowhere" fusestatic="true"/><option timestep="0.01"/></mujoco>'
    assert urdf(tmp_path, more=own) == urdf(tmp_path)


@pytest.mark.parametrize("kind", ["fixed", "floating"])
def test_a_urdf_may_begin_with_the_world(tmp_path: Path, kind: str) -> None:
    world = f'<link name="world"/><joint name="r" type="{kind}"><parent link="world"/><child link="base"/></joint>'
    robot = urdf(tmp_path, first=world)
    assert robot == urdf(tmp_path) and robot.name == "walker_1"


def test_a_trunk_is_the_tree_that_weighs_something(tmp_path: Path) -> None:
    """A body without mass before the robot is no part of it, and two robots are refused."""
    assert "lamp" not in {body.name for body in mjcf(tmp_path).bodies}
    other = '<body name="other"><freejoint/><geom size="0.1"/></body></worldbody>'
    with pytest.raises(ValueError, match="walker.xml: needs one tree of bodies, has 2"):
        mjcf(tmp_path, MJCF.replace("</worldbody>", other).replace('<key qpos="0 0 1 1 0 0 0 0.5 -0.7"/>', ""))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<mujoco><worldbody>", r"a.xml, line 1: no element found"),
        ("<sdf/>", r"a.xml: its root is <sdf>: it is neither MJCF \(<mujoco>\) nor URDF \(<robot>\)"),
        ("<mujoco><worldbody><bodi/></worldbody></mujoco>", r"(?s)a.xml: .*bodi"),
        (
            '<mujoco><worldbody><body name="b"><geom size="1"/><joint type="slide"/></body></worldbody></mujoco>',
            r"body 'b' has the joints \['slide'\]: the root moves freely and every other body has one hinge",
        ),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "a.xml")
