"""The robots of the suite in native MuJoCo: they stand, and dropped, turned over and pushed end as they should."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from kinematics import default_frames
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.tasks.recipes import task as recipe_task
from locoenvs.tasks.robots import ROBOTS
from locoenvs.tasks.task import Pushes, Randomization, Start, Task, Timing

QUADRUPEDS = ["AnymalB", "AnymalC", "AnymalCArm", "A1"]


def quiet(name: str, **randomization: object) -> Task:
    """On a plane, friction 1, driven by the PD law, without chance, commands or pushes."""
    task = recipe_task(ROBOTS[name], "flat", actuator="pd")
    start = Start(position=0.0, joint_scale=(1.0, 1.0), velocity=0.0, random_heading=False)
    return dataclasses.replace(
        task,
        commands=dataclasses.replace(task.commands, forward=(0, 0), sideways=(0, 0), mode="yaw_rate", yaw_rate=(0, 0)),
        observations=task.observations.perfect(),
        randomization=Randomization(**{"friction": (1.0, 1.0), "pushes": None, "start": start} | randomization),
        timing=Timing(episode_length=60.0),
    )


def made(task: Task, num_envs: int = 1) -> LocoVectorEnv:
    env = LocoVectorEnv(task, num_envs, stagger=False, autoreset_mode="disabled", options={"threads": 1})
    env.reset(seed=0)
    return env


def ended(env: LocoVectorEnv, steps: int) -> tuple[int, str]:
    """The step at which robot 0's episode ended, or ``steps``, and how."""
    zero = np.zeros((env.num_envs, env.mdp.num_joints), np.float32)
    for step in range(steps):
        *_, info = env.step(zero)
        if info["reset_reason"][0]:
            return step, env.reset_reasons[int(info["reset_reason"][0])]
    return steps, "running"


def placed(env: LocoVectorEnv, **changes: object) -> None:
    """Put the robots where ``changes`` of their start say."""
    episodes = env.state.episodes
    arrays = {name: np.array([value], np.float32) for name, value in changes.items()}
    start = dataclasses.replace(episodes.readout, **arrays)
    env.simulator.place(None, np.ones(1, bool), start)
    env.state = dataclasses.replace(env.state, episodes=dataclasses.replace(episodes, readout=start))


@pytest.mark.parametrize("name", QUADRUPEDS)
def test_it_stands_for_20_seconds_where_it_landed(name: str) -> None:
    """From 2 s after the drop from its start height: on its four feet, each bearing weight, within 2 cm."""
    env = made(quiet(name))
    robot = env.task.robot
    feet = [robot.contact_bodies.index(foot) for foot in robot.feet]
    others = [index for index, body in enumerate(robot.contact_bodies) if body not in robot.feet]
    assert ended(env, 100) == (100, "running")
    landed = env.state.episodes.readout
    for _ in range(10):
        assert ended(env, 100) == (100, "running")
        readout = env.state.episodes.readout
        drift = np.linalg.norm(readout.base_position[0] - landed.base_position[0])
        assert drift < 0.02
        forces = readout.contact_force[0, feet, 2]
        assert forces.sum() == pytest.approx(robot.mass * 9.81, rel=0.02) and forces.min() > 0.15 * forces.sum()
        assert np.abs(readout.contact_force[0, others]).max() == 0
    assert np.abs(readout.joint_velocity).max() < 0.01
    assert np.abs(readout.joint_torque).max() < 0.5 * min(joint.torque_limit for joint in robot.joints)


def test_cassie_cannot_stand_by_holding_still() -> None:
    """A biped on joints that hold their pose stands only if its toes are stiffer than gravity tips it over. With the
    released gains 2 Kp of the toes is 80 N m/rad and m g h 225: balanced over its feet it falls all the same."""
    task = quiet("Cassie")
    robot, placed = task.robot, default_frames(task.robot)
    center = sum(
        body.mass * (placed[body.name][1] + placed[body.name][0] @ body.center_of_mass) for body in robot.bodies
    )
    center /= robot.mass
    soles = [
        placed[each.body][1] + placed[each.body][0] @ each.position for each in robot.spheres if "toe" in each.body
    ]
    along = [sole[0] for sole in soles]
    assert min(along) + 0.03 < center[0] < max(along) - 0.03 and abs(center[1]) < 1e-9
    height = center[2] - min(sole[2] for sole in soles)
    toe = next(joint for joint in robot.joints if joint.name.startswith("toe"))
    assert 2 * toe.stiffness < 0.5 * robot.mass * 9.81 * height
    step, reason = ended(made(task), 250)
    assert reason == "base_contact" and step > 40


@pytest.mark.parametrize("name", ROBOTS)
def test_dropped_onto_its_back_it_fails_by_base_contact(name: str) -> None:
    env = made(quiet(name))
    placed(env, base_quaternion=(0.0, 1.0, 0.0, 0.0))
    step, reason = ended(env, 100)
    assert reason == "base_contact" and step > 5


@pytest.mark.parametrize("name", ROBOTS)
def test_dropped_onto_its_side_it_fails_by_base_contact(name: str) -> None:
    env = made(quiet(name))
    placed(env, base_quaternion=(math.sqrt(0.5), math.sqrt(0.5), 0.0, 0.0))
    _, reason = ended(env, 200)
    assert reason == "base_contact"


@pytest.mark.parametrize("name", ROBOTS)
def test_dropped_without_strength_it_ends_on_its_base(name: str) -> None:
    task = quiet(name)
    limp = [
        body if body.joint is None else dataclasses.replace(body, joint=dataclasses.replace(body.joint, stiffness=0.0))
        for body in task.robot.bodies
    ]
    env = made(dataclasses.replace(task, robot=dataclasses.replace(task.robot, bodies=tuple(limp))))
    placed(env, base_position=(0.0, 0.0, 2 * task.robot.start_height))
    step, reason = ended(env, 150)
    fall = math.sqrt(2 * task.robot.start_height / 9.81) / task.timing.control_dt
    assert reason == "base_contact" and fall < step


@pytest.mark.parametrize("name", QUADRUPEDS)
def test_a_push_of_the_task_is_survived_and_one_of_five_metres_a_second_is_not(name: str) -> None:
    """Standing with locked joints, pushed sideways once by the task's own push."""
    gentle = made(quiet(name, pushes=Pushes(interval=1.0, velocity=0.3)))
    assert ended(gentle, 80) == (80, "running")
    rough = made(quiet(name, pushes=Pushes(interval=1.0, velocity=8.0)), num_envs=1)
    step, reason = ended(rough, 150)
    assert reason == "base_contact" and step >= 49


@pytest.mark.parametrize("name", ROBOTS)
def test_random_actions_break_nothing(name: str) -> None:
    """64 robots under violent actions for 2 s: the torques stay in their limits, and no numbers break."""
    task = recipe_task(ROBOTS[name], "flat")
    env = LocoVectorEnv(task, 64, stagger=False, options={"threads": 1})
    env.reset(seed=0)
    draw = np.random.default_rng(0)
    limits, largest = np.array([joint.torque_limit for joint in task.robot.joints]), 0.0
    for _ in range(100):
        *_, info = env.step(draw.normal(0, 2, (64, env.mdp.num_joints)).astype(np.float32))
        assert not (info["reset_reason"] == 3).any()
        largest = max(largest, float((np.abs(env.state.episodes.readout.joint_torque) / limits).max()))
    assert 0.99 < largest < 1.001
