"""Robots from MJCF and URDF files, read by MuJoCo."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import mujoco
import numpy as np

from locoenvs.kinematics import frames
from locoenvs.robot import Body, Joint, Robot, Sphere, Vector3

_FOOT_RADIUS = 0.02
"""Of the sphere that a foot without any shape gets, m."""
_TORQUE, _SPEED = 100.0, 30.0
"""What a joint can do whose file does not say, N m and rad/s."""
_TURN = 9.42
"""How far a joint without end stops goes, rad: three turns are out of reach."""
_LOWEST = 0.05
"""Bodies without children whose lowest point is within this of the lowest are feet, m."""
_FRAME = 1e-4
"""Mass of a frame that has none and carries bodies, as a share of the robot's."""
_BESIDE = 2e-3
"""How far a joint may be from where its mirror image should be, m."""


def read(path: Path) -> Robot:
    """The robot of a file, with what the file does not hold guessed.

    Bodies, joints, masses, inertias, axes and limits are the file's. The default pose is its first keyframe, or the
    pose that it is drawn in, moved into the joints' ranges; gains follow from the torque limits; contact spheres from
    its shapes for contact; feet are the lowest bodies without children. Meshes are not needed. Raises ValueError
    naming what cannot be read.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise ValueError(f"{path}, line {error.position[0]}: {error}") from error
    if root.tag == "robot":
        _prepare_urdf(root)
    elif root.tag == "mujoco":
        _prepare_mjcf(root)
    else:
        raise ValueError(f"{path}: its root is <{root.tag}>: it is neither MJCF (<mujoco>) nor URDF (<robot>)")
    try:
        speeds = _speeds(root)
        model = mujoco.MjSpec.from_string(ElementTree.tostring(root, encoding="unicode")).compile()
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    trunk = _trunk(model, path)
    data = mujoco.MjData(model)
    data.qpos[model.jnt_qposadr[model.jnt_type == int(mujoco.mjtJoint.mjJNT_HINGE)]] = 0.0  # not so where MJCF has ref
    mujoco.mj_kinematics(model, data)
    bodies, origins = _bodies(model, data, path, trunk, speeds)
    spheres = _spheres(model, data, trunk, origins)
    feet, lowest = _feet(bodies, spheres)
    held = {sphere.body for sphere in spheres}
    spheres += [Sphere(foot, (0.0, 0.0, 0.0), _FOOT_RADIUS) for foot in feet if foot not in held]
    base = bodies[0].name
    if base not in held:
        spheres.append(Sphere(base, (0.0, 0.0, 0.0), 0.1))
    name = root.get("name") or root.get("model")
    if not name or name == "MuJoCo Model":  # as MuJoCo writes one that has none
        name = path.stem
    return Robot(
        name=re.sub(r"\W", "_", name).lower(),
        bodies=tuple(bodies),
        spheres=tuple(spheres),
        feet=tuple(feet),
        penalized=(),
        terminating=(base,),
        start_height=round(0.03 - lowest, 4),
        action_scale=0.25,
        mirror=_mirror(bodies),
    )


def _prepare_urdf(root: ElementTree.Element) -> None:
    """Take away shapes that need other files, and let the robot move freely."""
    for link in root.findall("link"):
        for part in [*link.findall("visual"), *link.findall("collision")]:
            if part.tag == "visual" or part.find("geometry/mesh") is not None:
                link.remove(part)
    children = {child.get("link") for child in root.findall("joint/child")}
    free = [link.get("name", "") for link in root.findall("link") if link.get("name") not in children]
    if len(free) == 1 and free[0] != "world":  # MuJoCo would weld it to the world
        ElementTree.SubElement(root, "link", name="world")
        joint = ElementTree.SubElement(root, "joint", name="root", type="floating")
        ElementTree.SubElement(joint, "parent", link="world")
        ElementTree.SubElement(joint, "child", link=free[0])
    options = root.find("mujoco")
    if options is None:
        options = ElementTree.SubElement(root, "mujoco")
    compiler = options.find("compiler")
    if compiler is None:
        compiler = ElementTree.SubElement(options, "compiler")
    compiler.attrib.update(fusestatic="false", discardvisual="false", balanceinertia="false")


def _prepare_mjcf(root: ElementTree.Element) -> None:
    """Take away what needs other files, and what names that; what it includes must be in the file itself."""
    for section in list(root):
        if section.tag in ("asset", "contact", "deformable", "sensor"):
            root.remove(section)
    for parent in root.iter():
        for part in list(parent):
            part.attrib.pop("material", None)
            if part.tag == "geom" and ("mesh" in part.attrib or part.get("type") in ("mesh", "hfield")):
                if parent.tag == "default":
                    for name in ("type", "mesh", "hfield"):
                        part.attrib.pop(name, None)
                else:
                    parent.remove(part)


def _speeds(root: ElementTree.Element) -> dict[str, float]:
    """The velocity limits of a URDF's joints, rad/s, where it says one; MJCF has none."""
    limits = {joint.get("name", ""): joint.find("limit") for joint in root.findall("joint")}
    speeds = {name: float(limit.get("velocity", 0)) for name, limit in limits.items() if limit is not None}
    return {name: speed for name, speed in speeds.items() if 0 < speed < np.inf}


def _trunk(model: mujoco.MjModel, path: Path) -> int:
    """The body that all others hang on."""
    found = [
        body for body in range(1, model.nbody) if model.body_parentid[body] == 0 and model.body_subtreemass[body] > 0
    ]
    if len(found) != 1:
        raise ValueError(f"{path}: needs one tree of bodies, has {len(found)}")
    return found[0]


def _name(model: mujoco.MjModel, body: int) -> str:
    return str(model.body(body).name) or f"body_{body}"


def _bodies(
    model: mujoco.MjModel, data: mujoco.MjData, path: Path, trunk: int, speeds: dict[str, float]
) -> tuple[list[Body], dict[int, np.ndarray]]:
    """Bodies whose frames are parallel to the trunk's at joint angle zero and stand on their hinges.

    And by each one's number in the model where its frame stands in ``data``, m.
    """
    hinged, free = int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_FREE)
    turn = data.xmat[trunk].reshape(3, 3)
    origins: dict[int, np.ndarray] = {}
    made: list[Body] = []
    for body in range(trunk, model.nbody):
        if model.body_subtreemass[body] <= 0:
            continue  # only a frame, such as a sensor's
        count, first = int(model.body_jntnum[body]), int(model.body_jntadr[body])
        name, parent = _name(model, body), int(model.body_parentid[body])
        kinds = [int(model.jnt_type[first + index]) for index in range(count)]
        if kinds not in ([], [free] if body == trunk else [hinged]):
            raise ValueError(
                f"{path}: body {name!r} has the joints {[mujoco.mjtJoint(k).name for k in kinds]}: the root moves freely "
                "and every other body has one hinge or none"
            )
        hinge = kinds == [hinged]
        origins[body] = np.array(data.xanchor[first] if hinge else data.xpos[body])
        mass, center = float(model.body_mass[body]), data.xipos[body] - origins[body]
        if mass <= 0:
            if hinge:
                raise ValueError(f"{path}: body {name!r} has a joint but no mass")
            mass, center = _FRAME * float(model.body_subtreemass[trunk]), np.zeros(3)
        principal = turn.T @ data.ximat[body].reshape(3, 3)
        moments = np.maximum(model.body_inertia[body], 1e-8)
        inertia = principal @ np.diag(moments) @ principal.T
        made.append(
            Body(
                name=name,
                parent=None if body == trunk else _name(model, parent),
                position=(0.0, 0.0, 0.0) if body == trunk else _vector(turn.T @ (origins[body] - origins[parent])),
                mass=round(mass, 6),
                center_of_mass=_vector(turn.T @ center),
                inertia=tuple(
                    float(f"{inertia[i, j]:.6g}") for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
                ),  # type: ignore[arg-type]
                joint=_joint(model, first, turn.T @ data.xaxis[first], speeds) if hinge else None,
            )
        )
    return made, origins


def _joint(model: mujoco.MjModel, joint: int, axis: np.ndarray, speeds: dict[str, float]) -> Joint:
    """A hinge about ``axis``, with the limits and the gain of the actuators that drive it."""
    name, address = str(model.joint(joint).name) or f"joint_{joint}", int(model.jnt_qposadr[joint])
    lower, upper = model.jnt_range[joint] if model.jnt_limited[joint] else (-_TURN, _TURN)
    pose = model.key_qpos[0] if model.nkey else model.qpos0
    limits = [np.abs(model.jnt_actfrcrange[joint]).max()] if model.jnt_actfrclimited[joint] else []
    stiffness = 0.0
    for actuator in range(model.nu):
        kind, driven = int(model.actuator_trntype[actuator]), int(model.actuator_trnid[actuator, 0])
        if kind != int(mujoco.mjtTrn.mjTRN_JOINT) or driven != joint:
            continue
        gear, bias = abs(float(model.actuator_gear[actuator, 0])), int(model.actuator_biastype[actuator])
        if model.actuator_forcelimited[actuator]:
            limits.append(gear * np.abs(model.actuator_forcerange[actuator]).max())
        if model.actuator_ctrllimited[actuator] and bias == int(mujoco.mjtBias.mjBIAS_NONE):
            limits.append(gear * np.abs(model.actuator_ctrlrange[actuator]).max())
        if bias == int(mujoco.mjtBias.mjBIAS_AFFINE):
            stiffness = max(stiffness, gear**2 * -float(model.actuator_biasprm[actuator, 1]))
    torque = float(min(limits, default=_TORQUE))
    stiffness = stiffness or torque
    return Joint(
        name=name,
        axis=_vector(axis),
        lower=round(float(lower), 6),
        upper=round(float(upper), 6),
        torque_limit=round(torque, 4),
        velocity_limit=speeds.get(name, _SPEED),
        default=round(float(np.clip(pose[address], lower, upper)), 6),
        stiffness=round(stiffness, 4),
        damping=round(stiffness / 40, 4),
        armature=round(float(model.dof_armature[model.jnt_dofadr[joint]]), 6),
    )


def _spheres(model: mujoco.MjModel, data: mujoco.MjData, trunk: int, origins: dict[int, np.ndarray]) -> list[Sphere]:
    """Spheres inside the shapes that touch: the sphere itself, the ends of capsules and cylinders, a box's corners."""
    turn = data.xmat[trunk].reshape(3, 3)
    kinds, made = mujoco.mjtGeom, []
    for geom in range(model.ngeom):
        body = int(model.geom_bodyid[geom])
        if body not in origins or not (model.geom_contype[geom] or model.geom_conaffinity[geom]):
            continue
        kind, size = int(model.geom_type[geom]), model.geom_size[geom]
        if kind == kinds.mjGEOM_SPHERE:
            points, radius = np.zeros((1, 3)), size[0]
        elif kind in (kinds.mjGEOM_CAPSULE, kinds.mjGEOM_CYLINDER):
            radius = size[0] if kind == kinds.mjGEOM_CAPSULE else min(size[:2])
            half = size[1] if kind == kinds.mjGEOM_CAPSULE else size[1] - radius
            points = np.array([[0, 0, half], [0, 0, -half]]) if half > 0 else np.zeros((1, 3))
        elif kind == kinds.mjGEOM_BOX:
            radius = min(size)
            signs = np.array(np.meshgrid((1, -1), (1, -1), (1, -1))).reshape(3, -1).T
            points = np.unique(signs * (size - radius), axis=0)
        else:
            continue
        for point in points:
            world = data.geom_xmat[geom].reshape(3, 3) @ point + data.geom_xpos[geom]
            place = _vector(turn.T @ (world - origins[body]))
            made.append(Sphere(_name(model, body), place, round(float(radius), 5)))
    return made


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
    made = []
    for joint, place in joints:
        image, axis = place * (1, -1, 1), np.array(joint.axis) * (-1, 1, -1)
        there = [other for other, at in joints if np.abs(at - image).max() < _BESIDE]
        along = {other.name: float(axis @ other.axis) for other in there if abs(axis @ other.axis) > 0.99}
        if len(along) != 1:
            return ()
        made += [(name, 1.0 if sign > 0 else -1.0) for name, sign in along.items()]
    return tuple(made)


def _vector(values: np.ndarray) -> Vector3:
    x, y, z = (round(float(value), 6) + 0.0 for value in values)
    return (x, y, z)
