"""What a backend must do, checked on a few robots: :func:`check_backend`.

A backend compiles a task into a :class:`~locoenvs.mdp.state.Simulator`. It is called in this order: ``configure`` with what differs from
robot to robot, ``initial``, ``place`` for all robots; then, again and again, ``advance`` by a control step, ``push`` for those that are
pushed, ``place`` for those whose episode ends. It runs the task's actuator (:func:`~locoenvs.mdp.actuators.actuator_of`) before each of
``timing.decimation`` physics steps. SI units, quaternions wxyz that turn the base's axes into the world's, forces ON the robot.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from locoenvs.mdp.actuators import Actuator, actuator_of
from locoenvs.mdp.draws import DRIVE, QUANTITIES
from locoenvs.mdp.state import Readout
from locoenvs.tasks.task import Task
from locoenvs.testing.robots import COUNT, GRAVITY, ROBOT, Make, Robots, by_single_steps, near, single, task_of


def check_backend(make: Make, **options: Any) -> list[str]:
    """Check a backend's entry point ``make(task, height_map, num_envs, *, device=None, **options)``; what was checked, in words.

    Raises AssertionError that says what does not hold, at the first that does not. It takes seconds, or as long as compiling a few
    programs does.
    """
    checked, by_task = [], dict[str, Robots]()

    def robots(task: Task) -> Robots:
        if task.hash not in by_task:
            by_task[task.hash] = Robots(make, task, COUNT, options)
        return by_task[task.hash]

    for check in (
        _says_what_it_is,
        _falls_freely,
        _turns_and_moves_in_its_frames,
        _stands,
        _slides_by_its_friction,
        _carries_its_payload,
        _has_its_own_bodies,
        _is_driven_by_the_pd_law,
        _is_driven_by_a_network,
        _is_driven_before_each_physics_step,
        _is_driven_by_its_own_numbers,
        _places_and_pushes_those_it_is_told_to,
        _goes_on_from_what_it_saved,
        _knows_what_is_broken,
        _stands_on_the_map,
    ):
        if check(robots) is not False:
            checked.append(check.__name__.strip("_").replace("_", " "))
    return checked


Open = Callable[..., Robots]


def _says_what_it_is(robots: Open) -> None:
    task = task_of()
    one = robots(task)
    simulator, wanted = one.simulator, one.start(2.0)
    assert simulator.num_envs == COUNT, f"num_envs must be {COUNT}, the number of robots, got {simulator.num_envs}"
    assert isinstance(simulator.options, dict), "options must be the dict of the options that decide what comes out"
    can, runs = (frozenset(getattr(simulator, name, ())) for name in ("randomizes", "actuators"))
    assert can <= {*QUANTITIES, "drive"}, f"randomizes may name {(*QUANTITIES, 'drive')}, got {sorted(can)}"
    assert "friction" in can, "randomizes must hold 'friction': every task varies it"
    assert runs and runs <= {"pd", "lstm"}, f"actuators must name 'pd', 'lstm' or both, got {sorted(runs)}"
    one.begin(wanted)
    readout = one.advance()
    for field in dataclasses.fields(Readout):
        actual, like = getattr(readout, field.name), getattr(wanted, field.name)
        assert actual.shape == like.shape, f"Readout.{field.name} must have shape {like.shape}, got {actual.shape}"
        assert actual.dtype == like.dtype, f"Readout.{field.name} must be {like.dtype}, got {actual.dtype}"
        assert np.isfinite(actual).all(), f"Readout.{field.name} is not finite"


def _falls_freely(robots: Open) -> None:
    one = robots(task_of())
    one.begin(one.start(3.0))
    for _ in range(10):
        readout = one.advance()
    seconds = 10 * one.task.timing.control_dt
    near(
        readout.base_linear_velocity[:, 2], -GRAVITY * seconds, 0.1, "the vertical velocity of a robot that falls, m/s"
    )
    near(readout.base_position[:, 2], 3.0 - GRAVITY * seconds**2 / 2, 0.05, "the height of a robot that falls, m")
    assert not readout.contact_force.any(), "a robot in the air feels contact forces"


def _turns_and_moves_in_its_frames(robots: Open) -> None:
    one = robots(task_of())
    start = one.start(3.0, heading=np.pi / 2)
    start = dataclasses.replace(
        start,
        base_linear_velocity=np.tile(single([1.0, 0.5, 0.0]), (COUNT, 1)),
        base_angular_velocity=np.tile(single([0.0, 0.0, 0.5]), (COUNT, 1)),
    )
    one.begin(start)
    for _ in range(5):
        readout = one.advance()
    seconds = 5 * one.task.timing.control_dt
    said = (
        "base_linear_velocity is along the base's axes: heading 90 degrees and 1 m/s forward, 0.5 m/s left must move it"
    )
    near(readout.base_position[:, 1], seconds, 0.03, f"{said} along +y, m")
    near(readout.base_position[:, 0], -0.5 * seconds, 0.03, f"{said} along -x, m")
    near(readout.base_linear_velocity[:, 0], 1.0, 0.1, "the forward velocity read out along the base's axes, m/s")
    w, _, _, z = readout.base_quaternion.T
    near(
        2 * np.arctan2(z, w),
        np.pi / 2 + 0.5 * seconds,
        0.03,
        "the heading by base_quaternion (wxyz) of a robot that turns left, rad",
    )
    near(np.linalg.norm(readout.base_quaternion, axis=-1), 1.0, 1e-3, "the length of base_quaternion")
    near(readout.base_angular_velocity[:, 2], 0.5, 0.1, "base_angular_velocity about the base's z axis, rad/s")


def _stands(robots: Open) -> None:
    one = robots(task_of())
    one.begin(one.start(ROBOT.start_height))
    readout = one.stand()
    assert not readout.broken.any(), "a robot that stands is reported broken"
    weight = GRAVITY * sum(body.mass for body in ROBOT.bodies)
    near(
        readout.contact_force[..., 2].sum(axis=-1),
        weight,
        0.1 * weight,
        "the sum of contact_force along +z, on the robot, N",
    )
    names = list(ROBOT.contact_bodies)
    feet = readout.contact_force[:, [names.index(foot) for foot in ROBOT.feet], 2]
    assert (feet > 0.05 * weight).all(), (
        f"each foot of a standing robot carries a part of its weight; contact_force of feet is {feet[0]}"
    )
    near(readout.joint_position, one.default, 0.3, "joints that hold the default pose, in the robot's order, rad")
    near(np.linalg.norm(readout.foot_velocity, axis=-1), 0.0, 0.05, "foot_velocity of a standing robot, m/s")


def _slides_by_its_friction(robots: Open) -> None:
    one = robots(task_of())
    start = one.start(ROBOT.start_height)
    one.begin(start, friction=single([0.05, 0.6, 1.2]))
    one.stand()
    one.push(np.ones(COUNT, bool), np.tile(single([0.0, 0.8]), (COUNT, 1)))
    readout = one.stand(0.5)
    moved = readout.base_position[:, 1]
    assert moved[0] > moved[1] + 0.1, (
        f"less friction must let a pushed robot slide farther: {moved} m at 0.05, 0.6 and 1.2"
    )


def _carries_its_payload(robots: Open) -> bool | None:
    task = task_of()
    one = robots(dataclasses.replace(task, randomization=dataclasses.replace(task.randomization, payload=(0.0, 10.0))))
    if "payload" not in one.simulator.randomizes:
        return False
    one.begin(one.start(ROBOT.start_height), payload=single([0.0, 5.0, 10.0]))
    force = one.stand(3.0).contact_force[..., 2].sum(axis=-1)
    near(np.diff(force), 5 * GRAVITY, 15.0, "what 5 kg more weigh on the feet, N")
    return None


def _has_its_own_bodies(robots: Open) -> bool | None:
    can = robots(task_of()).simulator.randomizes
    words = {"mass": "link_mass", "center_of_mass": "center_of_mass", "armature": "armature"}
    own = {quantity: word for quantity, word in words.items() if quantity in can}
    if not own:
        return False
    one = robots(task_of().with_({f"randomization.terms.{word}": {} for word in own.values()}))
    bodies, joints = len(ROBOT.bodies), len(ROBOT.joints)
    neutral = {
        "mass": np.ones((COUNT, bodies)),
        "center_of_mass": np.zeros((COUNT, 3)),
        "armature": np.zeros((COUNT, joints)),
    }
    weight, names = GRAVITY * ROBOT.mass, list(ROBOT.contact_bodies)

    def standing(**numbers: np.ndarray) -> np.ndarray:
        """The vertical forces on the feet of robots with these numbers, in the order of ROBOT.feet, (N, F) N."""
        one.begin(one.start(ROBOT.start_height), **{name: {**neutral, **numbers}[name] for name in own})
        return one.stand(3.0).contact_force[:, [names.index(foot) for foot in ROBOT.feet], 2]

    if "mass" in own:
        heavier = standing(mass=neutral["mass"] * np.array([[1.0], [1.1], [1.3]]))
        near(
            heavier.sum(axis=1),
            weight * np.array([1.0, 1.1, 1.3]),
            0.05 * weight,
            "the weight of robots whose masses are times 1, 1.1, 1.3, N",
        )
    if "center_of_mass" in own:
        load = standing(center_of_mass=np.array([[0.0, 0, 0], [0.05, 0, 0], [0, 0.05, 0]]))
        left, front = (
            np.array([foot[place] == letter for foot in ROBOT.feet]) for place, letter in ((0, "L"), (1, "F"))
        )
        assert load[1, front].sum() > load[0, front].sum() + 0.02 * weight, (
            "a center of mass further in front must load the front feet"
        )
        assert load[2, left].sum() > load[0, left].sum() + 0.02 * weight, (
            "a center of mass further left must load the left feet"
        )
    if "armature" in own:
        rotors = neutral["armature"] + np.array([[0.0], [0.2], [1.0]])
        one.begin(one.start(3.0), **{name: {**neutral, "armature": rotors}[name] for name in own})
        speed = np.abs(one.advance(one.default + 0.1).joint_velocity).mean(axis=1)
        assert speed[0] > speed[1] > speed[2], (
            f"heavier rotors must be slower: {speed} rad/s with 0, 0.2 and 1 kg m^2 more"
        )
    return None


def _is_driven_by_the_pd_law(robots: Open) -> bool | None:
    one = robots(task_of())
    if "pd" not in one.simulator.actuators:
        return False
    one.begin(one.start(3.0))
    for joint in range(0, len(one.default), 5):
        target = one.default.copy()
        target[joint] += 0.1
        one.place(np.ones(COUNT, bool), one.start(3.0))
        for _ in range(15):
            readout = one.advance(target)
        off = readout.joint_position - one.default
        near(off[:, joint], 0.1, 0.06, f"joint {ROBOT.joint_names[joint]} that is told to move by 0.1 rad, rad")
        others = np.delete(np.abs(off), joint, axis=1)
        assert (others < 0.05).all(), (
            f"joints that are told to stay move as {ROBOT.joint_names[joint]} does: is their order the robot's?"
        )
    limits = np.array([joint.torque_limit for joint in ROBOT.joints])
    readout = one.advance(one.default + 50.0)
    assert (np.abs(readout.joint_torque) <= limits + 1e-3).all(), "joint_torque must be clipped at the joints' limits"
    assert (readout.joint_torque > 0.9 * limits).all(), (
        "joint_torque toward a target far ahead must be the joints' limits, N m"
    )
    return None


def _is_driven_by_a_network(robots: Open) -> bool | None:
    one = robots(task_of())
    if "lstm" not in one.simulator.actuators:
        return False
    task = by_single_steps(task_of(actuator="lstm"))
    _is_driven_as_by(actuator_of(task), robots(task), None, "the torque that the drive's network gives")
    return None


def _is_driven_before_each_physics_step(robots: Open) -> None:
    own = robots(task_of()).simulator.actuators
    task = task_of(actuator="lstm" if "lstm" in own else "pd")
    whole, single_steps = robots(task), robots(by_single_steps(task))
    for one in (whole, single_steps):
        one.begin(one.start(3.0))
    readout = whole.advance(whole.default + 0.3)
    for _ in range(task.timing.decimation):
        wanted = single_steps.advance(single_steps.default + 0.3)
    said = f"after a control step, as after {task.timing.decimation} of one physics step each"
    near(readout.joint_torque, wanted.joint_torque, 0.5, f"joint_torque {said}, N m")
    near(readout.joint_position, wanted.joint_position, 1e-3, f"joint_position {said}, rad")


NUMBERS = {
    "strength": 0.5,
    "stiffness": 1.5,
    "damping": 3.0,
    "offset": 0.1,
    "friction": 5.0,
    "viscous": 5.0,
    "delay": 0.01,
}
"""Numbers of a drive that each change its torque by more than 1 N m."""


def _is_driven_by_its_own_numbers(robots: Open) -> bool | None:
    words = ("motor_strength", "gains", "encoder_offset", "joint_friction", "joint_damping", "action_delay")
    if "drive" not in robots(task_of()).simulator.randomizes:
        return False
    task = by_single_steps(task_of().with_({f"randomization.terms.{word}": {} for word in words}))
    one, actuator = robots(task), actuator_of(task)
    neutral = np.stack([np.full((COUNT, len(one.default)), value, np.float32) for value in DRIVE.values()])
    for index, number in enumerate(DRIVE):
        drive = neutral.copy()
        drive[index, 1] = NUMBERS[number]
        _is_driven_as_by(
            actuator, one, drive, f"the torque where the second robot's {number} in drive is {NUMBERS[number]}"
        )
    return None


def _is_driven_as_by(actuator: Actuator, one: Robots, drive: np.ndarray | None, what: str) -> None:
    """The torques of a few physics steps, from joints that move."""
    start = one.start(3.0)
    velocity = np.full_like(start.joint_velocity, 0.5)
    one.begin(dataclasses.replace(start, joint_velocity=velocity))
    memory, target, position = actuator.initial(COUNT, np), start.joint_position + single(0.1), start.joint_position
    for _ in range(4):
        memory, wanted = actuator.torque(memory, target, position, velocity, drive)
        readout = one.advance(target, drive)
        near(readout.joint_torque, wanted, 0.5, f"{what}, N m")
        position, velocity = readout.joint_position, readout.joint_velocity


def _places_and_pushes_those_it_is_told_to(robots: Open) -> None:
    one = robots(task_of())
    one.begin(one.start(3.0))
    one.advance()
    mask = np.array([False, True, False])
    one.push(mask, np.tile(single([0.7, -0.3]), (COUNT, 1)))
    readout = one.advance()
    near(
        readout.base_linear_velocity[:, 0],
        np.where(mask, 0.7, 0.0),
        0.05,
        "the velocity along x after a push of the second robot, m/s",
    )
    near(
        readout.base_linear_velocity[:, 1],
        np.where(mask, -0.3, 0.0),
        0.05,
        "the velocity along y after a push of the second robot, m/s",
    )
    before = readout.base_position
    one.place(mask, one.start(5.0))
    readout = one.advance()
    near(readout.base_position[mask, 2], 5.0, 0.05, "the height of the robot that was placed, m")
    near(readout.base_position[~mask], before[~mask], 0.1, "the positions of robots that were not placed, m")


def _goes_on_from_what_it_saved(robots: Open) -> None:
    one = robots(task_of())
    one.begin(one.start(ROBOT.start_height))
    for turn in range(8):
        one.advance(one.default + 0.1 * np.sin(turn))
    saved = {name: np.array(value) for name, value in one.simulator.save(one.physics).items()}
    first = [one.advance(one.default + 0.1 * np.cos(turn)) for turn in range(5)]
    one.physics = one.simulator.restore(saved)
    again = [one.advance(one.default + 0.1 * np.cos(turn)) for turn in range(5)]
    for a, b in zip(first, again, strict=True):
        for field in dataclasses.fields(Readout):
            same = np.array_equal(getattr(a, field.name), getattr(b, field.name))
            assert same, f"restore(save()) must go on bit by bit: Readout.{field.name} differs"


def _knows_what_is_broken(robots: Open) -> None:
    one = robots(task_of())
    start = one.start(3.0)
    one.begin(start)
    speed = start.base_linear_velocity.copy()
    speed[1] = 1e5
    one.place(np.ones(COUNT, bool), dataclasses.replace(start, base_linear_velocity=speed))
    broken = one.advance().broken
    assert list(broken) == [False, True, False], (
        f"the second robot, at 1e5 m/s, is broken and no other: broken is {broken}"
    )
    one.place(np.array([False, True, False]), start)
    assert not one.advance().broken.any(), "a robot that is placed anew is broken no more"


def _stands_on_the_map(robots: Open) -> None:
    one = robots(task_of("rough"))
    centers = one.map.tile_centers[2, [0, 5, 6]]
    start = one.start(0.0)
    start = dataclasses.replace(start, base_position=centers + single([0, 0, ROBOT.start_height]))
    one.begin(start)
    readout = one.stand()
    height = readout.base_position[:, 2] - centers[:, 2]
    assert ((height > 0.5 * ROBOT.start_height) & (height < 1.1 * ROBOT.start_height)).all(), (
        f"robots that stand at tile centers of heights {centers[:, 2]} m must be about {ROBOT.start_height} m above them, got {height}"
    )
