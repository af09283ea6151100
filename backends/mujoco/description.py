"""Robots from MJCF and URDF files, read by MuJoCo."""

from __future__ import annotations

import re
from pathlib import Path

import mujoco
import numpy as np
from pydantic import ValidationError

from locoenvs.backends.mujoco import description_dropped
from locoenvs.backends.mujoco.description_bodies import Part, parts
from locoenvs.backends.mujoco.description_drives import Drive, drive
from locoenvs.backends.mujoco.description_model import Source, compile_file, listed
from locoenvs.mdp.kinematics import frames
from locoenvs.tasks.robot import Body, Joint, Robot, Sphere, Vector3
from locoenvs.tools.robot_file import Description

_FOOT_RADIUS = 0.02
"""Of the sphere that a foot without any shape gets, m."""
_TORQUE, _SPEED = 100.0, 30.0
"""What a joint can do whose file does not say, N m and rad/s."""
_TURN = 9.42
"""How far a joint without end stops goes, rad: three turns are out of reach."""
_LOWEST = 0.05
"""Bodies without children whose lowest point is within this of the lowest are feet, m."""
_BESIDE = 2e-3
"""How far a joint may be from where its mirror image should be, m."""
_DIGITS = 9
"""Digits that numbers are kept with, and decimals of lengths: together far better than 1e-5 of a mass matrix."""
_THIN = 1e-8
"""By how much the smaller moments of inertia together exceed the largest at least, as a share of it: engines refuse a
body of which they do not, and a plate is one if its numbers are rounded."""


def read(path: Path) -> Description:
    """The robot of a file, with what the file does not hold guessed, and what of the file the robot does not have.

    Bodies, joints, masses, inertias, axes and limits are the file's: as MuJoCo reads them, and for a URDF those of its
    ``<inertial>`` elements. The default pose is its first keyframe, or the pose that it is drawn in, moved into the
    joints' ranges; gains are those of its position drives, or follow from the torque limits; contact spheres from its
    shapes for contact; feet are the lowest bodies without children. Meshes are needed where a mass is taken from them.
    Raises ValueError naming what cannot be read, and what would make another machine if it were left out.
    """
    source = compile_file(path)
    try:
        return _description(source)
    except ValidationError as error:
        first = error.errors()[0]
        said = first["msg"].removeprefix("Value error, ")
        where = "".join(f".{part}" for part in first["loc"])
        raise ValueError(f"{path}: {f'{error.title}{where}: ' if where else ''}{said}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _description(source: Source) -> Description:
    model, notes = source.model, list(source.notes)
    trunk, names = _trunk(model), _names(model)
    description_dropped.refuse_couplings(model)
    robot = {body for body in range(1, model.nbody) if model.body_rootid[body] == trunk}
    if source.fixed:
        notes.append(f"changed: {names[trunk]} is fixed to the world in the file, and moves freely here")
    data = mujoco.MjData(model)
    data.qpos[model.jnt_qposadr[model.jnt_type == int(mujoco.mjtJoint.mjJNT_HINGE)]] = 0.0  # not so where MJCF has ref
    mujoco.mj_kinematics(model, data)
    turn, robot_parts = data.xmat[trunk].reshape(3, 3), parts(source, data, trunk, names, notes)
    bodies = _bodies(source, data, turn, robot_parts, names, notes)
    notes += description_dropped.notes(model, robot)
    spheres = [
        Sphere(names[part.number], _rounded(turn.T @ (center - part.origin), 6), round(radius, 5))
        for part in robot_parts
        for center, radius in part.spheres
    ]
    feet, lowest = _feet(bodies, spheres)
    held = {sphere.body for sphere in spheres}
    spheres += [Sphere(foot, (0.0, 0.0, 0.0), _FOOT_RADIUS) for foot in feet if foot not in held]
    base = bodies[0].name
    if base not in held:
        spheres.append(Sphere(base, (0.0, 0.0, 0.0), 0.1))
    result = Robot(
        name=re.sub(r"\W", "_", source.name).lower(),
        bodies=tuple(bodies),
        spheres=tuple(spheres),
        feet=tuple(feet),
        penalized=(),
        terminating=(base,),
        start_height=round(0.03 - min(lowest, 0.0), 4),
        action_scale=0.25,
        mirror=_mirror(bodies),
    )
    return Description(result, tuple(notes))


def _trunk(model: mujoco.MjModel) -> int:
    """The body that all others hang on."""
    trunks = [
        body for body in range(1, model.nbody) if model.body_parentid[body] == 0 and model.body_subtreemass[body] > 0
    ]
    if len(trunks) != 1:
        raise ValueError(f"needs one tree of bodies, has {len(trunks)}")
    return trunks[0]


def _names(model: mujoco.MjModel) -> list[str]:
    """Each body's name, or one made of its number."""
    names = [str(model.body(body).name) for body in range(model.nbody)]
    for body, name in enumerate(names):
        made = name or f"body_{body}"
        while not name and made in names:
            made += "_"
        names[body] = made
    return names


def _bodies(
    source: Source, data: mujoco.MjData, turn: np.ndarray, robot_parts: list[Part], names: list[str], notes: list[str]
) -> list[Body]:
    """Bodies whose frames are parallel to the trunk's at joint angle zero and stand on their hinges."""
    drives = {part.joint: drive(source.model, part.joint, notes) for part in robot_parts if part.joint is not None}
    bodies = []
    for part in robot_parts:
        rigid, parent, joint = part.rigid, part.parent, None
        if part.joint is not None:
            joint = _joint(source, part.joint, turn.T @ data.xaxis[part.joint], drives[part.joint])
        bodies.append(
            Body(
                name=names[part.number],
                parent=None if parent is None else names[parent.number],
                position=(0.0, 0.0, 0.0) if parent is None else _rounded(turn.T @ (part.origin - parent.origin)),
                mass=_digits(rigid.mass),
                center_of_mass=_rounded(turn.T @ (rigid.center - part.origin)),
                inertia=_inertia(turn.T @ rigid.inertia @ turn),
                joint=joint,
            )
        )
    _note_guesses(source, {_joint_name(source.model, joint): (joint, each) for joint, each in drives.items()}, notes)
    return bodies


def _joint_name(model: mujoco.MjModel, joint: int) -> str:
    return str(model.joint(joint).name) or f"joint_{joint}"


def _joint(source: Source, joint: int, axis: np.ndarray, driven: Drive) -> Joint:
    """A hinge about ``axis``, with the limits and the gains of what drives it."""
    model, name = source.model, _joint_name(source.model, joint)
    address = int(model.jnt_qposadr[joint])
    said = model.jnt_range[joint]
    lower, upper = said if model.jnt_limited[joint] or said[0] > said[1] else (-_TURN, _TURN)
    pose = model.key_qpos[0] if model.nkey else model.qpos0
    lower, upper = _digits(lower), _digits(upper)
    torque = driven.torque or _TORQUE
    stiffness = driven.stiffness or torque
    return Joint(
        name=name,
        axis=_rounded(axis),
        lower=lower,
        upper=upper,
        torque_limit=_digits(torque),
        velocity_limit=source.speeds.get(name, _SPEED),
        default=float(min(max(round(float(pose[address]), 6), lower), upper)),
        stiffness=_digits(stiffness),
        damping=_digits(driven.damping or stiffness / 40),
        armature=_digits(model.dof_armature[model.jnt_dofadr[joint]]),
    )


def _note_guesses(source: Source, drives: dict[str, tuple[int, Drive]], notes: list[str]) -> None:
    for what, names in (
        (
            f"a range of +-{_TURN} rad, for",
            [n for n, (joint, _) in drives.items() if not source.model.jnt_limited[joint]],
        ),
        (f"a torque limit of {_TORQUE:g} N m for", [n for n, (_, each) in drives.items() if not each.torque]),
        (f"a velocity limit of {_SPEED:g} rad/s for", [name for name in drives if name not in source.speeds]),
    ):
        if names:
            notes.append(f"assumed: {what} {listed(names)}: the file says none")


def _feet(bodies: list[Body], spheres: list[Sphere]) -> tuple[list[str], float]:
    """The lowest bodies without children in the default pose, and their lowest point in the root's frame, m."""
    placed, parents = frames(bodies), {body.parent for body in bodies}
    heights: dict[str, float] = {}
    for body in bodies[1:]:
        if body.name in parents:
            continue
        turn, at = placed[body.name]
        points = [(at + turn @ each.position)[2] - each.radius for each in spheres if each.body == body.name]
        heights[body.name] = float(min(points, default=at[2] - _FOOT_RADIUS))
    if not heights:
        raise ValueError(f"body {bodies[0].name!r} has no legs: no other body has a shape or a joint")
    lowest = min(heights.values())
    return [name for name, height in heights.items() if height < lowest + _LOWEST], lowest


def _mirror(bodies: list[Body]) -> tuple[tuple[str, float], ...]:
    """Each joint's image: at joint angle zero it stands at (x, -y, z), its axis along +-(-x, y, -z).

    Empty if any joint has none, or several.
    """
    places: dict[str, np.ndarray] = {}
    joints: list[tuple[Joint, np.ndarray]] = []
    for body in bodies:
        places[body.name] = np.array(body.position) + (0.0 if body.parent is None else places[body.parent])
        if body.joint is not None:
            joints.append((body.joint, places[body.name]))
    pairs = []
    for joint, place in joints:
        image, axis = place * (1, -1, 1), np.array(joint.axis) * (-1, 1, -1)
        there = [other for other, at in joints if np.abs(at - image).max() < _BESIDE]
        along = {other.name: float(axis @ other.axis) for other in there if abs(axis @ other.axis) > 0.99}
        if len(along) != 1:
            return ()
        pairs += [(name, 1.0 if sign > 0 else -1.0) for name, sign in along.items()]
    return tuple(pairs)


def _digits(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _rounded(values: np.ndarray, decimals: int = _DIGITS) -> Vector3:
    x, y, z = (round(float(value), decimals) + 0.0 for value in values)
    return (x, y, z)


def _inertia(matrix: np.ndarray) -> tuple[float, float, float, float, float, float]:
    """ixx, iyy, izz, ixy, ixz, iyz, rounded so that it stays that of a real body."""
    moments, axes = np.linalg.eigh(matrix)
    lack = moments[2] * (1 + _THIN) - moments[0] - moments[1]
    if lack > 0:
        matrix = axes @ np.diag(moments + (lack / 2, lack / 2, 0.0)) @ axes.T
    decimals = _DIGITS + 1 - int(np.floor(np.log10(moments[2])))
    xx, yy, zz, xy, xz, yz = (
        round(float(matrix[i, j]), decimals) + 0.0 for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
    )
    return xx, yy, zz, xy, xz, yz
