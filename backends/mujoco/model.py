"""A task's robot and ground as a MuJoCo model of one robot."""

from __future__ import annotations

import mujoco
import numpy as np

from locoenvs.robot import Body, Robot
from locoenvs.task import Task
from locoenvs.terrain import HeightMap

TERRAIN, ROBOT = 1, 2
"""Collision classes: robots touch the terrain and nothing else."""

VISUAL_GROUP, COLLISION_GROUP = 2, 3
_SHAPES = {
    "box": mujoco.mjtGeom.mjGEOM_BOX,
    "sphere": mujoco.mjtGeom.mjGEOM_SPHERE,
    "cylinder": mujoco.mjtGeom.mjGEOM_CYLINDER,
    "capsule": mujoco.mjtGeom.mjGEOM_CAPSULE,
    "ellipsoid": mujoco.mjtGeom.mjGEOM_ELLIPSOID,
}


def compile_model(task: Task, height_map: HeightMap, *, torque_actuators: bool = False) -> mujoco.MjModel:
    """The model of one robot on the task's ground.

    Joints, actuators and sensors are in the robot's order. Actuators follow the PD law of the joints at every physics
    step, or, with ``torque_actuators``, apply the control as torque; both within the joints' torque limits. Sensors are
    ``contact/<body>``, the net contact force ON the body in the world frame (N), for each contact body, and
    ``foot_velocity/<body>``, the velocity of its contact sphere's center in the world frame (m/s), for each foot.
    """
    spec = mujoco.MjSpec()
    spec.modelname = task.robot.name
    option = spec.option
    option.timestep = task.timing.physics_dt
    option.integrator = mujoco.mjtIntegrator.mjINT_EULER
    option.cone = mujoco.mjtCone.mjCONE_PYRAMIDAL
    option.solver = mujoco.mjtSolver.mjSOL_NEWTON
    option.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_ISLAND)
    spec.compiler.degree = False
    _add_scene(spec)
    _add_ground(spec, task, height_map)
    _add_robot(spec, task.robot, torque_actuators)
    _add_sensors(spec, task.robot)
    return spec.compile()


def _add_ground(spec: mujoco.MjSpec, task: Task, height_map: HeightMap) -> None:
    """A plane or a height field. MuJoCo scales heights to [0, 1] and puts the field's middle at the geom's position."""
    ground = spec.worldbody.add_geom(name="ground", contype=TERRAIN, conaffinity=ROBOT, material="ground")
    if task.terrain.kind == "plane":
        ground.type = mujoco.mjtGeom.mjGEOM_PLANE
        ground.size = [0, 0, 5]
        return
    heights = height_map.heights
    low, rise = float(heights.min()), max(float(np.ptp(heights)), 1e-3)
    rows, columns = heights.shape
    half_x, half_y = (columns - 1) * height_map.cell / 2, (rows - 1) * height_map.cell / 2
    spec.add_hfield(
        name="ground",
        nrow=rows,
        ncol=columns,
        size=[half_x, half_y, rise, 1.0],
        userdata=((heights - low) / rise).ravel().tolist(),
    )
    ground.type = mujoco.mjtGeom.mjGEOM_HFIELD
    ground.hfieldname = "ground"
    ground.pos = [height_map.origin[0] + half_x, height_map.origin[1] + half_y, low]


def _add_robot(spec: mujoco.MjSpec, robot: Robot, torque_actuators: bool) -> None:
    made: dict[str | None, mujoco.MjsBody] = {None: spec.worldbody}
    for body in robot.bodies:
        made[body.name] = _add_body(made[body.parent], body, robot)
    for sphere in robot.spheres:
        made[sphere.body].add_geom(
            type=mujoco.mjtGeom.mjGEOM_SPHERE,
            size=[sphere.radius, 0, 0],
            pos=sphere.position,
            contype=ROBOT,
            conaffinity=TERRAIN,
            condim=3,
            priority=1,  # so that its friction is the effective one, whatever the terrain's
            friction=[1.0, 0.005, 0.0001],
            group=COLLISION_GROUP,
            mass=0,
            rgba=[0.9, 0.6, 0.1, 0.4],
        )
    for visual in robot.visuals:
        made[visual.body].add_geom(
            type=_SHAPES[visual.shape],
            size=visual.size,
            pos=visual.position,
            quat=visual.rotation,
            rgba=visual.color,
            contype=0,
            conaffinity=0,
            group=VISUAL_GROUP,
            mass=0,
        )
    for foot in robot.feet:
        sphere = next(sphere for sphere in robot.spheres if sphere.body == foot)
        made[foot].add_site(name=foot, pos=sphere.position, group=5)
    for joint in robot.joints:
        actuator = spec.add_actuator(
            name=joint.name,
            target=joint.name,
            trntype=mujoco.mjtTrn.mjTRN_JOINT,
            forcelimited=True,
            forcerange=[-joint.torque_limit, joint.torque_limit],
        )
        if torque_actuators:
            actuator.set_to_motor()
        else:
            actuator.set_to_position(kp=joint.stiffness, kv=joint.damping)


def _add_body(parent: mujoco.MjsBody, body: Body, robot: Robot) -> mujoco.MjsBody:
    made = parent.add_body(
        name=body.name,
        pos=body.position if body.parent is not None else [0, 0, robot.start_height],
        mass=body.mass,
        ipos=body.center_of_mass,
        fullinertia=body.inertia,
        explicitinertial=True,
    )
    if body.parent is None:
        made.add_freejoint(name="root")
        made.add_camera(
            name="track",
            mode=mujoco.mjtCamLight.mjCAMLIGHT_TRACKCOM,
            pos=[1.2, -1.7, 0.6],
            xyaxes=[0.82, 0.57, 0, -0.15, 0.22, 0.96],
        )
    elif body.joint is not None:
        made.add_joint(
            name=body.joint.name,
            type=mujoco.mjtJoint.mjJNT_HINGE,
            axis=body.joint.axis,
            range=[body.joint.lower, body.joint.upper],
            limited=True,
            armature=body.joint.armature,
        )
    return made


def _add_sensors(spec: mujoco.MjSpec, robot: Robot) -> None:
    for body in robot.contact_bodies:
        spec.add_sensor(
            name=f"contact/{body}",
            type=mujoco.mjtSensor.mjSENS_CONTACT,
            objtype=mujoco.mjtObj.mjOBJ_UNKNOWN,
            reftype=mujoco.mjtObj.mjOBJ_BODY,
            refname=body,
            intprm=[1 << int(mujoco.mjtConDataField.mjCONDATA_FORCE), 3, 1],  # the force, reduced to the net force
        )
    for foot in robot.feet:
        spec.add_sensor(
            name=f"foot_velocity/{foot}",
            type=mujoco.mjtSensor.mjSENS_FRAMELINVEL,
            objtype=mujoco.mjtObj.mjOBJ_SITE,
            objname=foot,
        )


def _add_scene(spec: mujoco.MjSpec) -> None:
    """Light, sky and a checkered ground, so that pictures show motion."""
    spec.visual.global_.offwidth, spec.visual.global_.offheight = 1280, 960
    spec.visual.headlight.ambient = [0.35, 0.35, 0.35]
    spec.visual.headlight.diffuse = [0.4, 0.4, 0.4]
    spec.worldbody.add_light(
        pos=[0, 0, 10], dir=[0.3, 0.2, -1], type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, diffuse=[0.6, 0.6, 0.6]
    )
    spec.add_texture(
        name="sky",
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=[0.75, 0.83, 0.92],
        rgb2=[0.95, 0.97, 1.0],
        width=256,
        height=1536,
    )
    spec.add_texture(
        name="ground",
        type=mujoco.mjtTexture.mjTEXTURE_2D,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_CHECKER,
        rgb1=[0.62, 0.65, 0.68],
        rgb2=[0.54, 0.57, 0.6],
        width=256,
        height=256,
    )
    ground = spec.add_material(name="ground", texrepeat=[1, 1], texuniform=True, reflectance=0.0)
    ground.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = "ground"
