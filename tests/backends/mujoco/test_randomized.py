"""Native MuJoCo's robots differ as the task says: their bodies, their rotors, their drives. What a backend cannot vary is refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import mujoco
import numpy as np
import pytest

from anymal import DEFAULT, ROBOT, start
from locoenvs.backends.mujoco.simulator import MujocoSimulator
from locoenvs.envs import backends
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.mdp.draws import DRIVE, Draw, drive_numbers, physics_numbers
from locoenvs.mdp.mdp import Mdp
from locoenvs.mdp.state import Readout
from locoenvs.mdp.terrain import build
from locoenvs.tasks.recipes import task as recipe_task
from locoenvs.tasks.task import Task
from locoenvs.tasks.vocabulary import RANDOMIZATIONS, randomization

FLAT = recipe_task(ROBOT, "flat", actuator="pd").with_({"randomization.pushes": None})
GEARED = [
    dataclasses.replace(body, joint=body.joint and dataclasses.replace(body.joint, armature=0.1))
    for body in ROBOT.bodies
]
WITH_ROTORS = dataclasses.replace(FLAT, robot=dataclasses.replace(ROBOT, bodies=tuple(GEARED)))
BODIES, JOINTS = len(ROBOT.bodies), len(ROBOT.joints)
GRAVITY = 9.81


def varied(task: Task = FLAT, **terms: Any) -> Task:
    return task.with_({f"randomization.terms.{name}": {"parameters": given} for name, given in terms.items()})


def placed(begin: Readout, task: Task, **others: Any) -> MujocoSimulator:
    num_envs = len(begin.broken)
    simulator = MujocoSimulator(task, build(task.terrain), num_envs, threads=1)
    configure(simulator, **others)
    simulator.place(simulator.initial(), np.ones(num_envs, bool), begin)
    return simulator


def configure(simulator: MujocoSimulator, payload: float = 0.0, **others: Any) -> None:
    given = (np.full(simulator.num_envs, value, np.float32) for value in (1.0, payload))
    simulator.configure(*given, **{name: np.asarray(value, np.float32) for name, value in others.items()})


def drives(num_envs: int, **given: Any) -> np.ndarray:
    numbers = np.float32(list(DRIVE.values()))[:, None, None] * np.ones((1, num_envs, JOINTS), np.float32)
    for quantity, value in given.items():
        numbers[list(DRIVE).index(quantity)] = value
    return numbers


def stand(simulator: MujocoSimulator, steps: int = 100) -> Readout:
    for _ in range(steps):
        _, readout = simulator.advance(None, np.tile(DEFAULT, (simulator.num_envs, 1)))
    return readout


def own(simulator: MujocoSimulator, field: str) -> np.ndarray:
    """A field of the robots' models, (num_envs, ...)."""
    return np.stack([getattr(simulator._batch.get_model(robot), field) for robot in range(simulator.num_envs)])


def bodies(simulator: MujocoSimulator) -> list[int]:
    return [simulator.model.body(body.name).id for body in ROBOT.bodies]


def test_heavier_bodies_weigh_on_the_feet() -> None:
    factor = np.ones((3, BODIES), np.float32)
    factor[0] = 0.8
    factor[2, 0] = 1.2  # the base
    mass = factor @ [body.mass for body in ROBOT.bodies]
    simulator = placed(start(3, base_position=(0, 0, 0.53)), varied(link_mass={}), mass=factor)
    force = stand(simulator).contact_force.sum(axis=1)[:, 2]
    np.testing.assert_allclose(force, mass * GRAVITY, rtol=0.01)
    assert mass[0] < 0.81 * mass[1] and mass[2] > 1.03 * mass[1]


def test_masses_and_inertias_change_and_all_that_the_engine_derives_from_them() -> None:
    factor = np.random.default_rng(0).uniform(0.5, 1.5, (2, BODIES)).astype(np.float32)
    task = varied(link_mass={}).with_({"randomization.payload": (-5.0, 5.0)})
    simulator = placed(start(2), task, mass=factor, payload=3.0)
    for robot in range(2):
        expected = mujoco.MjModel.__copy__(simulator.model)
        expected.body_mass[bodies(simulator)] *= factor[robot]
        expected.body_inertia[bodies(simulator)] *= factor[robot][:, None]
        expected.body_mass[bodies(simulator)[0]] += 3.0
        mujoco.mj_setConst(expected, mujoco.MjData(expected))
        found = simulator._batch.get_model(robot)
        for name in ("body_mass", "body_inertia", "body_subtreemass", "body_invweight0", "dof_invweight0"):
            np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-5, err_msg=name)
        assert not np.allclose(found.body_invweight0, simulator.model.body_invweight0, rtol=1e-3)


def test_a_center_of_mass_farther_forward_weighs_on_the_front_feet() -> None:
    """The feet's forces act where the center of mass is, which moves with the base's share of the mass."""
    offset = np.float32([[-0.1, 0, 0], [0, 0, 0], [0.1, 0, 0]])
    simulator = placed(start(3, base_position=(0, 0, 0.53)), varied(center_of_mass={}), center_of_mass=offset)
    readout = stand(simulator, 350)
    feet = [ROBOT.contact_bodies.index(foot) for foot in ROBOT.feet]
    force = readout.contact_force[:, feet, 2]
    front = [index for index, foot in enumerate(ROBOT.feet) if foot.startswith(("LF", "RF"))]
    share = force[:, front].sum(axis=1) / force.sum(axis=1)
    assert len(front) == 2 and share[0] < share[1] - 0.03 and share[1] < share[2] - 0.03
    geoms = [
        next(g for g in range(simulator.model.ngeom) if simulator.model.geom(g).name.endswith(f)) for f in ROBOT.feet
    ]
    centers = []
    for robot in range(3):
        data = simulator._batch.get_data(robot)
        model = simulator._batch.get_model(robot)
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        pressure = force[robot] @ data.geom_xpos[geoms, 0] / force[robot].sum()
        assert abs(pressure - data.subtree_com[0, 0]) < 0.001
        centers.append(data.subtree_com[0, 0] - data.qpos[0])
    moved = 0.1 * ROBOT.bodies[0].mass / ROBOT.mass
    np.testing.assert_allclose(np.diff(centers), moved, rtol=0.1)


def test_the_center_of_mass_moves_along_each_axis_of_the_base_and_nothing_else_moves() -> None:
    offset = np.random.default_rng(0).uniform(-0.1, 0.1, (2, 3)).astype(np.float32)
    simulator = placed(start(2), varied(center_of_mass={}), center_of_mass=offset)
    base, places = bodies(simulator)[0], own(simulator, "body_ipos")
    np.testing.assert_allclose(places[:, base] - simulator.model.body_ipos[base], offset, atol=1e-7)
    others = np.arange(simulator.model.nbody) != base
    np.testing.assert_array_equal(places[:, others], np.stack([simulator.model.body_ipos[others]] * 2))
    np.testing.assert_array_equal(own(simulator, "body_mass"), np.stack([simulator.model.body_mass] * 2))


@pytest.fixture
def load() -> Iterator[None]:
    """The word of docs/your-own-task.md for a load on one side of the base."""

    @randomization("physics", quantities=("center_of_mass",))
    def off_center_load(draw: Draw, mdp: Mdp, mass: float = 1.0, along: float = 0.1) -> dict[str, Any]:
        """The base's center of mass with a load of ``mass`` kg that is ``along`` m in front of it."""
        xp, share = mdp.xp, mass / (mdp.task.robot.bodies[0].mass + mass)
        return {"center_of_mass": 0 * draw(3, "robot") + xp.asarray([share * along, 0.0, 0.0])}

    yield
    RANDOMIZATIONS.remove("off_center_load")


@pytest.mark.usefixtures("load")
def test_a_payload_and_a_moved_center_of_mass_are_a_load_off_the_center() -> None:
    mass, along = 4.0, 0.2
    task = varied(off_center_load={"mass": mass, "along": along}).with_({"randomization.payload": (mass, mass)})
    env = LocoVectorEnv(task, 2, backend="mujoco", options={"threads": 1})
    env.reset(seed=0)
    model, base = env.simulator.model, bodies(env.simulator)[0]
    masses, places = (own(env.simulator, field) for field in ("body_mass", "body_ipos"))
    empty, center = model.body_mass[base], model.body_ipos[base]
    together = (empty * center + mass * (center + [along, 0, 0])) / (empty + mass)
    np.testing.assert_allclose(masses[:, base], empty + mass, rtol=1e-6)
    np.testing.assert_allclose(places[:, base], np.stack([together] * 2), atol=1e-7)
    np.testing.assert_allclose(places[:, base, 0] - center[0], mass * along / (ROBOT.bodies[0].mass + mass), atol=1e-7)
    others = np.arange(model.nbody) != base
    np.testing.assert_array_equal(masses[:, others], np.stack([model.body_mass[others]] * 2))
    np.testing.assert_array_equal(places[:, others], np.stack([model.body_ipos[others]] * 2))
    np.testing.assert_array_equal(own(env.simulator, "body_inertia"), np.stack([model.body_inertia] * 2))


def test_a_heavier_rotor_slows_its_joint() -> None:
    added = np.zeros((3, JOINTS), np.float32)
    added[1, 4], added[2, 4] = 0.2, -0.05
    task = dataclasses.replace(varied(WITH_ROTORS, armature={}), timing=dataclasses.replace(FLAT.timing, decimation=1))
    simulator = placed(start(3, base_position=(0, 0, 5)), task, armature=added)
    np.testing.assert_allclose(
        own(simulator, "dof_armature")[:, 6:], simulator.model.dof_armature[6:] + added, rtol=1e-6
    )
    assert not own(simulator, "dof_armature")[:, :6].any() and (simulator.model.dof_armature[6:] > 0).all()
    target = np.tile(DEFAULT, (3, 1))
    target[:, 4] += 0.2
    _, readout = simulator.advance(None, target)
    speed = readout.joint_velocity[:, 4]
    assert 0 < speed[1] < 0.95 * speed[0] and speed[2] > 1.02 * speed[0]


def test_configuring_again_starts_from_the_robot_as_it_is() -> None:
    task = varied(WITH_ROTORS, link_mass={}, center_of_mass={}, armature={}).with_(
        {"randomization.payload": (0.0, 5.0)}
    )
    draw = np.random.default_rng(0)
    sizes = {"mass": BODIES, "center_of_mass": 3, "armature": JOINTS}
    others = {name: draw.uniform(0.5, 1.5, (2, size)).astype(np.float32) for name, size in sizes.items()}
    simulator = placed(start(2), task, payload=2.0, **others)
    fields = ("body_mass", "body_inertia", "body_ipos", "dof_armature", "body_invweight0", "dof_invweight0")
    once = {field: own(simulator, field) for field in fields}
    configure(simulator, payload=4.0, **{name: value + 0.5 for name, value in others.items()})
    assert all((own(simulator, field) != value).any() for field, value in once.items())
    configure(simulator, payload=2.0, **others)
    for field, value in once.items():
        np.testing.assert_array_equal(own(simulator, field), value, field)
    configure(simulator)
    for field in fields[:4]:
        np.testing.assert_array_equal(own(simulator, field), np.stack([getattr(simulator.model, field)] * 2), field)


def test_motors_of_half_the_strength_give_half_the_torque_at_most() -> None:
    simulator = placed(start(3, base_position=(0, 0, 5)), varied(motor_strength={}))
    strength = np.float32([1.0, 0.5, 0.0])[:, None]
    _, readout = simulator.advance(None, np.tile(DEFAULT + 50, (3, 1)), drives(3, strength=strength))
    limit = np.array([joint.torque_limit for joint in ROBOT.joints])
    np.testing.assert_allclose(readout.joint_torque, strength * limit, rtol=1e-6)


def test_targets_that_come_late_move_the_joints_late() -> None:
    task = varied(action_delay={"delay": (0.0, 0.02)})
    task = dataclasses.replace(task, timing=dataclasses.replace(task.timing, decimation=1))
    simulator = placed(start(3, base_position=(0, 0, 5)), task)
    delay = np.float32([0.0, 0.01, 0.02])[:, None]
    moved = []
    for _ in range(8):
        _, readout = simulator.advance(None, np.tile(DEFAULT + 0.1, (3, 1)), drives(3, delay=delay))
        moved.append(np.abs(readout.joint_torque).max(axis=1) > 1.0)
    assert np.argmax(moved, axis=0).tolist() == [0, 2, 4] and np.all(moved[-1])
    simulator.place(None, np.array([False, False, True]), start(3, base_position=(0, 0, 5)))
    _, readout = simulator.advance(None, np.tile(DEFAULT + 0.1, (3, 1)), drives(3, delay=delay))
    assert (np.abs(readout.joint_torque[:2]).max(axis=1) > 0.1).all() and np.abs(readout.joint_torque[2]).max() < 0.1


def test_drives_whose_numbers_are_neutral_are_the_engines_pd_law() -> None:
    begin = start(3, base_position=(0, 0, 100), base_angular_velocity=(0.5, -0.4, 0.3))
    engine, explicit = placed(begin, FLAT), placed(begin, varied(gains={}))
    for when in range(20):
        target = (DEFAULT + 0.3 * np.sin(np.arange(3)[:, None] + np.arange(JOINTS) + 0.3 * when)).astype(np.float32)
        (_, ours), (_, theirs) = explicit.advance(None, target, drives(3)), engine.advance(None, target)
        np.testing.assert_allclose(ours.joint_position, theirs.joint_position, atol=1e-4)
        np.testing.assert_allclose(ours.joint_torque, theirs.joint_torque, atol=0.05)


def test_what_the_task_draws_reaches_the_engine_whenever_robots_start_over() -> None:
    every = ("link_mass", "center_of_mass", "armature", "motor_strength", "gains", "joint_friction", "action_delay")
    env = LocoVectorEnv(
        varied(WITH_ROTORS, **{name: {} for name in every}), 4, backend="mujoco", options={"threads": 1}
    )
    seen = list[np.ndarray]()
    for seed in (2, 3, 2):
        env.reset(seed=seed)
        numbers = physics_numbers(env.mdp, env.state.episodes.key)
        saved, model = env.save(), env.simulator.model
        for name in ("mass", "center_of_mass", "armature"):
            np.testing.assert_array_equal(saved[f"physics.{name}"], numbers[name])
        expected = model.body_mass[bodies(env.simulator)] * numbers["mass"]
        np.testing.assert_allclose(own(env.simulator, "body_mass")[:, bodies(env.simulator)], expected, rtol=1e-6)
        expected = model.dof_armature[6:] + numbers["armature"]
        np.testing.assert_allclose(own(env.simulator, "dof_armature")[:, 6:], expected, rtol=1e-6)
        seen.append(np.stack([env.step(np.full((4, JOINTS), 0.3, np.float32))[0] for _ in range(5)]))
    np.testing.assert_array_equal(seen[2], seen[0])
    assert np.abs(seen[1] - seen[0]).max() > 0.1
    strength = drive_numbers(env.mdp, env.state.episodes.key, env.state.episodes.number)[0]
    assert np.ptp(strength) > 0.1


@pytest.mark.parametrize(
    ("terms", "can", "lacking"),
    [
        (("link_mass",), {"friction", "payload", "drive"}, "mass"),
        (("armature", "center_of_mass"), {"friction"}, "armature, center_of_mass"),
        (("motor_strength", "gains"), {"friction", "payload", "mass"}, "drive"),
    ],
)
def test_what_a_backend_cannot_vary_is_refused_by_its_name(
    terms: tuple[str, ...], can: set[str], lacking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = list[object]()
    monkeypatch.setattr(MujocoSimulator, "randomizes", frozenset(can))
    monkeypatch.setattr(MujocoSimulator, "close", lambda simulator: closed.append(simulator))
    with pytest.raises(ValueError) as error:
        LocoVectorEnv(varied(**{name: {} for name in terms}), 2, backend="mujoco")
    said = f"backend 'mujoco' cannot vary {lacking}, which the task does; it can vary {', '.join(sorted(can))}"
    assert str(error.value).startswith(said) and len(closed) == 1
    LocoVectorEnv(FLAT, 2, backend="mujoco")


def test_a_backend_that_says_nothing_varies_friction_and_payload_and_runs_the_pd_law(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Silent:
        def close(self) -> None:
            pass

    def make(task: Task, height_map: object, num_envs: int, *, device: str | None = None) -> Silent:
        return Silent()

    monkeypatch.setattr(backends, "installed", lambda: {"silent": lambda: make})
    ground = build(FLAT.terrain)

    def built(task: Task) -> object:
        return backends.build("silent", task, ground, 2, None, {})

    assert isinstance(built(FLAT), Silent) and isinstance(
        built(FLAT.with_({"randomization.payload": (0.0, 1.0)})), Silent
    )
    assert isinstance(built(varied(imu_bias={}, observation_delay={})), Silent), "sensors are no backend's"
    with pytest.raises(
        ValueError, match="'silent' cannot vary drive, which the task does; it can vary friction, payload"
    ):
        built(varied(motor_strength={}))
    with pytest.raises(ValueError, match="'silent' does not run the actuator 'lstm' of the task; it runs pd"):
        built(recipe_task(ROBOT, "flat", actuator="lstm"))
