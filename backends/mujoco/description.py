"""Robots from MJCF and URDF files, read by MuJoCo."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import mujoco
import numpy as np

from locoenvs.robot import Body, Joint, Robot, Sphere, Vector3

_FOOT_RADIUS = 0.02
"""Of the sphere that a foot without any shape gets, m."""
_TORQUE, _SPEED = 100.0, 30.0
"""What a joint can do whose file does not say, N m and rad/s."""
_TURN = 9.42
"""How far a joint without end stops goes, rad: three turns are out of reach."""
_LOWEST = 0.05
"""Bodies without children whose lowest point is within this of the lowest are feet, m."""


def read(path: Path) -> Robot:
    """The robot of a file, with what the file does not hold guessed.

    Bodies, joints, masses, inertias, axes and limits are the file's. The default pose is its first keyframe, or zero
    moved into the joints' ranges; gains follow from the torque limits; contact spheres from its shapes for contact; feet are the
    lowest bodies without children. Meshes are not needed. Raises ValueError naming what cannot be read.
    """
    text = _without_meshes(path)
    try:
        spec = mujoco.MjSpec.from_string(text)
        model = spec.compile()
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    pose = _pose(model)
    bodies, joints = _bodies(model, data, path, pose)
    spheres = _spheres(model, data)
    feet, lowest = _feet(model, pose, spheres, bodies)
    held = {sphere.body for sphere in spheres}
    spheres += [Sphere(foot, (0.0, 0.0, 0.0), _FOOT_RADIUS) for foot in feet if foot not in held]
    root = bodies[0].name
    if root not in {sphere.body for sphere in spheres}:
        spheres.append(Sphere(root, (0.0, 0.0, 0.0), 0.1))
    return Robot(
        name=re.sub(r"\W", "_", (model.names.split(b"\0")[0].decode() or path.stem)).lower(),
        bodies=tuple(bodies),
        spheres=tuple(spheres),
        feet=tuple(feet),
        penalized=(),
        terminating=(root,),
        start_height=round(0.03 - lowest, 4),
        action_scale=0.25,
        mirror=_mirror(joints),
    )


def _without_meshes(path: Path) -> str:
    """The text of the file without shapes that need other files; of MJCF, what it includes must be in the file itself."""
    try:
        tree = ElementTree.parse(path)
    except ElementTree.ParseError as error:
        raise ValueError(f"{path}, line {error.position[0]}: {error}") from error
    root = tree.getroot()
    if root.tag == "robot":  # URDF
        for link in root.findall("link"):
            for part in [*link.findall("visual"), *link.findall("collision")]:
                if part.tag == "visual" or part.find("geometry/mesh") is not None:
                    link.remove(part)
        children = {child.get("link") for child in root.findall("joint/child")}
        free = [link.get("name", "") for link in root.findall("link") if link.get("name") not in children]
        if len(free) == 1:  # MuJoCo would weld it to the world
            ElementTree.SubElement(root, "link", name="world")
            joint = ElementTree.SubElement(root, "joint", name="root", type="floating")
            ElementTree.SubElement(joint, "parent", link="world")
            ElementTree.SubElement(joint, "child", link=free[0])
        options = root.find("mujoco")
        if options is None:
            options = ElementTree.SubElement(root, "mujoco")
        ElementTree.SubElement(options, "compiler", fusestatic="false", discardvisual="false", balanceinertia="false")
        return ElementTree.tostring(root, encoding="unicode")
    if root.tag != "mujoco":
        raise ValueError(f"{path}: its root is <{root.tag}>: it is neither MJCF (<mujoco>) nor URDF (<robot>)")
    for parent in root.iter():
        for part in list(parent):
            mesh = part.tag == "geom" and ("mesh" in part.attrib or part.get("type") in ("mesh", "hfield"))
            if mesh or part.tag in ("mesh", "hfield", "texture") or "material" in part.attrib:
                if mesh or part.tag != "geom":
                    parent.remove(part)
                else:
                    del part.attrib["material"]
    return ElementTree.tostring(root, encoding="unicode")


def _pose(model: mujoco.MjModel) -> np.ndarray:
    """The default pose, qpos (nq,)."""
    pose = np.array(model.key_qpos[0] if model.nkey else model.qpos0)
    for joint in range(model.njnt):
        if model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_HINGE and model.jnt_limited[joint]:
            address, (lower, upper) = model.jnt_qposadr[joint], model.jnt_range[joint]
            pose[address] = np.clip(pose[address], lower, upper)
    return pose


def _name(model: mujoco.MjModel, body: int) -> str:
    return str(model.body(body).name) or f"body_{body}"


def _bodies(
    model: mujoco.MjModel, data: mujoco.MjData, path: Path, pose: np.ndarray
) -> tuple[list[Body], list[tuple[Body, Joint]]]:
    """Bodies whose frames are parallel to the root's at joint angle zero and stand on their hinges."""
    roots = [
        body for body in range(1, model.nbody) if model.body_parentid[body] == 0 and model.body_subtreemass[body] > 0
    ]
    if len(roots) != 1:
        raise ValueError(f"{path}: needs one tree of bodies, has {len(roots)}")
    turn = data.xmat[roots[0]].reshape(3, 3)
    local = lambda vector: turn.T @ np.asarray(vector)  # noqa: E731
    origins: dict[int, np.ndarray] = {0: np.zeros(3)}
    made: list[Body] = []
    joints: list[tuple[Body, Joint]] = []
    for body in range(roots[0], model.nbody):
        count, first = int(model.body_jntnum[body]), int(model.body_jntadr[body])
        name, parent = _name(model, body), int(model.body_parentid[body])
        kinds = [int(model.jnt_type[first + index]) for index in range(count)]
        free = body == roots[0] and kinds in ([], [int(mujoco.mjtJoint.mjJNT_FREE)])
        if not free and (body == roots[0] or count > 1 or any(k != mujoco.mjtJoint.mjJNT_HINGE for k in kinds)):
            raise ValueError(
                f"{path}: body {name!r} has the joints {[mujoco.mjtJoint(k).name for k in kinds]}: the root moves freely "
                "and every other body has one hinge or none"
            )
        hinge = not free and count == 1
        origins[body] = np.array(data.xanchor[first] if hinge else data.xpos[body])
        mass = float(model.body_mass[body])
        if mass <= 0:
            if hinge:
                raise ValueError(f"{path}: body {name!r} has a joint but no mass")
            if not any(model.body_parentid[other] == body for other in range(model.nbody)):
                origins.pop(body)
                continue  # a frame on a body, such as a sensor's
            mass = 1e-4
        axes = np.zeros(9)
        mujoco.mju_quat2Mat(axes, model.body_iquat[body])
        principal = turn.T @ data.xmat[body].reshape(3, 3) @ axes.reshape(3, 3)
        moments = np.maximum(model.body_inertia[body], 1e-8)
        inertia = principal @ np.diag(moments) @ principal.T
        center = local(data.xmat[body].reshape(3, 3) @ model.body_ipos[body] + data.xpos[body] - origins[body])
        joint = _joint(model, data, first, local, pose) if hinge else None
        there = np.zeros(3) if body == roots[0] else local(origins[body] - origins[parent])
        part = Body(
            name=name,
            parent=None if body == roots[0] else _name(model, parent),
            position=_vector(there),
            mass=round(mass, 6),
            center_of_mass=_vector(center),
            inertia=tuple(float(f"{inertia[i, j]:.6g}") for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))),  # type: ignore[arg-type]
            joint=joint,
        )
        made.append(part)
        if joint is not None:
            joints.append((part, joint))
    return made, joints


def _joint(model: mujoco.MjModel, data: mujoco.MjData, joint: int, local, pose: np.ndarray) -> Joint:  # type: ignore[no-untyped-def]
    lower, upper = model.jnt_range[joint] if model.jnt_limited[joint] else (-_TURN, _TURN)
    torque = _TORQUE
    if model.jnt_actfrclimited[joint]:
        torque = float(np.abs(model.jnt_actfrcrange[joint]).max())
    driven = [a for a in range(model.nu) if model.actuator_trnid[a, 0] == joint]
    for actuator in driven:
        if model.actuator_forcelimited[actuator]:
            torque = float(np.abs(model.actuator_forcerange[actuator]).max())
        elif model.actuator_ctrllimited[actuator] and model.actuator_biastype[actuator] == mujoco.mjtBias.mjBIAS_NONE:
            gear = abs(float(model.actuator_gear[actuator, 0]))
            torque = gear * float(np.abs(model.actuator_ctrlrange[actuator]).max())
    stiffness = torque
    for actuator in driven:
        if (
            model.actuator_biastype[actuator] == mujoco.mjtBias.mjBIAS_AFFINE
            and model.actuator_gainprm[actuator, 0] > 0
        ):
            stiffness = float(model.actuator_gainprm[actuator, 0])
    return Joint(
        name=str(model.joint(joint).name) or f"joint_{joint}",
        axis=_vector(local(data.xaxis[joint])),
        lower=round(float(lower), 6),
        upper=round(float(upper), 6),
        torque_limit=round(torque, 4),
        velocity_limit=_SPEED,
        default=round(float(pose[model.jnt_qposadr[joint]]), 6),
        stiffness=round(stiffness, 4),
        damping=round(stiffness / 40, 4),
        armature=round(float(model.dof_armature[model.jnt_dofadr[joint]]), 6),
    )


def _spheres(model: mujoco.MjModel, data: mujoco.MjData) -> list[Sphere]:
    """Spheres inside the shapes that touch: the sphere itself, the ends of capsules and cylinders, a box's corners."""
    root = next(body for body in range(1, model.nbody) if model.body_parentid[body] == 0)
    turn = data.xmat[root].reshape(3, 3)
    kinds, made = mujoco.mjtGeom, []
    for geom in range(model.ngeom):
        body = int(model.geom_bodyid[geom])
        if body == 0 or not (model.geom_contype[geom] or model.geom_conaffinity[geom]) or model.body_mass[body] <= 0:
            continue
        kind, size = model.geom_type[geom], model.geom_size[geom]
        if kind == kinds.mjGEOM_SPHERE:
            points, radius = np.zeros((1, 3)), size[0]
        elif kind in (kinds.mjGEOM_CAPSULE, kinds.mjGEOM_CYLINDER):
            radius = size[0]
            half = size[1] if kind == kinds.mjGEOM_CAPSULE else max(size[1] - radius, 0.0)
            points = np.array([[0, 0, half], [0, 0, -half]]) if half > 0 else np.zeros((1, 3))
        elif kind == kinds.mjGEOM_BOX:
            radius = min(size)
            signs = np.array(np.meshgrid((1, -1), (1, -1), (1, -1))).reshape(3, -1).T
            points = np.unique(signs * (size - radius), axis=0)
        else:
            continue
        jointed = model.body_jntnum[body] and model.jnt_type[model.body_jntadr[body]] == mujoco.mjtJoint.mjJNT_HINGE
        origin = data.xanchor[model.body_jntadr[body]] if jointed else data.xpos[body]
        for point in points:
            world = data.geom_xmat[geom].reshape(3, 3) @ point + data.geom_xpos[geom]
            made.append(Sphere(_name(model, body), _vector(turn.T @ (world - origin)), round(float(radius), 5)))
    return made


def _feet(
    model: mujoco.MjModel, pose: np.ndarray, spheres: list[Sphere], bodies: list[Body]
) -> tuple[list[str], float]:
    """The lowest bodies without children in the default pose, and the height of their lowest point under the root."""
    data = mujoco.MjData(model)
    data.qpos = pose
    mujoco.mj_kinematics(model, data)
    parents = {body.parent for body in bodies}
    root = bodies[0].name
    turn, at = data.body(root).xmat.reshape(3, 3), data.body(root).xpos
    heights: dict[str, float] = {}
    for body in bodies[1:]:
        if body.name in parents:
            continue
        own = [sphere for sphere in spheres if sphere.body == body.name]
        place = turn.T @ (data.body(body.name).xpos - at)
        moved = turn.T @ data.body(body.name).xmat.reshape(3, 3)
        points = [(place + moved @ np.array(each.position))[2] - each.radius for each in own]
        heights[body.name] = float(min(points, default=place[2] - _FOOT_RADIUS))
    if not heights:
        raise ValueError(f"body {root!r} has no legs: no other body has a shape or a joint")
    lowest = min(heights.values())
    return [name for name, height in heights.items() if height < lowest + _LOWEST], lowest


_SIDES = (("left", "right"), ("Left", "Right"), ("FL", "FR"), ("RL", "RR"), ("HL", "HR"), ("LF", "RF"), ("LH", "RH"))


def _mirror(joints: list[tuple[Body, Joint]]) -> tuple[tuple[str, float], ...]:
    """Each joint's image, by the sides in its name; empty if any has none. A rotation's axis mirrors as (-x, y, -z)."""
    axes = {joint.name: np.array(joint.axis) for _, joint in joints}
    swap = {a: b for pair in _SIDES for a, b in (pair, pair[::-1])}
    token = re.compile("|".join(sorted(swap, key=len, reverse=True)))
    made = []
    for name, axis in axes.items():
        other = token.sub(lambda found: swap[found.group()], name, count=1)
        if other not in axes:
            return ()
        along = float(np.dot(axis * (-1, 1, -1), axes[other]))
        if abs(abs(along) - 1) > 0.01:
            return ()
        made.append((other, 1.0 if along > 0 else -1.0))
    return tuple(made)


def _vector(values: np.ndarray) -> Vector3:
    x, y, z = (round(float(value), 6) + 0.0 for value in values)
    return (x, y, z)
