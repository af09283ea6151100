"""Robots of random descriptions weigh, turn and fall as MuJoCo's own reading of the file does, or of a URDF's inertials."""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np
import pytest

from locoenvs.backends.mujoco.description import read
from locoenvs.backends.mujoco.description_bodies import Rigid
from locoenvs.backends.mujoco.model import compile_model
from locoenvs.mdp.terrain import build
from locoenvs.tasks.robot import Robot
from locoenvs.tasks.task import Task, Terrain
from locoenvs.tools.robot_file import Description

FRAME = '<inertial pos="0 0 0" mass="3" diaginertia="0.02 0.03 0.04"/><geom size="0.1"/>'


def compare(robot: Robot, truth: mujoco.MjModel, draw: np.random.Generator) -> None:
    """Total mass, mass matrix, gravity's torques at random poses, and limits, joints by name and bases as one."""
    task = Task(robot=robot, terrain=Terrain(kind="plane"))
    ours = compile_model(task, build(task.terrain))
    names = [truth.joint(joint).name for joint in range(truth.njnt) if truth.jnt_type[joint] != 0]
    assert sorted(names) == sorted(robot.joint_names)
    assert sum(truth.body_mass[1:]) == pytest.approx(robot.mass, rel=1e-7)
    places = {id(model): [model.joint(name).qposadr[0] for name in names] for model in (truth, ours)}
    columns = {id(model): [*range(6), *(model.joint(name).dofadr[0] for name in names)] for model in (truth, ours)}
    for _ in range(3):
        base = np.concatenate((draw.normal(size=3), (q := draw.normal(size=4)) / np.linalg.norm(q)))
        angles, found = draw.uniform(-3, 3, len(names)), []
        for model in (truth, ours):
            data = mujoco.MjData(model)
            data.qpos[:7], data.qpos[places[id(model)]] = base, angles
            mujoco.mj_forward(model, data)
            inertia = np.zeros((model.nv, model.nv))
            mujoco.mj_fullM(model, data, inertia)
            rows = columns[id(model)]
            found.append((inertia[np.ix_(rows, rows)], data.qfrc_bias[rows]))
        scale = np.sqrt(np.outer(np.diag(found[0][0]), np.diag(found[0][0])))
        assert (np.abs(found[1][0] - found[0][0]) / scale).max() < 1e-6
        assert np.abs(found[1][1] - found[0][1]).max() < 1e-6 * np.abs(found[0][1]).max()
    for name in names:
        if truth.joint(name).limited:
            np.testing.assert_allclose(ours.joint(name).range, truth.joint(name).range, rtol=1e-7, atol=1e-9)


def vector(draw: np.random.Generator, size: float = 0.3, number: int = 3) -> str:
    return " ".join(f"{value:.9g}" for value in draw.uniform(-size, size, number))


def inertia(draw: np.random.Generator, mass: float) -> np.ndarray:
    """Of a few points and a small ball, whichever way they lie."""
    points = draw.normal(0, 0.1, (4, 3)) * draw.uniform(0.05, 1, 3)
    second = mass * (np.cov(points.T) + 1e-6 * np.eye(3))
    return np.trace(second) * np.eye(3) - second


def six(matrix: np.ndarray) -> str:
    return " ".join(f"{matrix[i, j]:.12g}" for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)))


def random_mjcf(draw: np.random.Generator, folder: Path) -> str:
    """A tree of hinges and welds, of bodies with inertials, shapes and meshes, in classes; and some frames without mass."""
    cube = draw.uniform(-0.1, 0.1, (12, 3))
    (folder / "meshes").mkdir(exist_ok=True)
    (folder / "meshes" / "rock.obj").write_text(
        "\n".join([*(f"v {x} {y} {z}" for x, y, z in cube), *(f"f {a} {a + 1} {a + 2}" for a in range(1, 11))])
    )

    def shape() -> str:
        weight = draw.choice(['mass="0.7"', 'density="300"', "", 'class="heavy"', 'mass="0"'])
        turn = f'pos="{vector(draw)}" euler="{vector(draw, 2)}" {weight}'
        return draw.choice(
            [
                f'<geom type="box" size="0.05 0.03 0.1" {turn}/>',
                f'<geom type="sphere" size="0.04" {turn}/>',
                f'<geom type="capsule" size="0.02 0.1" {turn}/>',
                f'<geom type="ellipsoid" size="0.02 0.05 0.1" contype="0" conaffinity="0" {turn}/>',
                f'<geom type="mesh" mesh="rock" contype="0" conaffinity="0" {turn}/>',
                f'<geom class="rocky" {turn.replace("class", "childclass") if "class" not in turn else turn.split(weight)[0]}/>',
            ]
        )

    def body(number: int, depth: int) -> tuple[str, int]:
        hinge = depth > 0 and draw.random() < 0.7
        kind = draw.choice(
            ["inertial", "shapes", "none"], p=[0.5, 0.4, 0.1] if hinge or depth == 0 else [0.3, 0.4, 0.3]
        )
        text = f'<body name="b{number}" pos="{vector(draw)}" euler="{vector(draw, 3)}">'
        if depth == 0:
            text += "<freejoint/>"
        if hinge:
            text += f'<joint name="j{number}" axis="{vector(draw)}" pos="{vector(draw, 0.05)}" class="{draw.choice(["main", "geared"])}"/>'
        if kind == "inertial":
            mass = 10 ** draw.uniform(-3, 1)
            text += f'<inertial pos="{vector(draw)}" mass="{mass:.12g}" fullinertia="{six(inertia(draw, mass))}"/>'
            text += shape() if draw.random() < 0.5 else ""
        elif kind == "shapes":
            text += '<geom size="0.03"/>' + "".join(shape() for _ in range(draw.integers(0, 3)))
        elif hinge or depth == 0:  # it moves, and what is welded to it has the mass
            text += f'<body name="w{number}" pos="{vector(draw)}" euler="{vector(draw, 3)}"><geom size="0.1 0.2" type="capsule"/></body>'
        elif draw.random() < 0.5:  # a frame that touches
            text += '<geom size="0.03" mass="0"/>'
        number += 1
        for _ in range(draw.integers(0, 4) if 0 < depth < 4 else 3 if depth == 0 else 0):
            child, number = body(number, depth + 1)
            text += child
        return text + "</body>", number

    tree, _ = body(0, 0)
    return (
        '<mujoco model="random"><compiler angle="radian" meshdir="meshes" eulerseq="zyx"/>'
        '<default><joint range="-1.2 0.7"/><default class="heavy"><geom density="4000"/></default>'
        '<default class="rocky"><geom type="mesh" mesh="rock" mass="0.2"/></default>'
        '<default class="geared"><joint armature="0.02" range="-0.123456789 2.5"/></default></default>'
        '<asset><mesh name="rock" file="rock.obj" scale="1 1.5 0.7"/></asset>'
        f"<worldbody>{tree}</worldbody></mujoco>"
    )


@pytest.mark.parametrize("seed", range(25))
def test_a_random_mjcf_moves_as_mujoco_says(seed: int, tmp_path: Path) -> None:
    draw, path = np.random.default_rng(seed), tmp_path / "random.xml"
    path.write_text(random_mjcf(draw, tmp_path))
    compare(read(path).robot, mujoco.MjModel.from_xml_path(str(path)), draw)


def turned(rpy: np.ndarray) -> np.ndarray:
    """URDF's rotation: about the fixed x, y and z axis."""
    (a, b, c), s = np.cos(rpy), np.sin(rpy)
    x = np.array([[1, 0, 0], [0, a, -s[0]], [0, s[0], a]])
    y = np.array([[b, 0, s[1]], [0, 1, 0], [-s[1], 0, b]])
    z = np.array([[c, -s[2], 0], [s[2], c, 0], [0, 0, 1]])
    return z @ y @ x


@pytest.mark.parametrize("seed", range(15))
def test_a_random_urdf_has_the_masses_of_its_inertials(seed: int, tmp_path: Path) -> None:
    """Against an MJCF of the same numbers, without shapes: those of the URDF weigh nothing."""
    draw, links, joints = np.random.default_rng(100 + seed), [], []
    nested: dict[int, list[int]] = {}
    text: dict[int, str] = {}
    for number in range(12):
        kind = "fixed" if draw.random() < 0.35 else "revolute"
        weighs = number == 0 or kind == "revolute" or draw.random() < 0.5
        shapes = "" if draw.random() < 0.5 else '<collision><geometry><sphere radius="0.05"/></geometry></collision>'
        shapes += '<collision><geometry><mesh filename="package://x/y.stl"/></geometry></collision>'
        shapes += '<visual><geometry><box size="1 1 1"/></geometry></visual>'
        inertial, body = "", ""
        if weighs:
            mass, center, rpy = 10 ** draw.uniform(-3, 1), draw.uniform(-0.2, 0.2, 3), draw.uniform(-3, 3, 3)
            matrix = inertia(draw, mass)
            xx, yy, zz, xy, xz, yz = six(matrix).split()
            where = " ".join(f"{value:.17g}" for value in center)
            angles = " ".join(f"{value:.17g}" for value in rpy)
            inertial = (
                f'<inertial><origin xyz="{where}" rpy="{angles}"/><mass value="{mass:.17g}"/>'
                f'<inertia ixx="{xx}" iyy="{yy}" izz="{zz}" ixy="{xy}" ixz="{xz}" iyz="{yz}"/></inertial>'
            )
            turn = turned(rpy)
            body = f'<inertial pos="{where}" mass="{mass:.17g}" fullinertia="{six(turn @ matrix @ turn.T)}"/>'
        links.append(f'<link name="l{number}">{inertial}{shapes}</link>')
        if number == 0:
            text[0] = body
            continue
        parent = int(draw.integers(max(0, number - 4), number))
        nested.setdefault(parent, []).append(number)
        place, rpy, axis = vector(draw), draw.uniform(-3, 3, 3), vector(draw)
        angles = " ".join(f"{value:.17g}" for value in rpy)
        limit = '<limit lower="-1.1" upper="0.9" effort="7" velocity="5"/>'
        joints.append(
            f'<joint name="j{number}" type="{kind}"><parent link="l{parent}"/><child link="l{number}"/>'
            f'<origin xyz="{place}" rpy="{angles}"/><axis xyz="{axis}"/>{limit}</joint>'
        )
        quaternion = np.zeros(4)
        mujoco.mju_mat2Quat(quaternion, turned(rpy).ravel())
        joint = f'<joint name="j{number}" axis="{axis}" range="-1.1 0.9"/>' if kind == "revolute" else ""
        said = " ".join(f"{value:.17g}" for value in quaternion)
        text[number] = f'<body name="l{number}" pos="{place}" quat="{said}">{joint}{body}'

    def tree(number: int) -> str:
        return text[number] + "".join(tree(child) + "</body>" for child in nested.get(number, []))

    (tmp_path / "random.urdf").write_text(f'<robot name="random">{"".join(links)}{"".join(joints)}</robot>')
    truth = f'<body name="l0"><freejoint/>{tree(0)}</body>'
    model = mujoco.MjModel.from_xml_string(f'<mujoco><compiler angle="radian"/><worldbody>{truth}</worldbody></mujoco>')
    robot = read(tmp_path / "random.urdf").robot
    compare(robot, model, draw)
    assert {joint.torque_limit for joint in robot.joints} == {7.0}


def test_a_root_without_mass_takes_in_what_is_fixed_to_it(tmp_path: Path) -> None:
    """As descriptions do for tools that want no inertia at the root."""
    path = tmp_path / "a.xml"
    path.write_text(
        f'<mujoco><worldbody><body name="base"><freejoint/><body name="mount" pos="0 0 .1"><body name="trunk" pos=".1 0 0">'
        f'{FRAME}<body name="leg" pos="0 .1 0"><joint name="hip"/>{FRAME}</body></body></body></body></worldbody></mujoco>'
    )
    found = read(path)
    assert [(body.name, body.mass) for body in found.robot.bodies] == [("base", 3.0), ("leg", 3.0)]
    assert found.robot.bodies[0].center_of_mass == (0.1, 0, 0.1) and found.robot.bodies[1].position == (0.1, 0.1, 0.1)
    assert "changed: trunk is part of base, which has no mass and which it is fixed to" in found.notes
    assert "not kept: frames without mass: mount" in found.notes
    compare(found.robot, mujoco.MjModel.from_xml_path(str(path)), np.random.default_rng(0))


def test_a_foot_without_mass_stays_a_body_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text(
        f'<mujoco><worldbody><body name="base"><freejoint/>{FRAME}<body name="leg" pos="0 .1 0"><joint name="hip"/>{FRAME}'
        '<body name="foot" pos="0 0 -.3"><geom size=".02" mass="0"/></body></body></body></worldbody></mujoco>'
    )
    found = read(path)
    assert found.robot.feet == ("foot",) and [body.mass for body in found.robot.bodies] == [3.0, 2.97, 0.03]
    assert any(
        note.startswith("changed: bodies that touch and have no mass") and "foot of leg's" in note
        for note in found.notes
    )
    compare(found.robot, mujoco.MjModel.from_xml_path(str(path)), np.random.default_rng(0))


def test_a_foot_too_far_out_for_its_parent_is_joined_to_it(tmp_path: Path) -> None:
    """Taking any mass out of a rod's side would leave what no body can be."""
    path = tmp_path / "a.xml"
    rod = '<inertial pos="0 0 0" mass="1" diaginertia="0.01 0.01 1e-7"/>'
    path.write_text(
        f'<mujoco><worldbody><body name="base"><freejoint/>{FRAME}<body name="leg" pos="0 .1 0"><joint name="hip"/>{rod}'
        '<body name="foot" pos="1 0 0"><geom size=".02" mass="0"/></body></body></body></worldbody></mujoco>'
    )
    found = read(path)
    assert [body.name for body in found.robot.bodies] == ["base", "leg"]
    assert ("leg", (1.0, 0.0, 0.0)) in [(sphere.body, sphere.position) for sphere in found.robot.spheres]
    compare(found.robot, mujoco.MjModel.from_xml_path(str(path)), np.random.default_rng(0))


@pytest.mark.parametrize("moments", ["1e-3 1e-3 2e-3", "0.1 0.3 0.4", "1e-7 1e-7 2e-7"])
def test_a_plate_stays_a_body_that_engines_take(tmp_path: Path, moments: str) -> None:
    """Rounded, its two smaller moments could together be less than the largest."""
    path, draw = tmp_path / "a.xml", np.random.default_rng(1)
    leg = f'<inertial pos="0 0 0" mass="0.1" diaginertia="{moments}" euler="0.3 0.8 1.1"/>'
    path.write_text(
        f'<mujoco><worldbody><body name="base" euler="1 2 3"><freejoint/>{FRAME}'
        f'<body name="leg" euler="0.1 0.2 0.3"><joint name="hip"/>{leg}</body></body></worldbody></mujoco>'
    )
    compare(read(path).robot, mujoco.MjModel.from_xml_path(str(path)), draw)


def test_a_point_that_is_welded_on_gets_an_inertia(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text(
        f'<mujoco><worldbody><body name="base"><freejoint/>{FRAME}<body name="dot" pos="0 0 .2"><inertial pos="0 0 0" mass="1" '
        f'diaginertia="0 0 0"/></body><body name="leg"><joint name="hip"/>{FRAME}</body></body></worldbody></mujoco>'
    )
    found = read(path)
    assert "changed: inertias that no body can have are shared with what it is fixed to: dot with base" in found.notes
    compare(found.robot, mujoco.MjModel.from_xml_path(str(path)), np.random.default_rng(0))


def unreal(folder: Path, moments: str, kind: str = "fixed") -> Description:
    """A URDF whose camera, as in published ones, has the inertia of no body."""
    ixx, iyy, izz = moments.split()
    usual = '<inertial><mass value="2"/><inertia ixx="0.1" iyy="0.1" izz="0.1" ixy="0" ixz="0" iyz="0"/></inertial>'
    (folder / "a.urdf").write_text(
        f'<robot name="r"><link name="base">{usual}</link><link name="leg">{usual}</link><link name="camera"><inertial>'
        '<origin xyz="0 0 0.1" rpy="0.3 -0.2 1"/><mass value="0.16"/>'
        f'<inertia ixx="{ixx}" iyy="{iyy}" izz="{izz}" ixy="0" ixz="0" iyz="0"/></inertial></link>'
        '<joint name="hip" type="continuous"><parent link="base"/><child link="leg"/><axis xyz="0 1 0"/></joint>'
        f'<joint name="mount" type="{kind}"><parent link="leg"/><child link="camera"/><origin xyz="1 0 0" rpy="0.5 0 0"/>'
        '<axis xyz="0 0 1"/></joint></robot>'
    )
    return read(folder / "a.urdf")


@pytest.mark.parametrize("moments", ["1e-5 6e-4 2e-3", "0 0 3e-3", "-1e-3 1e-3 2e-3", "0 0 0"])
def test_what_no_body_can_have_is_shared_with_what_it_is_fixed_to(tmp_path: Path, moments: str) -> None:
    found = unreal(tmp_path, moments)
    assert "changed: inertias that no body can have are shared with what it is fixed to: camera with leg" in found.notes
    together = Rigid(0.0, np.zeros(3), np.zeros((3, 3)))
    for body in found.robot.bodies[1:]:
        place = np.array(body.center_of_mass) + (body.position if body.joint is None else 0)
        xx, yy, zz, xy, xz, yz = body.inertia
        matrix = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
        assert Rigid(body.mass, place, matrix).is_real
        together = together.plus(Rigid(body.mass, place, matrix))
    turn, own = turned(np.array([0.5, 0, 0])), turned(np.array([0.3, -0.2, 1]))
    camera = turn @ own @ np.diag([float(moment) for moment in moments.split()]) @ (turn @ own).T
    truth = Rigid(2.0, np.zeros(3), 0.1 * np.eye(3)).plus(Rigid(0.16, turn @ (0, 0, 0.1) + (1, 0, 0), camera))
    np.testing.assert_allclose(together.inertia, truth.inertia, atol=1e-9)
    np.testing.assert_allclose(together.center, truth.center, atol=1e-8)


@pytest.mark.parametrize("moments", ["1e-3 1e-3 2e-3", "1e-12 1e-3 1e-3", "1e-3 1e-3 2.0000000000001e-3"])
def test_a_plate_or_a_rod_of_a_urdf_is_no_news(tmp_path: Path, moments: str) -> None:
    assert not any("inertias" in note for note in unreal(tmp_path, moments).notes)


def test_what_no_body_can_have_and_is_fixed_to_none_is_changed(tmp_path: Path) -> None:
    found = unreal(tmp_path, "1e-5 6e-4 2e-3", kind="continuous")
    assert "changed: inertias that no body can have are the nearest that one can: camera" in found.notes
    with pytest.raises(
        ValueError, match="'camera' has an inertia that no body has: its principal moments are -0.001, 0.001"
    ):
        unreal(tmp_path, "-1e-3 1e-3 2e-3", kind="continuous")


def test_two_bodies_are_one_and_one_is_two() -> None:
    one = Rigid(2.0, np.array([0.0, 0.0, 1.0]), np.eye(3))
    two = Rigid(2.0, np.array([0.0, 0.0, -1.0]), np.eye(3))
    both = one.plus(two)
    np.testing.assert_allclose(both.center, 0)
    np.testing.assert_allclose(both.inertia, np.diag([6.0, 6.0, 2.0]))
    left = both.plus(two, -1.0)
    np.testing.assert_allclose(left.center, one.center)
    np.testing.assert_allclose(left.inertia, one.inertia)
