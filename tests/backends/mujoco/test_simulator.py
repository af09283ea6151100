"""Native MuJoCo behind the task: state in the right frames, per-robot physics, and robots that break."""

from __future__ import annotations

import dataclasses
import weakref
from typing import Any

import array_api_compat.numpy as xp
import mujoco
import numpy as np
import pytest

from anymal import DEFAULT, ROBOT, start
from locoenvs.backends.mujoco.simulator import MujocoSimulator
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.mdp.actuators import PD
from locoenvs.mdp.observations import observe
from locoenvs.mdp.state import Readout
from locoenvs.mdp.terrain import build
from locoenvs.tasks.recipes import task as recipe_task
from locoenvs.tasks.task import Pushes, Randomization, Start, Task, Terrain, Timing

FLAT = recipe_task(ROBOT, "flat", actuator="pd")
YAWED_120 = (0.5, 0.0, 0.0, 0.8660254)


def unit(vector: Any) -> np.ndarray:
    return np.asarray(vector) / np.linalg.norm(vector)


def placed(begin: Readout, task: Task = FLAT, friction: float = 1.0, **options: Any) -> MujocoSimulator:
    num_envs = len(begin.broken)
    simulator = MujocoSimulator(task, build(task.terrain), num_envs, threads=1, **options)
    simulator.configure(np.full(num_envs, friction, np.float32), np.zeros(num_envs, np.float32))
    simulator.place(simulator.initial(), np.ones(num_envs, bool), begin)
    return simulator


def velocity(simulator: MujocoSimulator, robot: int, local: bool) -> tuple[np.ndarray, np.ndarray]:
    """MuJoCo's own linear and angular velocity of the base's frame, in the base frame or in the world frame."""
    data = simulator._batch.get_data(robot)
    mujoco.mj_forward(simulator.model, data)
    result = np.zeros(6)
    base = simulator.model.body(ROBOT.bodies[0].name).id
    mujoco.mj_objectVelocity(simulator.model, data, mujoco.mjtObj.mjOBJ_XBODY, base, result, local)
    return result[3:], result[:3]


def test_robots_are_placed_exactly_with_velocities_of_the_base_frame() -> None:
    draw = np.random.default_rng(0)
    begin = start(
        5,
        base_position=draw.normal(size=(5, 3)),
        base_quaternion=np.array([unit(row) for row in draw.normal(size=(5, 4))]),
        base_linear_velocity=draw.normal(size=(5, 3)),
        base_angular_velocity=draw.normal(size=(5, 3)),
        joint_position=draw.normal(size=(5, 12)),
        joint_velocity=draw.normal(size=(5, 12)),
    )
    simulator = placed(begin)
    for robot in range(5):
        linear, angular = velocity(simulator, robot, local=True)
        np.testing.assert_allclose(linear, begin.base_linear_velocity[robot], atol=2e-6)
        np.testing.assert_allclose(angular, begin.base_angular_velocity[robot], atol=2e-6)
        data = simulator._batch.get_data(robot)
        np.testing.assert_array_equal(data.qpos[:3], begin.base_position[robot])
        np.testing.assert_array_equal(data.qpos[3:7], begin.base_quaternion[robot])
        names = [data.joint(joint.name) for joint in ROBOT.joints]
        np.testing.assert_array_equal([joint.qpos[0] for joint in names], begin.joint_position[robot])
        np.testing.assert_array_equal([joint.qvel[0] for joint in names], begin.joint_velocity[robot])


def test_placing_some_robots_leaves_the_others_alone_and_forgets_the_past() -> None:
    simulator = placed(start(3))
    for _ in range(5):
        simulator.advance(None, np.tile(DEFAULT + 0.2, (3, 1)))
    before = simulator._batch.state.copy()
    simulator.place(None, np.array([False, True, False]), start(3))
    np.testing.assert_array_equal(simulator._batch.state[[0, 2]], before[[0, 2]])
    fresh = placed(start(1))
    target = DEFAULT - 0.1
    _, ours = simulator.advance(None, np.tile(target, (3, 1)))
    _, expected = fresh.advance(None, target[None])
    for field in dataclasses.fields(Readout):
        np.testing.assert_array_equal(getattr(ours, field.name)[1], getattr(expected, field.name)[0], field.name)


def test_the_readout_is_of_the_state_now_in_the_frames_that_it_names() -> None:
    quaternion = unit((0.7, 0.3, -0.2, 0.6))
    simulator = placed(
        start(
            2, base_quaternion=quaternion, base_position=(0, 0, 5), base_linear_velocity=(1.0, -0.5, 0.2),
            base_angular_velocity=(0.7, -1.1, 2.0),
        )
    )  # fmt: skip
    targets = np.stack([DEFAULT + 0.3, DEFAULT - 0.3])
    for _ in range(5):
        _, readout = simulator.advance(None, targets)
    for robot in range(2):
        data = simulator._batch.get_data(robot)
        linear, angular = velocity(simulator, robot, local=True)
        np.testing.assert_allclose(readout.base_linear_velocity[robot], linear, atol=1e-5)
        np.testing.assert_allclose(readout.base_angular_velocity[robot], angular, atol=1e-5)
        np.testing.assert_allclose(readout.base_position[robot], data.qpos[:3], atol=1e-6)
        np.testing.assert_allclose(readout.base_quaternion[robot], data.qpos[3:7], atol=1e-7)
        np.testing.assert_allclose(readout.joint_position[robot], data.qpos[7:], atol=1e-6)
        np.testing.assert_allclose(readout.joint_velocity[robot], data.qvel[6:], atol=1e-5)
    assert np.abs(readout.base_linear_velocity - velocity(simulator, 0, local=False)[0]).max() > 0.5
    assert not readout.broken.any()


@pytest.mark.parametrize("quaternion", [(1, 0, 0, 0), YAWED_120, (0.5, 0.5, 0.5, 0.5)], ids=str)
def test_a_push_sets_the_horizontal_velocity_in_the_world_frame(quaternion: tuple[float, ...]) -> None:
    """Whichever way the robot faces, and nothing else of it."""
    simulator = placed(start(2, base_quaternion=quaternion, base_linear_velocity=(0.3, 0.4, 0.5)))
    linear, angular = velocity(simulator, 0, local=False)
    simulator.push(None, np.array([True, False]), np.array([[2.0, -1.0], [9.0, 9.0]], np.float32))
    pushed, turning = velocity(simulator, 0, local=False)
    np.testing.assert_allclose(pushed, [2.0, -1.0, linear[2]], atol=1e-6)
    np.testing.assert_array_equal(turning, angular)
    np.testing.assert_allclose(velocity(simulator, 1, local=False)[0], linear, atol=1e-6)


def test_pushes_of_the_task_change_the_world_velocity_of_a_yawed_robot() -> None:
    """After the step with the push, the observation's velocity is the engine's, and only horizontally changed."""
    quiet = dataclasses.replace(
        FLAT, randomization=Randomization(pushes=None), observations=FLAT.observations.perfect()
    )
    pushing = dataclasses.replace(quiet, randomization=Randomization(pushes=Pushes(interval=0.04, velocity=1.0)))
    envs = [LocoVectorEnv(task, 16, stagger=False) for task in (quiet, pushing)]
    zero = np.zeros((16, 12), np.float32)
    for env in envs:
        env.reset(seed=3)
        env.step(zero)
        observation, *_ = env.step(zero)
        for robot in range(16):
            linear, _ = velocity(env.simulator, robot, local=True)
            np.testing.assert_allclose(observation[robot, :3] / 2.0, linear, atol=1e-5)
    change = np.array(
        [
            velocity(envs[1].simulator, robot, local=False)[0] - velocity(envs[0].simulator, robot, local=False)[0]
            for robot in range(16)
        ]
    )
    assert np.abs(change[:, 2]).max() < 1e-6 and np.abs(change[:, :2]).max() <= 1.0
    assert np.abs(change[:, :2]).max(axis=0).min() > 0.7 and change[:, :2].min() < -0.3 < 0.3 < change[:, :2].max()


@pytest.mark.parametrize("ground", ["flat", "rough"])
def test_after_a_reset_the_observation_is_of_the_placed_state(ground: str) -> None:
    task = dataclasses.replace(recipe_task(ROBOT, ground), timing=Timing(episode_length=0.1))
    if ground == "rough":
        task = dataclasses.replace(task, terrain=Terrain(levels=3, columns=7, border=2.0))
    env = LocoVectorEnv(task, 4, stagger=False, privileged=True)
    env.reset(seed=1)
    for _ in range(5):
        seen, _, _, truncated, _ = env.step(np.full((4, 12), 0.1, np.float32))
    assert truncated.all()
    simulator = env.simulator
    for robot in range(4):
        linear, angular = velocity(simulator, robot, local=True)
        data = simulator._batch.get_data(robot)
        mujoco.mj_forward(simulator.model, data)
        gravity = data.body(ROBOT.bodies[0].name).xmat.reshape(3, 3).T @ (0, 0, -1)
        joints = np.concatenate([data.qpos[7:] - DEFAULT, 0.05 * data.qvel[6:]])
        expected = np.concatenate([2 * linear, 0.25 * angular, gravity])
        np.testing.assert_allclose(seen["critic"][robot, :9], expected, atol=1e-5)
        np.testing.assert_allclose(seen["critic"][robot, 12:36], joints, atol=1e-6)
        np.testing.assert_array_equal(seen["critic"][robot, 36:48], np.zeros(12))
        height = data.qpos[2] - ROBOT.start_height
        assert np.abs(height) < (1e-6 if ground == "flat" else 1.0)
        assert np.abs(np.linalg.norm(data.qvel[:3]) - np.linalg.norm(linear)) < 1e-6
    np.testing.assert_array_equal(seen["critic"], observe(env.mdp, env.state.episodes).critic)


def test_friction_reaches_every_robots_feet() -> None:
    """Feet that slide are braked by friction times the weight on them, robot by robot."""
    friction = np.array([0.3, 0.6, 0.9], np.float32)
    simulator = placed(start(3, base_linear_velocity=(4.0, 0, 0), base_position=(0, 0, 0.517)))
    simulator.configure(friction, np.zeros(3, np.float32))
    feet = [ROBOT.contact_bodies.index(foot) for foot in ROBOT.feet]
    ratios = []
    for _ in range(15):
        _, readout = simulator.advance(None, np.tile(DEFAULT, (3, 1)))
        force = readout.contact_force[:, feet]
        sliding = (np.linalg.norm(readout.foot_velocity[:, :, :2], axis=-1) > 0.5) & (force[..., 2] > 20)
        horizontal = np.linalg.norm(force[..., :2], axis=-1)
        ratios.append(np.where(sliding, horizontal / np.maximum(force[..., 2], 20), np.nan))
        assert (force[..., 0][sliding] < 0).all()
    assert np.isfinite(ratios).sum(axis=(0, 2)).min() >= 8
    np.testing.assert_allclose(np.nanmedian(ratios, axis=(0, 2)), friction, rtol=0.01)
    assert (np.nanmax(ratios, axis=(0, 2)) <= friction * 1.01).all()


def test_payload_reaches_the_base_and_weighs_on_the_feet() -> None:
    task = dataclasses.replace(
        FLAT, randomization=Randomization(payload=(-5.0, 5.0), pushes=None, start=Start(velocity=0))
    )
    payload = np.array([-5.0, 0.0, 5.0], np.float32)
    simulator = placed(start(3, base_position=(0, 0, 0.53)), task)
    simulator.configure(np.ones(3, np.float32), payload)
    for _ in range(100):
        _, readout = simulator.advance(None, np.tile(DEFAULT, (3, 1)))
    np.testing.assert_allclose(readout.contact_force.sum(axis=1)[:, 2], (ROBOT.mass + payload) * 9.81, rtol=0.01)
    base = simulator.model.body(ROBOT.bodies[0].name).id
    masses = [simulator._batch.get_model(robot).body_mass[base] for robot in range(3)]
    np.testing.assert_allclose(masses, ROBOT.bodies[0].mass + payload, rtol=1e-6)


def test_the_draws_of_friction_and_payload_reach_the_engine() -> None:
    task = dataclasses.replace(FLAT, randomization=Randomization(payload=(-5.0, 5.0)))
    env = LocoVectorEnv(task, 32)
    env.reset(seed=2)
    simulator = env.simulator
    foot = next(g for g in range(simulator.model.ngeom) if simulator.model.geom(g).name.endswith(ROBOT.feet[0]))
    models = [simulator._batch.get_model(robot) for robot in range(32)]
    friction = np.array([model.geom_friction[foot, 0] for model in models])
    mass = np.array([model.body_mass[1] for model in models]) - ROBOT.bodies[0].mass
    saved = env.save()
    np.testing.assert_allclose(friction, saved["physics.friction"], rtol=1e-6)
    np.testing.assert_allclose(mass, saved["physics.payload"], atol=1e-5)
    assert 0.5 <= friction.min() < 0.6 and 1.15 < friction.max() <= 1.25
    assert -5 <= mass.min() < -4 and 4 < mass.max() <= 5
    env.reset(seed=3)
    assert not np.array_equal(friction, env.save()["physics.friction"])


@pytest.mark.parametrize("field", ["_qpos", "_qvel"])
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e12])
def test_a_broken_robot_is_reset_and_named_and_the_others_go_on(field: str, value: float) -> None:
    env, twin = LocoVectorEnv(FLAT, 5), LocoVectorEnv(FLAT, 5)
    env.reset(seed=0)
    twin.reset(seed=0)
    others = [0, 1, 3, 4]
    for t in range(6):
        action = np.full((5, 12), 0.05 * t, np.float32)
        if t == 2:
            getattr(env.simulator, field)[2, 9] = value
        ours, theirs = env.step(action), twin.step(action)
        reasons = [env.reset_reasons[reason] for reason in ours[4]["reset_reason"]]
        assert reasons[2] == ("broken_physics" if t == 2 else "running")
        assert ours[2].tolist() == [False, False, t == 2, False, False] and not ours[3].any()
        for a, b in ((ours[0], theirs[0]), (ours[1], theirs[1]), (ours[4]["final_obs"], theirs[4]["final_obs"])):
            np.testing.assert_array_equal(a[others], b[others])
            assert np.isfinite(a).all()
    assert env.state.episodes.number.tolist() == [0, 0, 1, 0, 0] and env.state.episodes.step[2] == 3


def test_a_broken_robot_that_waits_for_its_reset_is_counted_once() -> None:
    env = LocoVectorEnv(FLAT, 2, autoreset_mode="next_step", stagger=False)
    env.reset(seed=0)
    env.simulator._qpos[1, 3] = np.nan
    reasons = [env.step(np.zeros((2, 12), np.float32))[4]["reset_reason"].tolist() for _ in range(4)]
    assert reasons == [[0, 3], [0, 0], [0, 0], [0, 0]]


def test_restoring_forgets_that_a_robot_broke() -> None:
    env = LocoVectorEnv(FLAT, 2, autoreset_mode="disabled")
    env.reset(seed=0)
    saved = env.save()
    env.simulator._qpos[1, 3] = np.nan
    assert env.step(np.zeros((2, 12), np.float32))[2].tolist() == [False, True]
    env.restore(saved)
    assert env.step(np.zeros((2, 12), np.float32))[2].tolist() == [False, False]


def test_physics_that_was_saved_goes_on_bit_by_bit() -> None:
    simulator, other = placed(start(3)), placed(start(3, base_position=(1, 1, 1)), friction=0.2)
    target = np.stack([DEFAULT + 0.1, DEFAULT, DEFAULT - 0.1])
    for _ in range(20):
        simulator.advance(None, target)
    saved = simulator.save(None)
    expected = [simulator.advance(None, target)[1] for _ in range(50)]
    for again in (simulator, other):
        again.restore(saved)
        for readout in expected:
            _, ours = again.advance(None, target)
            for field in dataclasses.fields(Readout):
                np.testing.assert_array_equal(getattr(ours, field.name), getattr(readout, field.name), field.name)


def test_the_explicit_actuator_is_the_engines_pd_law() -> None:
    """In the air, 50 control steps: at every physics step the torque of the joint's PD law, clipped at its limit."""
    begin = start(4, base_position=(0, 0, 100), base_angular_velocity=(0.5, -0.4, 0.3))
    engine, explicit = placed(begin), placed(begin, actuator=PD(ROBOT))
    saturated = 0
    for t in range(50):
        robot, joint = np.arange(4)[:, None], np.arange(12)
        target = (DEFAULT + 0.5 * np.sin(robot + joint + 0.3 * t)).astype(np.float32)
        (_, ours), (_, theirs) = explicit.advance(None, target), engine.advance(None, target)
        np.testing.assert_allclose(ours.joint_position, theirs.joint_position, atol=1e-4)
        np.testing.assert_allclose(ours.joint_torque, theirs.joint_torque, atol=0.05)
        saturated += int((np.abs(theirs.joint_torque) > 79.9).sum())
        assert np.abs(theirs.joint_torque).max() <= 80.001
    assert np.abs(theirs.joint_velocity).max() > 1.0


def test_an_actuators_memory_is_cleared_where_robots_are_placed() -> None:
    simulator = placed(start(3), actuator=Counting(ROBOT))
    target = np.tile(DEFAULT, (3, 1))
    simulator.advance(None, target)
    simulator.place(None, np.array([False, True, False]), start(3))
    simulator.advance(None, target)
    np.testing.assert_array_equal(simulator.save(None)["actuator"], [[8, 4, 8]])
    simulator.place(None, np.zeros(3, bool), start(3))
    np.testing.assert_array_equal(simulator.save(None)["actuator"], [[8, 4, 8]])


def test_an_actuators_memory_is_saved() -> None:
    simulator, other = placed(start(2), actuator=Counting(ROBOT)), placed(start(2), actuator=Counting(ROBOT))
    target = np.tile(DEFAULT, (2, 1))
    for _ in range(3):
        simulator.advance(None, target)
    saved = simulator.save(None)
    expected = [simulator.advance(None, target)[1] for _ in range(3)]
    np.testing.assert_array_equal(saved["actuator"], [[12, 12]])
    other.restore(saved)
    for readout in expected:
        _, ours = other.advance(None, target)
        np.testing.assert_array_equal(ours.joint_torque, readout.joint_torque)
        np.testing.assert_array_equal(ours.joint_position, readout.joint_position)
    np.testing.assert_array_equal(saved["actuator"], [[12, 12]])


class Counting(PD):
    """Counts the physics steps since a robot was placed, and twitches more and more."""

    def initial(self, num_envs: int, xp: Any, device: object = None) -> np.ndarray:
        return np.zeros((1, num_envs))

    def torque(self, memory: Any, target: Any, position: Any, velocity: Any, drive: Any = None) -> Any:
        _, torque = super().torque(memory, target, position, velocity)
        return memory + 1, torque + memory[0][:, None]

    def clear(self, memory: Any, mask: Any) -> Any:
        return np.where(mask, 0, memory)


def test_torques_in_the_readout_are_those_that_were_applied() -> None:
    simulator = placed(start(1, base_position=(0, 0, 50)))
    simulator.advance(None, DEFAULT[None])
    before = simulator._batch.get_data(0)
    one = dataclasses.replace(FLAT, timing=Timing(decimation=1))
    single = placed(start(1, base_position=(0, 0, 50), joint_velocity=0.5 * np.ones(12)), one)
    _, readout = single.advance(None, (DEFAULT + 0.2)[None])
    np.testing.assert_allclose(readout.joint_torque[0], 80 * 0.2 - 2 * 0.5, rtol=1e-5)
    assert before.time == pytest.approx(0.02)


def test_arrays_of_the_readout_are_not_the_engines_own() -> None:
    simulator = placed(start(2))
    _, first = simulator.advance(None, np.tile(DEFAULT, (2, 1)))
    copies = {field.name: getattr(first, field.name).copy() for field in dataclasses.fields(Readout)}
    simulator.advance(None, np.tile(DEFAULT + 0.4, (2, 1)))
    for name, value in copies.items():
        np.testing.assert_array_equal(getattr(first, name), value, name)
        assert value.dtype == (np.bool_ if name == "broken" else np.float32)


def test_closing_frees_the_batch() -> None:
    env = LocoVectorEnv(FLAT, 8)
    env.reset(seed=0)
    batch = weakref.ref(env.simulator._batch)
    env.close()
    assert batch() is None


def test_it_speaks_the_array_api_of_numpy() -> None:
    assert MujocoSimulator.xp is xp and MujocoSimulator.device is None


@pytest.mark.parametrize("number", [0, 2, 4, 6, 17])
def test_a_robot_faster_than_anything_real_is_broken(number: int) -> None:
    """From 1000 m/s or rad/s on, either way, whichever of its numbers it is: MuJoCo itself may warn of nothing."""
    simulator = placed(start(4, base_position=(0, 0, 100)))
    simulator._qvel[:, number] = [0.0, 999.0, 1000.0, -1001.0]
    assert simulator._readout().broken.tolist() == [False, False, True, True]


def test_a_robot_that_flies_off_is_broken_after_the_step_too() -> None:
    fast = placed(start(2, base_position=(0, 0, 100), base_linear_velocity=[[990.0, 0, 0], [1010.0, 0, 0]]))
    _, readout = fast.advance(None, np.tile(DEFAULT, (2, 1)))
    assert readout.broken.tolist() == [False, True] and not fast._batch.warning[..., 1].any()


@pytest.mark.parametrize("driven", [False, True])
def test_a_control_step_is_as_many_physics_steps_as_the_task_says(driven: bool) -> None:
    timing = Timing(physics_dt=0.0025, decimation=7)
    task = dataclasses.replace(FLAT, timing=timing)
    simulator = placed(start(1, base_position=(0, 0, 100)), task, **({"actuator": Counting(ROBOT)} if driven else {}))
    simulator.advance(None, DEFAULT[None])
    assert simulator._batch.get_data(0).time == pytest.approx(0.0175)
    if driven:
        assert simulator.save(None)["actuator"].tolist() == [[7]]


def test_payload_changes_all_that_the_engine_derives_from_masses() -> None:
    """The inverse weights of bodies and joints, which decide how stiff contacts and limits are, are those of a model whose
    base is that heavy."""
    task = dataclasses.replace(FLAT, randomization=Randomization(payload=(-5.0, 5.0), pushes=None))
    simulator = placed(start(2), task)
    simulator.configure(np.ones(2, np.float32), np.array([-4.0, 5.0], np.float32))
    for robot, mass in enumerate((-4.0, 5.0)):
        heavier = mujoco.MjModel.__copy__(simulator.model)
        heavier.body_mass[heavier.body(ROBOT.bodies[0].name).id] += mass
        mujoco.mj_setConst(heavier, mujoco.MjData(heavier))
        theirs = simulator._batch.get_model(robot)
        for name in ("body_mass", "body_subtreemass", "body_invweight0", "dof_invweight0"):
            np.testing.assert_allclose(getattr(theirs, name), getattr(heavier, name), rtol=1e-5, err_msg=name)
        assert not np.allclose(theirs.body_invweight0, simulator.model.body_invweight0, rtol=1e-3)
