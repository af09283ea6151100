"""The compiled model: is it the task's robot on the task's ground, and does it behave like one."""

from __future__ import annotations

import dataclasses
from typing import Any

import mujoco
import numpy as np
import pytest

from locoenvs.backends.mujoco.model import CONTACT_GROUP, Cone, compile_model
from locoenvs.mdp.terrain import build, ground_height
from locoenvs.tasks.entries import TileShare
from locoenvs.tasks.robots import ROBOTS
from locoenvs.tasks.robots.anymal_c import ANYMAL_C
from locoenvs.tasks.task import Task, Terrain, Timing

pytestmark = pytest.mark.xdist_group("model")

DEFAULTS = np.array([joint.default for joint in ANYMAL_C.joints])
WEIGHT = 9.81 * ANYMAL_C.mass
PLANE = Task(robot=ANYMAL_C, terrain=Terrain(kind="plane"))
STAIRS = Task(
    robot=ANYMAL_C,
    terrain=Terrain(levels=2, columns=2, border=1.0, shares=(TileShare("stairs_up", 0.5), TileShare("obstacles", 0.5))),
)


@pytest.fixture(scope="module")
def model() -> mujoco.MjModel:
    return compile_model(PLANE, build(PLANE.terrain))


def standing(model: mujoco.MjModel, seconds: float) -> mujoco.MjData:
    """The robot after it was put on its feet and held the default pose."""
    data = mujoco.MjData(model)
    data.qpos[2] = 0.55
    data.qpos[7:] = data.ctrl[:] = DEFAULTS
    for _ in range(round(seconds / model.opt.timestep)):
        mujoco.mj_step(model, data)
    return data


def forces(data: mujoco.MjData) -> dict[str, np.ndarray]:
    """Net contact force on each body as the sensors report it, N."""
    return {body: data.sensor(f"contact/{body}").data.copy() for body in ANYMAL_C.contact_bodies}


def true_forces(model: mujoco.MjModel, data: mujoco.MjData) -> dict[str, np.ndarray]:
    """The same from MuJoCo's contacts: each has its force on the second geom in a frame whose rows are its axes."""
    total = {body: np.zeros(3) for body in ANYMAL_C.contact_bodies}
    for index, contact in enumerate(data.contact):
        force = np.zeros(6)
        mujoco.mj_contactForce(model, data, index, force)
        first, second = (model.body(model.geom_bodyid[geom]).name for geom in contact.geom)
        world = contact.frame.reshape(3, 3).T @ force[:3]
        if second in total:
            total[second] += world
        else:
            total[first] -= world
    return total


def test_it_is_the_tasks_robot(model: mujoco.MjModel) -> None:
    data = mujoco.MjData(model)
    assert model.opt.timestep == PLANE.timing.physics_dt
    assert (model.nq, model.nv, model.nu) == (19, 18, 12)
    assert tuple(model.joint(index + 1).name for index in range(12)) == ANYMAL_C.joint_names
    assert tuple(model.actuator(index).name for index in range(12)) == ANYMAL_C.joint_names
    np.testing.assert_array_equal(model.actuator_trnid[:, 0], np.arange(1, 13))
    assert model.body_mass.sum() == pytest.approx(ANYMAL_C.mass)
    mujoco.mj_forward(model, data)
    for (
        body
    ) in ANYMAL_C.bodies:  # all frames are parallel to the base's, so each inertia can be compared in the world's
        turn = data.ximat[model.body(body.name).id].reshape(3, 3)
        xx, yy, zz, xy, xz, yz = body.inertia
        inertia = turn @ np.diag(model.body(body.name).inertia) @ turn.T
        np.testing.assert_allclose(inertia, [[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]], rtol=1e-6, atol=1e-9)


def test_sensors_come_in_the_tasks_order(model: mujoco.MjModel) -> None:
    names = [f"contact/{body}" for body in ANYMAL_C.contact_bodies] + [
        f"foot_velocity/{foot}" for foot in ANYMAL_C.feet
    ]
    assert [model.sensor(index).name for index in range(model.nsensor)] == names
    np.testing.assert_array_equal(model.sensor_adr, 3 * np.arange(len(names)))
    assert model.nsensordata == 3 * len(names)


def test_visuals_change_no_physics() -> None:
    """A model that can be drawn moves bit by bit as the one that cannot."""
    height_map = build(PLANE.terrain)
    plain, drawn = (standing(compile_model(PLANE, height_map, visuals=visuals), 0.5) for visuals in (False, True))
    assert drawn.model.ngeom - plain.model.ngeom == len(ANYMAL_C.visuals) > 0
    np.testing.assert_array_equal(drawn.qpos, plain.qpos)


def test_actuators_follow_the_pd_law_within_the_torque_limit(model: mujoco.MjModel) -> None:
    rng = np.random.default_rng(0)
    data = mujoco.MjData(model)
    data.qpos[7:], data.qvel[6:] = rng.normal(0, 0.5, 12), rng.normal(0, 5, 12)
    data.ctrl[:] = rng.normal(0, 0.5, 12)
    mujoco.mj_forward(model, data)
    torque = np.clip(80 * (data.ctrl - data.qpos[7:]) - 2 * data.qvel[6:], -80, 80)
    assert 0 < np.sum(np.abs(torque) == 80) < 12  # some are at the limit, some are not
    np.testing.assert_allclose(data.actuator_force, torque, atol=1e-9)
    np.testing.assert_allclose(data.qfrc_actuator[6:], torque, atol=1e-9)


def test_torque_actuators_apply_what_they_are_given_within_the_limit() -> None:
    model = compile_model(PLANE, build(PLANE.terrain), torque_actuators=True)
    data = mujoco.MjData(model)
    data.ctrl[:] = np.linspace(-110, 110, 12)
    mujoco.mj_forward(model, data)
    np.testing.assert_array_equal(data.qfrc_actuator[6:], np.clip(data.ctrl, -80, 80))


def test_standing_its_feet_carry_its_weight_and_it_rests(model: mujoco.MjModel) -> None:
    data = standing(model, 3.0)
    force = forces(data)
    feet = [force[foot] for foot in ANYMAL_C.feet]
    assert np.sum(feet, axis=0)[2] == pytest.approx(WEIGHT, rel=0.01)
    np.testing.assert_allclose(np.sum(feet, axis=0)[:2], 0, atol=0.01 * WEIGHT)
    assert all(foot[2] > 0.2 * WEIGHT for foot in feet)
    assert all(not np.any(force[body]) for body in ANYMAL_C.contact_bodies if body not in ANYMAL_C.feet)
    before = data.qpos.copy()
    speeds, vertical = [], []
    for _ in range(200):
        mujoco.mj_step(model, data)
        speeds.append(np.abs(data.qvel).max())
        vertical.append(sum(data.sensor(f"contact/{foot}").data[2] for foot in ANYMAL_C.feet))
    assert max(speeds) < 0.02  # m/s, rad/s
    assert np.std(vertical) < 0.001 * WEIGHT
    np.testing.assert_allclose(data.qpos[:2], before[:2], atol=2e-3)  # no drift in a second, m
    assert all(-contact.dist < 1e-3 for contact in data.contact)  # the feet do not sink in, m
    assert data.ncon == 4


@pytest.mark.parametrize("side", ["left", "right", "nose", "tail", "back"])
def test_the_base_touches_whichever_way_the_robot_falls(model: mujoco.MjModel, side: str) -> None:
    axis, angle = {
        "left": ([1, 0, 0], -np.pi / 2),
        "right": ([1, 0, 0], np.pi / 2),
        "nose": ([0, 1, 0], np.pi / 2),
        "tail": ([0, 1, 0], -np.pi / 2),
        "back": ([1, 0, 0], np.pi),
    }[side]
    data = mujoco.MjData(model)
    data.qpos[2] = 0.7
    mujoco.mju_axisAngle2Quat(data.qpos[3:7], np.array(axis, float), angle)
    data.qpos[7:] = data.ctrl[:] = DEFAULTS
    largest = 0.0
    for _ in range(200):
        mujoco.mj_step(model, data)
        largest = max(largest, np.linalg.norm(data.sensor("contact/base").data))
    assert largest > 10 * PLANE.terminations["base_contact"].parameters["force"]


def test_contact_sensors_report_the_force_on_the_body_in_the_world_frame(model: mujoco.MjModel) -> None:
    """A robot that lands rolled, pitched and turned, sliding sideways: no two frames agree."""
    data = mujoco.MjData(model)
    data.qpos[2:7] = 0.5, *np.array([0.8, 0.2, 0.15, 0.5]) / np.linalg.norm([0.8, 0.2, 0.15, 0.5])
    data.qpos[7:] = data.ctrl[:] = DEFAULTS
    data.qvel[:3] = 0.5, -1.0, -0.5
    touched: set[str] = set()
    for _ in range(150):
        mujoco.mj_step(model, data)
        expected = true_forces(model, data)
        for body, force in forces(data).items():
            np.testing.assert_allclose(force, expected[body], atol=1e-6 * WEIGHT)
            if force[2] > 1:
                touched.add(body)
    assert len(touched & set(ANYMAL_C.feet)) >= 2 and touched - set(ANYMAL_C.feet), touched


def test_foot_velocity_is_that_of_the_spheres_center_in_the_world_frame(model: mujoco.MjModel) -> None:
    rng = np.random.default_rng(1)
    data = mujoco.MjData(model)
    data.qpos[2:7] = 2.0, *np.array([0.5, -0.5, 0.1, 0.7]) / np.linalg.norm([0.5, -0.5, 0.1, 0.7])
    data.qvel[:] = rng.normal(0, 1, 18)
    mujoco.mj_forward(model, data)
    centers = {}
    for foot, offset in ((sphere.body, sphere.position) for sphere in ANYMAL_C.spheres if sphere.body in ANYMAL_C.feet):
        centers[foot] = (offset, data.body(foot).xpos + data.body(foot).xmat.reshape(3, 3) @ offset)
    reported = {foot: data.sensor(f"foot_velocity/{foot}").data.copy() for foot in centers}
    mujoco.mj_integratePos(model, data.qpos, data.qvel, 1e-6)
    mujoco.mj_kinematics(model, data)
    for foot, (offset, before) in centers.items():
        after = data.body(foot).xpos + data.body(foot).xmat.reshape(3, 3) @ offset
        np.testing.assert_allclose(reported[foot], (after - before) / 1e-6, atol=1e-4, err_msg=foot)


def sliding(friction: float, heading: float, stand: bool, cone: Cone = "elliptic") -> tuple[float, np.ndarray]:
    """Speed gained down a slope of 25 degrees, m/s, and the contact forces meanwhile, (steps, bodies, 3) N.

    The slope falls in the direction ``heading`` (rad from world x): gravity is turned, after a second on level ground.
    The robot lies on its base, legs up, a rigid sledge; or it stands on its feet. Only the spheres know the friction.
    """
    model = compile_model(PLANE, build(PLANE.terrain), cone=cone)
    model.geom_friction[model.geom_group == CONTACT_GROUP, 0] = friction
    data = mujoco.MjData(model)
    data.qpos[2] = 0.55 if stand else 0.1
    data.qpos[7:] = data.ctrl[:] = DEFAULTS if stand else np.tile([0.0, np.pi, 0.0], 4)
    for _ in range(200):
        mujoco.mj_step(model, data)
    before, angle, down = data.qvel[:2].copy(), np.radians(25), np.array([np.cos(heading), np.sin(heading)])
    model.opt.gravity[:] = 9.81 * np.array([*(np.sin(angle) * down), -np.cos(angle)])
    recorded = []
    for _ in range(round(0.5 / model.opt.timestep)):
        mujoco.mj_step(model, data)
        recorded.append(list(forces(data).values()))
    return float((data.qvel[:2] - before) @ down), np.array(recorded)[20:]  # the change takes some steps


def ratio(recorded: np.ndarray) -> float:
    """Horizontal over vertical impulse."""
    impulse = recorded.sum(axis=(0, 1))
    return float(np.linalg.norm(impulse[:2]) / impulse[2])


def test_a_robot_holds_on_a_slope_within_its_friction() -> None:
    speed, recorded = sliding(friction=1.25, heading=0.0, stand=False)
    assert abs(speed) < 0.005
    assert ratio(recorded) == pytest.approx(np.tan(np.radians(25)), rel=0.05)


@pytest.mark.parametrize("heading", [0.0, np.pi / 4, np.pi])
def test_a_robot_slides_on_a_slope_beyond_its_friction_as_coulomb_says(heading: float) -> None:
    speed, recorded = sliding(friction=0.3, heading=heading, stand=False)
    assert speed == pytest.approx(0.5 * 9.81 * (np.sin(np.radians(25)) - 0.3 * np.cos(np.radians(25))), rel=0.05)
    assert ratio(recorded) == pytest.approx(0.3, rel=0.05)


@pytest.mark.parametrize("heading", [0.0, np.pi / 4, np.pi / 2])
def test_feet_that_slide_have_the_friction_of_their_spheres(heading: float) -> None:
    """Each foot slides its own way, as the legs spread."""
    speed, recorded = sliding(friction=0.3, heading=heading, stand=True)
    assert speed > 0.5
    feet = recorded[:, [ANYMAL_C.contact_bodies.index(foot) for foot in ANYMAL_C.feet]]
    assert np.all(feet.sum(axis=0)[:, 2] > 0)
    assert np.linalg.norm(feet[..., :2], axis=-1).sum() / feet[..., 2].sum() == pytest.approx(0.3, rel=0.05)


def test_a_pyramidal_cone_has_less_friction_along_its_diagonals() -> None:
    """A square with its corners on the axes, not a circle."""
    _, recorded = sliding(friction=0.3, heading=np.pi / 4, stand=False, cone="pyramidal")
    assert ratio(recorded) == pytest.approx(0.3 / np.sqrt(2), rel=0.05)


@pytest.mark.parametrize(
    ("given", "said"),
    [({"cone": "round"}, "cone='round': there are"), ({"contact": "none"}, "contact='none': there are")],
)
def test_an_unknown_contact_or_cone_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        compile_model(PLANE, build(PLANE.terrain), **given)


def test_the_height_field_is_the_height_map() -> None:
    """Rays straight down hit the ground at the height that the task looks up, everywhere on the map."""
    height_map = build(STAIRS.terrain)
    model = compile_model(STAIRS, height_map)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    assert height_map.heights.min() < -0.1 and height_map.heights.max() > 0.1
    rng = np.random.default_rng(0)
    rows, columns = height_map.heights.shape
    x = height_map.origin[0] + rng.uniform(0.01, 0.99, 300) * (columns - 1) * height_map.cell
    y = height_map.origin[1] + rng.uniform(0.01, 0.99, 300) * (rows - 1) * height_map.cell
    expected = ground_height(height_map.heights, height_map.origin, height_map.cell, x.astype("f4"), y.astype("f4"))
    ground_only, geom = np.array([1, 0, 0, 0, 0, 0], np.uint8), np.zeros(1, np.int32)
    hit = [
        5.0 - mujoco.mj_ray(model, data, np.array([*point, 5.0]), np.array([0, 0, -1.0]), ground_only, 1, -1, geom)
        for point in zip(x, y)
    ]
    np.testing.assert_allclose(hit, expected, atol=2e-5)


def test_level_ground_as_a_height_field_carries_the_robot_at_its_height() -> None:
    terrain = Terrain(levels=1, columns=1, border=1.0, shares=(TileShare("flat", 1.0),))
    task = Task(robot=ANYMAL_C, terrain=terrain)
    data = standing(compile_model(task, build(terrain)), 1.0)
    plane = standing(compile_model(PLANE, build(PLANE.terrain)), 1.0)
    np.testing.assert_allclose(data.qpos[:3], plane.qpos[:3], atol=1e-3)  # m


def test_the_robots_spheres_do_not_touch_each_other(model: mujoco.MjModel) -> None:
    data = mujoco.MjData(model)
    data.qpos[2] = 3.0
    data.qpos[7:] = np.tile([0.0, 0.0, 3.0], 4)  # shanks folded back onto thighs
    mujoco.mj_forward(model, data)
    assert data.ncon == 0


@pytest.mark.parametrize("name", list(ROBOTS))
def test_joints_have_their_drives_inertia_and_their_ends(name: str) -> None:
    """What a motor's rotor adds through its gear; the base's six degrees of freedom have none."""
    robot = ROBOTS[name]
    task = Task(robot=robot, terrain=Terrain(kind="plane"))
    made = compile_model(task, build(task.terrain))
    assert not made.dof_armature[:6].any() and made.qpos0[2] == robot.start_height
    np.testing.assert_allclose(made.dof_armature[6:], [joint.armature for joint in robot.joints])
    np.testing.assert_allclose(made.jnt_range[1:], [(joint.lower, joint.upper) for joint in robot.joints])
    assert made.jnt_limited[1:].all()


def test_some_robot_has_rotors() -> None:
    assert any(joint.armature > 0 for robot in ROBOTS.values() for joint in robot.joints)


def test_only_the_spheres_friction_counts_whatever_the_grounds(model: mujoco.MjModel) -> None:
    """They have the higher priority, so that the task's friction is the effective one."""
    spheres = model.geom_group == CONTACT_GROUP
    assert spheres.sum() == len(ANYMAL_C.spheres)
    assert (model.geom_priority[spheres] > model.geom_priority[~spheres].max()).all()
    assert (model.geom_contype[spheres] == 0).all() and (model.geom_conaffinity[spheres] == 1).all()


def test_times_are_the_tasks() -> None:
    timing = Timing(physics_dt=0.004, decimation=5)
    made = compile_model(dataclasses.replace(PLANE, timing=timing), build(PLANE.terrain))
    assert made.opt.timestep == 0.004
