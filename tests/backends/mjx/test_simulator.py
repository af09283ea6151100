"""MJX behind the task, by JAX and by Warp: the same physics as native MuJoCo's."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip("jax")
pytest.importorskip("mujoco.mjx")

import mujoco

from anymal import DEFAULT, ROBOT, start
from locoenvs.backends.mjx.engine import Physics as State
from locoenvs.backends.mjx.model import Payload
from locoenvs.mdp.state import Readout
from locoenvs.mdp.terrain import ground_height
from mjx_physics import FLAT, ROBOTS_HERE, Physics, physics

IMPLS = ["jax", "warp"]
FEET = [ROBOT.contact_bodies.index(foot) for foot in ROBOT.feet]
pytestmark = [pytest.mark.parametrize("impl", IMPLS), pytest.mark.xdist_group("mjx-physics")]
"""One process compiles each program once for all tests."""


def swinging(t: int) -> np.ndarray:
    """Targets that move every joint of every robot its own way."""
    robot, joint = np.arange(ROBOTS_HERE)[:, None], np.arange(12)
    return (DEFAULT + 0.5 * np.sin(robot + joint + 0.3 * t)).astype(np.float32)


def test_in_the_air_joints_are_native_mujocos(impl: str) -> None:
    """100 physics steps, float32 against float64, with different payloads; torques reach their limits."""
    begin = start(
        base_position=(0, 0, 100), base_angular_velocity=(0.5, -0.4, 0.3), base_linear_velocity=(1.0, 0.2, 0),
        joint_velocity=np.linspace(-1, 1, 12),
    )  # fmt: skip
    ours, native = physics("flat", impl), physics("flat", "native")
    for each in (ours, native):
        each.place(begin, payload=np.array([-5, 0, 2, 5]))
    saturated = 0
    far = np.where(np.arange(12) % 3 == 0, 0.6, 2.4)  # hips far, for large torques; abductions short of their end stops
    for t in range(25):
        target = DEFAULT + far * (swinging(t) - DEFAULT)
        a, b = ours.advance(target), native.advance(target)
        np.testing.assert_allclose(a.joint_position, b.joint_position, atol=1e-4)
        np.testing.assert_allclose(a.base_quaternion, b.base_quaternion, atol=1e-4)
        np.testing.assert_allclose(a.base_linear_velocity, b.base_linear_velocity, atol=2e-3)
        np.testing.assert_allclose(a.base_angular_velocity, b.base_angular_velocity, atol=2e-3)
        np.testing.assert_allclose(a.joint_torque, b.joint_torque, atol=0.05)
        np.testing.assert_allclose(a.foot_velocity, b.foot_velocity, atol=5e-3)
        np.testing.assert_array_equal(a.contact_force, 0.0)
        saturated += int((np.abs(b.joint_torque) > 79.9).sum())
    assert saturated and np.abs(b.joint_velocity).max() > 1.0 and not a.broken.any()


def test_a_standing_robot_has_its_weight_on_its_feet_as_in_native_mujoco(impl: str) -> None:
    """The forces of four feet depend on how they landed too: what is exact about the solver shows in each of them."""
    payload = np.array([-5.0, 0.0, 2.0, 5.0])
    begin = start(base_position=(0, 0, 0.53))
    readouts = []
    for each in (physics("flat", impl), physics("flat", "native")):
        each.place(begin, payload=payload)
        for _ in range(100):
            readout = each.advance(DEFAULT)
        readouts.append(readout)
    ours, native = readouts
    np.testing.assert_allclose(ours.contact_force.sum(axis=1)[:, 2], (ROBOT.mass + payload) * 9.81, rtol=0.005)
    np.testing.assert_allclose(ours.contact_force, native.contact_force, atol=0.1)
    np.testing.assert_allclose(ours.joint_position, native.joint_position, atol=1e-4)
    others = np.delete(ours.contact_force, FEET, axis=1)
    assert (others == 0).all() and np.abs(ours.foot_velocity).max() < 0.01


def braking(each: Physics, friction: np.ndarray, heading: float, order: int) -> np.ndarray:
    """Horizontal over vertical force of robots' feet that slide, medians (N,), after a start that way, rad from world x.
    What is horizontal is the length of x and y, or, of ``order`` 1, the sum of their sizes."""
    way = np.array([np.cos(heading), np.sin(heading)])
    each.place(start(base_linear_velocity=(*(4 * way), 0.0), base_position=(0, 0, 0.53)), friction=friction)
    ratios, against = [], []
    for _ in range(15):
        readout = each.advance(DEFAULT)
        force, velocity = readout.contact_force[:, FEET], readout.foot_velocity[..., :2]
        sliding = (np.linalg.norm(velocity, axis=-1) > 0.5) & (force[..., 2] > 20)
        horizontal = np.linalg.norm(force[..., :2], ord=order, axis=-1)
        ratios.append(np.where(sliding, horizontal / np.maximum(force[..., 2], 20), np.nan))
        against += list((force[..., :2] * velocity).sum(axis=-1)[sliding] < 0)
    assert np.isfinite(ratios).sum(axis=(0, 2)).min() >= 5 and np.mean(against) > 0.9
    return np.nanmedian(ratios, axis=(0, 2))


@pytest.mark.parametrize("heading", [0.0, np.pi / 4, 2.0])
def test_friction_is_each_robots_own_in_every_direction(heading: float, impl: str) -> None:
    """Feet that slide are braked by friction times the weight on them."""
    friction = np.array([0.3, 0.5, 0.7, 0.9])
    np.testing.assert_allclose(braking(physics("flat", impl), friction, heading, order=2), friction, rtol=0.01)


def test_the_pyramid_is_native_mujocos_too(impl: str) -> None:
    """Its forces along world x and y add up to the friction: between them it holds less."""
    friction = np.array([0.3, 0.5, 0.7, 0.9])
    ours, native = physics("flat", impl, "pyramidal"), physics("flat", "native", "pyramidal")
    np.testing.assert_allclose(braking(ours, friction, np.pi / 4, order=1), friction, rtol=0.02)
    assert (braking(ours, friction, np.pi / 4, order=2) / friction).min() < 0.85
    state = start(base_position=(0, 0, 0.53), base_linear_velocity=(1.0, 0.5, 0.0))
    gaps = []
    for t in range(20):
        for each in (ours, native):
            each.place(state, friction=friction)
        after, state = ours.advance(swinging(t)), native.advance(swinging(t))
        gaps += list(np.abs(after.joint_position - state.joint_position).max(axis=1))
    assert np.quantile(gaps, 0.9) < 1e-4, "rad; Warp's own solver, in float32, leaves a few robots behind"


def test_forces_and_accelerations_on_rough_ground_are_native_mujocos(impl: str) -> None:
    """One physics step of robots that stand or lie, slide and stumble every way, on every kind of ground."""
    ours, native = physics("rough", impl), physics("rough", "native")
    height_map = native.simulator._height_map
    centers = height_map.tile_centers.reshape(-1, 3)
    draw = np.random.default_rng(0)
    footprint = np.stack(np.meshgrid(*[np.linspace(-0.5, 0.5, 21)] * 2), axis=-1).reshape(-1, 2)
    wrong, slower, sizes = [], [], []
    for turn in range(12):
        xy = centers[draw.integers(len(centers), size=ROBOTS_HERE), :2] + draw.uniform(-3, 3, (ROBOTS_HERE, 2))
        around = (xy[:, None] + footprint).astype(np.float32)
        under = ground_height(height_map.heights, height_map.origin, height_map.cell, around[..., 0], around[..., 1])
        friction = draw.uniform(0.2, 0.8, ROBOTS_HERE)
        native.place(
            start(
                base_position=np.column_stack([xy, under.max(axis=1) + 0.55]),
                base_linear_velocity=np.column_stack([draw.uniform(-1, 1, (ROBOTS_HERE, 2)), np.zeros(ROBOTS_HERE)]),
            ),
            friction=friction,
        )
        for t in range(150):
            state = native.advance(DEFAULT + 0.05 * turn * (swinging(t // 4) - DEFAULT))
        after = []
        for each in (ours, native):
            each.place(state, friction=friction)
            after.append(each.advance(DEFAULT + 0.1))
        wrong += list(np.abs(after[0].contact_force - after[1].contact_force).max(axis=(1, 2)))
        slower += list(np.abs(after[0].joint_velocity - after[1].joint_velocity).max(axis=1))
        sizes += list(np.linalg.norm(after[1].contact_force, axis=-1).sum(axis=1))
    assert np.median(sizes) > 300 and np.max(sizes) > 1000  # N, all contacts of a robot together
    assert np.max(wrong) < 0.2 and np.max(slower) < 1e-3  # N, rad/s


def test_robots_just_above_rough_ground_touch_nothing(impl: str) -> None:
    """Warp's own height field reports contacts of some thousand newton there, for about one robot in a hundred."""
    ours, native = physics("rough", impl), physics("rough", "native")
    model, height_map = native.simulator.model, native.simulator._height_map
    data = mujoco.MjData(model)
    centers = height_map.tile_centers.reshape(-1, 3)
    draw = np.random.default_rng(1)
    felt = []
    for _ in range(40):
        xy = centers[draw.integers(len(centers), size=ROBOTS_HERE), :2] + draw.uniform(-3, 3, (ROBOTS_HERE, 2))
        joints = (DEFAULT + draw.uniform(-0.3, 0.3, (ROBOTS_HERE, 12))).astype(np.float32)
        heights = []
        for place, pose in zip(xy, joints):
            data.ncon, height = 0, height_map.heights.max() + 0.8
            while data.ncon == 0:
                height -= 0.01
                data.qpos[:] = [*place, height, 1, 0, 0, 0, *pose]
                mujoco.mj_forward(model, data)
            heights.append(height + 0.01)
        ours.place(start(base_position=np.column_stack([xy, heights]), joint_position=joints))
        felt.append(np.abs(ours.advance(joints).contact_force).max())
    assert np.max(felt) == 0


def test_placing_and_pushing_touch_only_the_robots_that_are_meant(impl: str) -> None:
    each = physics("flat", impl)
    each.place(start(base_position=(0, 0, 5)))
    for t in range(3):
        each.advance(swinging(t))
    xp, before = (
        each.simulator.xp,
        {name: np.array(value) for name, value in vars(each.physics).items() if name != "memory"},
    )
    mask = xp.asarray(np.array([False, True, False, True]))
    pushed = each.simulator.push(each.physics, mask, xp.asarray(np.full((4, 2), [2.0, -1.0], np.float32)))
    np.testing.assert_allclose(pushed.qvel[1, :2], [2.0, -1.0])
    np.testing.assert_array_equal(pushed.qvel[:, 2:], before["qvel"][:, 2:])
    np.testing.assert_array_equal(pushed.qvel[::2], before["qvel"][::2])
    begin = start(base_position=(1, 2, 3), base_quaternion=(0.5, 0.5, 0.5, 0.5), base_linear_velocity=(1, 2, 3))
    placed = each.simulator.place(each.physics, mask, begin)
    for name in ("qpos", "qvel", "warmstart"):
        np.testing.assert_array_equal(getattr(placed, name)[::2], before[name][::2])
    np.testing.assert_allclose(placed.qpos[1], [1, 2, 3, 0.5, 0.5, 0.5, 0.5, *DEFAULT])
    np.testing.assert_allclose(placed.qvel[1, :3], [3, 1, 2], atol=1e-6)  # x, y, z of that frame are world y, z, x
    assert (np.asarray(placed.warmstart[1]) == 0).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e12])
@pytest.mark.parametrize("field", ["qpos", "qvel"])
def test_a_broken_robot_is_told_and_the_others_go_on(field: str, value: float, impl: str) -> None:
    each = physics("rough", impl)
    begin = start(base_position=np.array([[0, 0, 1], [3, 1, 1], [-4, 2, 1], [5, 5, 1]], np.float32))
    results = []
    for spoil in (False, True):
        each.place(begin)
        if spoil:
            array = getattr(each.physics, field).at[2, 3].set(value)
            each.physics = dataclasses.replace(each.physics, **{field: array})
        results.append(each.advance(DEFAULT))
    sound, spoiled = results
    assert spoiled.broken.tolist() == [False, False, True, False] and not sound.broken.any()
    for name in ("base_position", "joint_position", "contact_force"):
        np.testing.assert_array_equal(getattr(spoiled, name)[[0, 1, 3]], getattr(sound, name)[[0, 1, 3]])


def test_what_was_saved_goes_on_bit_by_bit(impl: str) -> None:
    each = physics("flat", impl)
    each.place(start(), friction=np.array([0.5, 0.7, 0.9, 1.1]), payload=np.array([0, 1, 2, 3]))
    for t in range(10):
        each.advance(swinging(t))
    saved = each.simulator.save(each.physics)
    assert set(saved) == {"qpos", "qvel", "warmstart", "friction", "payload"}
    first = [each.advance(swinging(t)) for t in range(10)]
    each.physics = each.simulator.restore(saved)
    for t, expected in enumerate(first):
        again = each.advance(swinging(t))
        for field in dataclasses.fields(Readout):
            np.testing.assert_array_equal(getattr(again, field.name), getattr(expected, field.name))


def test_payload_changes_the_model_as_mujoco_does(impl: str) -> None:
    """The inverse weights of bodies and joints too, which decide how stiff contacts and limits are."""
    import jax.numpy as jnp

    model = physics("flat", "native").simulator.model
    base = model.body("base").id
    bare = physics("flat", "jax").simulator.model
    payload = Payload.of(bare, base)
    for mass in (-5.0, 0.0, 5.0):
        changed = payload.fields(State(*[jnp.zeros(())] * 4, payload=jnp.float32(mass)))
        native = physics("flat", "native").simulator
        native.configure(np.ones(ROBOTS_HERE, np.float32), np.full(ROBOTS_HERE, mass, np.float32))
        theirs = native._batch.get_model(0)
        for name in ("body_mass", "body_subtreemass", "body_invweight0", "dof_invweight0"):
            np.testing.assert_allclose(changed[name], getattr(theirs, name), rtol=2e-4, err_msg=name)
    assert FLAT.randomization.payload is not None


def test_a_drive_between_physics_steps_is_the_engines_own_pd_law(impl: str) -> None:
    """And what it remembers is part of the state: here, how often it was asked since its robot was placed."""
    import jax.numpy as jnp

    from locoenvs.backends.mjx.simulator import MjxSimulator
    from locoenvs.mdp.actuators import PD
    from locoenvs.mdp.terrain import build

    class Counting(PD):
        def initial(self, num_envs, xp, device=None):
            return xp.zeros((1, num_envs))

        def torque(self, memory, target, position, velocity, drive=None):
            return memory + 1, super().torque(memory, target, position, velocity)[1]

        def clear(self, memory, mask):
            return jnp.where(mask, 0.0, memory)

    own, simulator = (
        physics("flat", impl),
        MjxSimulator(FLAT, build(FLAT.terrain), ROBOTS_HERE, device="cpu", impl=impl, actuator=Counting(ROBOT)),
    )
    driven = Physics(simulator, FLAT)
    begin = start(base_position=(0, 0, 100), base_angular_velocity=(0.5, -0.4, 0.3))
    for each in (own, driven):
        each.place(begin)
    for t in range(10):
        a, b = driven.advance(swinging(t)), own.advance(swinging(t))
        np.testing.assert_allclose(a.joint_position, b.joint_position, atol=1e-4)
        np.testing.assert_allclose(a.joint_torque, b.joint_torque, atol=0.05)
    np.testing.assert_array_equal(driven.physics.memory, np.full((1, ROBOTS_HERE), 40.0))
    assert simulator.save(driven.physics)["memory"].shape == (1, ROBOTS_HERE)
    mask = jnp.asarray(np.array([True, False, True, False]))
    np.testing.assert_array_equal(simulator.place(driven.physics, mask, begin).memory, [[0.0, 40.0, 0.0, 40.0]])


def test_the_learned_drive_is_native_mujocos(impl: str) -> None:
    """Joints that swing in the air by it, whose memory goes along with the physics."""
    begin = start(base_position=(0, 0, 100), base_angular_velocity=(0.5, -0.4, 0.3))
    ours, native = physics("learned drive", impl), physics("learned drive", "native")
    for each in (ours, native):
        each.place(begin)
    for t in range(15):
        a, b = ours.advance(swinging(t)), native.advance(swinging(t))
        np.testing.assert_allclose(a.joint_position, b.joint_position, atol=1e-3)
    assert np.abs(b.joint_torque).max() > 10 and np.abs(b.joint_position - DEFAULT).max() > 0.3


@pytest.mark.parametrize("number", [0, 2, 4, 6, 17])
def test_a_robot_faster_than_anything_real_is_broken(number: int, impl: str) -> None:
    """From 1000 m/s or rad/s on, either way, whichever of its numbers it is."""
    import jax.numpy as jnp

    from locoenvs.backends.mjx.engine import Sensed

    each = physics("flat", impl)
    each.place(start(base_position=(0, 0, 100)))
    qvel = each.physics.qvel.at[:, number].set(jnp.array([0.0, 999.0, 1000.0, -1001.0]))
    felt = Sensed(jnp.zeros((4, 12)), jnp.zeros((4, len(ROBOT.contact_bodies), 3)), jnp.zeros((4, 4, 3)))
    fine = jnp.zeros(4, bool)
    readout = each.simulator._readout(dataclasses.replace(each.physics, qvel=qvel), felt, fine)
    assert readout.broken.tolist() == [False, False, True, True]
