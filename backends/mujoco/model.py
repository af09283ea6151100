"""The MuJoCo model of a task: one robot on its terrain."""

from __future__ import annotations

import math
from typing import Literal, get_args

import mujoco
import numpy as np

from locoenvs.backends.mujoco import near_ground
from locoenvs.backends.mujoco.contact import Contact, install, mark
from locoenvs.backends.mujoco.ground_looks import dress
from locoenvs.mdp.terrain import HeightMap
from locoenvs.tasks.robot import Joint, Robot
from locoenvs.tasks.task import Task

Cone = Literal["elliptic", "pyramidal"]
"""The friction cone: the round one holds the stated coefficient in every direction. The pyramid has its edges along two of
them, on level ground the world's x and y, and 1 / sqrt(2) of the coefficient between."""

VISUAL_GROUP, CONTACT_GROUP = 2, 3
"""Geom groups: what is drawn, and the spheres that touch, which are hidden unless asked for."""

_HALF_PLANE = 100.0
"""Half the side of a plane as drawn, m; it touches everywhere."""

_SOLREF = (0.01, 1.0)
"""Contacts: time constant of the penetration's decay, s, and its damping ratio. Two physics steps: a foot that lands is
stopped within one step. MuJoCo's default of 0.02 lets the feet of a walking robot sink so deep that the edges between
the cells of a height field push them sideways."""
_SOLIMP = (0.999, 0.999, 0.001, 0.5, 2.0)
"""Contacts: nearly rigid. MuJoCo's friction creeps; at its default of 0.9 a standing robot's feet slip by 3 cm/s until
the legs are splayed, at 0.999 by 1 mm/s and they sink by less than 0.1 mm."""

_SHAPES = {
    "box": mujoco.mjtGeom.mjGEOM_BOX,
    "sphere": mujoco.mjtGeom.mjGEOM_SPHERE,
    "cylinder": mujoco.mjtGeom.mjGEOM_CYLINDER,
    "capsule": mujoco.mjtGeom.mjGEOM_CAPSULE,
    "ellipsoid": mujoco.mjtGeom.mjGEOM_ELLIPSOID,
}


def compile_model(
    task: Task,
    height_map: HeightMap,
    *,
    torque_actuators: bool = False,
    visuals: bool = False,
    contact: Contact = "triangles",
    cone: Cone = "elliptic",
) -> mujoco.MjModel:
    """One robot on the terrain.

    qpos is the base's position and wxyz quaternion, then the joints in the task's order; ctrl holds one number a joint
    in that order: a position target in rad that the joint's PD law follows at every physics step, or a torque in N m
    with ``torque_actuators``; both are clipped at the joint's torque limit.

    Sensors, each of 3 numbers: ``contact/<body>`` for each of ``robot.contact_bodies``, the net contact force on it, N,
    world frame; then ``foot_velocity/<body>`` for each of ``robot.feet``, the velocity of its sphere's center, m/s,
    world frame. Both are those of the state that the last physics step began in.

    ``visuals`` adds the shapes that are drawn. They touch nothing, but moving them along makes a physics step on a
    plane 1.4 times as expensive, so pictures have a model of their own.

    With ``contact`` "triangles" uneven ground is touched by the rule of :mod:`locoenvs.backends.mujoco.contact`, which needs
    numba; with "mujoco" by MuJoCo's own. A plane needs neither.

    Spheres touch the ground only, and their friction alone counts: they have priority 1.

    Raises ValueError for a contact or cone that there is not, and ImportError if numba or MuJoCo do not fit.
    """
    if contact not in get_args(Contact):
        raise ValueError(f"contact={contact!r}: there are 'triangles' and 'mujoco'")
    spec = build_spec(task, height_map, torque_actuators=torque_actuators, visuals=visuals, cone=cone)
    if contact == "triangles" and task.terrain.kind != "plane":
        install()
        feet = [geom for foot in task.robot.feet for geom in spec.body(foot).geoms if geom.priority > 0]
        mark(spec, spec.geom("ground"), feet)
    return spec.compile()


def drawn_model(task: Task, height_map: HeightMap, near: bool = False) -> mujoco.MjModel:
    """The model for pictures: with its visuals, uneven ground as :mod:`locoenvs.backends.mujoco.ground_looks` draws it, and for no
    contacts, so that it needs no numba. If only the ground ``near`` a robot will be drawn, it has a texture of that size."""
    spec = build_spec(task, height_map, visuals=True)
    if task.terrain.kind != "plane":
        reach = near_ground.REACH if near else math.inf
        dress(spec, height_map, near_ground.part(height_map.heights.shape, height_map.cell, reach))
    return spec.compile()


def build_spec(
    task: Task,
    height_map: HeightMap,
    *,
    torque_actuators: bool = False,
    visuals: bool = False,
    cone: Cone = "elliptic",
) -> mujoco.MjSpec:
    """What :func:`compile_model` compiles, for a backend that adds to it."""
    if cone not in get_args(Cone):
        raise ValueError(f"cone={cone!r}: there are 'elliptic' and 'pyramidal'")
    spec = mujoco.MjSpec()
    spec.modelname = task.robot.name
    spec.compiler.degree = False
    spec.option.timestep = task.timing.physics_dt
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_EULER
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC if cone == "elliptic" else mujoco.mjtCone.mjCONE_PYRAMIDAL
    spec.option.solver = mujoco.mjtSolver.mjSOL_NEWTON
    spec.option.disableflags |= mujoco.mjtDisableBit.mjDSBL_ISLAND
    _add_looks(spec)
    _add_ground(spec, task, height_map)
    bodies = _add_robot(spec, task.robot)
    if visuals:
        _add_visuals(bodies, task.robot)
    for joint in task.robot.joints:
        _add_actuator(spec, joint, torque_actuators)
    _add_sensors(spec, task.robot)
    return spec


def _add_ground(spec: mujoco.MjSpec, task: Task, height_map: HeightMap) -> None:
    ground = spec.worldbody.add_geom(name="ground", material="ground", contype=1, conaffinity=0, condim=3)
    if task.terrain.kind == "plane":
        ground.type = mujoco.mjtGeom.mjGEOM_PLANE
        ground.size = [_HALF_PLANE, _HALF_PLANE, 1.0]
        return
    heights = height_map.heights
    rows, columns = heights.shape
    lowest, highest = float(heights.min()), float(heights.max())
    half_x, half_y = (columns - 1) * height_map.cell / 2, (rows - 1) * height_map.cell / 2
    field = spec.add_hfield(name="ground", nrow=rows, ncol=columns)
    field.size = [half_x, half_y, highest - lowest if highest > lowest else 1.0, 1.0]
    field.userdata = heights.astype(np.float32).flatten()  # the compiler maps lowest..highest to 0..1
    ground.type = mujoco.mjtGeom.mjGEOM_HFIELD
    ground.hfieldname = "ground"
    ground.pos = [height_map.origin[0] + half_x, height_map.origin[1] + half_y, lowest]


def _add_robot(spec: mujoco.MjSpec, robot: Robot) -> dict[str | None, mujoco.MjsBody]:
    """Bodies, joints, contact spheres and foot sites. Returns the bodies by name."""
    bodies: dict[str | None, mujoco.MjsBody] = {None: spec.worldbody}
    for body in robot.bodies:
        added = bodies[body.parent].add_body(
            name=body.name, pos=body.position, mass=body.mass, ipos=body.center_of_mass, fullinertia=body.inertia,
            explicitinertial=True,
        )  # fmt: skip
        bodies[body.name] = added
        if body.parent is None:
            added.pos = [0.0, 0.0, robot.start_height]
            added.add_freejoint(name="root")
        if body.joint is not None:
            added.add_joint(
                name=body.joint.name, type=mujoco.mjtJoint.mjJNT_HINGE, axis=body.joint.axis, armature=body.joint.armature,
                range=[body.joint.lower, body.joint.upper], limited=mujoco.mjtLimited.mjLIMITED_TRUE,
            )  # fmt: skip
    for index, sphere in enumerate(robot.spheres):
        bodies[sphere.body].add_geom(
            name=f"sphere/{index}/{sphere.body}", type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[sphere.radius, 0, 0],
            pos=sphere.position, contype=0, conaffinity=1, condim=3, priority=1, group=CONTACT_GROUP,
            solref=_SOLREF, solimp=_SOLIMP, rgba=[0.1, 0.8, 0.3, 0.5],
        )  # fmt: skip
    for foot in robot.feet:
        sphere = next(sphere for sphere in robot.spheres if sphere.body == foot)
        bodies[foot].add_site(name=foot, pos=sphere.position, group=CONTACT_GROUP)
    return bodies


def _add_visuals(bodies: dict[str | None, mujoco.MjsBody], robot: Robot) -> None:
    """What is drawn, and a sun that moves with the robot so that its shadow stays sharp. It stands so high that it shines on the faces
    of steps: along one that it only grazes, shadows are noise."""
    for visual in robot.visuals:
        bodies[visual.body].add_geom(
            type=_SHAPES[visual.shape], size=visual.size, pos=visual.position, quat=visual.rotation, rgba=visual.color,
            contype=0, conaffinity=0, group=VISUAL_GROUP, mass=0.0,
        )  # fmt: skip
    bodies[robot.bodies[0].name].add_light(
        name="sun", type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, mode=mujoco.mjtCamLight.mjCAMLIGHT_TRACK,
        pos=[0.5, -0.7, 4.0], dir=[-0.5, 0.7, -4.0], diffuse=[0.6, 0.6, 0.57], specular=[0.1, 0.1, 0.1], castshadow=True,
    )  # fmt: skip


def _add_actuator(spec: mujoco.MjSpec, joint: Joint, torque: bool) -> None:
    actuator = spec.add_actuator(
        name=joint.name, trntype=mujoco.mjtTrn.mjTRN_JOINT, target=joint.name,
        forcelimited=mujoco.mjtLimited.mjLIMITED_TRUE, forcerange=[-joint.torque_limit, joint.torque_limit],
    )  # fmt: skip
    if torque:
        actuator.set_to_motor()
    else:
        actuator.set_to_position(kp=joint.stiffness, kv=joint.damping)


def _add_sensors(spec: mujoco.MjSpec, robot: Robot) -> None:
    force_only = 1 << int(mujoco.mjtConDataField.mjCONDATA_FORCE)
    net_force = 3  # the sensor's "reduce" choices: none, mindist, maxforce, netforce
    for body in robot.contact_bodies:
        # The force is the one from the first on the second: nothing in particular, the body.
        spec.add_sensor(
            name=f"contact/{body}", type=mujoco.mjtSensor.mjSENS_CONTACT,
            reftype=mujoco.mjtObj.mjOBJ_BODY, refname=body, intprm=[force_only, net_force, 1],
        )  # fmt: skip
    for foot in robot.feet:
        spec.add_sensor(
            name=f"foot_velocity/{foot}", type=mujoco.mjtSensor.mjSENS_FRAMELINVEL,
            objtype=mujoco.mjtObj.mjOBJ_SITE, objname=foot,
        )  # fmt: skip


def _add_looks(spec: mujoco.MjSpec) -> None:
    """Sky, ground, the size of the largest picture, and the lengths (m) that near, far and shadows are measured in."""
    spec.stat.extent, spec.stat.center = 2.0, [0.0, 0.0, 0.5]
    spec.visual.global_.offwidth, spec.visual.global_.offheight = 1920, 1080
    spec.visual.map.shadowclip = 2.0
    spec.visual.headlight.ambient = [0.35, 0.35, 0.35]
    spec.visual.headlight.diffuse = [0.35, 0.35, 0.35]
    spec.visual.headlight.specular = [0.0, 0.0, 0.0]
    spec.add_texture(
        name="sky", type=mujoco.mjtTexture.mjTEXTURE_SKYBOX, builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=[0.75, 0.84, 0.93], rgb2=[0.95, 0.97, 1.0], width=256, height=256,
    )  # fmt: skip
    spec.add_texture(
        name="ground", type=mujoco.mjtTexture.mjTEXTURE_2D, builtin=mujoco.mjtBuiltin.mjBUILTIN_CHECKER,
        rgb1=[0.58, 0.60, 0.60], rgb2=[0.50, 0.52, 0.53], width=256, height=256,
    )  # fmt: skip
    material = spec.add_material(name="ground", texrepeat=[1, 1], texuniform=True, specular=0.0, reflectance=0.0)
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = "ground"
