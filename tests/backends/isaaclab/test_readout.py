"""What the Isaac Lab simulator reads and writes, on an engine of plain tensors that has its own order of joints and bodies."""

from __future__ import annotations

import dataclasses
import math
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from locoenvs.backends.isaaclab.release import Lab23  # noqa: E402
from locoenvs.backends.isaaclab.simulator import IsaacLabSimulator  # noqa: E402
from locoenvs.mdp.actuators import PD  # noqa: E402
from locoenvs.mdp.state import Readout  # noqa: E402
from locoenvs.tasks.recipes import task as recipe_task  # noqa: E402
from locoenvs.tasks.robots import ROBOTS  # noqa: E402

ROBOT = ROBOTS["AnymalC"]
TASK = recipe_task(ROBOT, "flat", actuator="pd")
COUNT = 3
HALF = math.sqrt(0.5)


class Engine:
    """An articulation of Isaac Lab 2.3: its state is what was written to it."""

    def __init__(self) -> None:
        names = list(ROBOT.joint_names)
        self.joint_names = names[5:] + names[:5]  # another order than the task's, which is not its own inverse
        self.body_names = sorted({body.name for body in ROBOT.bodies}, reverse=True)
        bodies = len(self.body_names)
        self.data = SimpleNamespace(
            root_link_pose_w=torch.tensor([[0.0, 0, 1, 1, 0, 0, 0]]).repeat(COUNT, 1),
            root_link_vel_w=torch.zeros(COUNT, 6),
            joint_pos=torch.zeros(COUNT, 12),
            joint_vel=torch.zeros(COUNT, 12),
            body_link_pose_w=torch.tensor([0.0, 0, 0, 1, 0, 0, 0]).repeat(COUNT, bodies, 1),
            body_link_vel_w=torch.zeros(COUNT, bodies, 6),
        )

    def write_root_link_pose_to_sim(self, pose: Any, env_ids: Any) -> None:
        self.data.root_link_pose_w[env_ids] = pose

    def write_root_link_velocity_to_sim(self, velocity: Any, env_ids: Any) -> None:
        self.data.root_link_vel_w[env_ids] = velocity

    def write_joint_state_to_sim(self, position: Any, velocity: Any, env_ids: Any) -> None:
        self.data.joint_pos[env_ids], self.data.joint_vel[env_ids] = position, velocity


@pytest.fixture
def simulator() -> Any:
    made: Any = IsaacLabSimulator.__new__(IsaacLabSimulator)
    engine = Engine()
    sensed = sorted(ROBOT.contact_bodies)
    contacts = SimpleNamespace(
        sensor_names=sensed, data=SimpleNamespace(net_forces_w=torch.zeros(COUNT, len(sensed), 3))
    )
    made.task, made.num_envs, made.device = TASK, COUNT, torch.device("cpu")
    made._release, made._robot, made._force_scale = Lab23(), engine, 1.0
    made._actuator, made._memory, made._torque = PD(ROBOT), torch.zeros(0, COUNT), torch.zeros(COUNT, 12)
    made.lab = SimpleNamespace(contacts=contacts, robot=engine, physics=SimpleNamespace(memory=dict))
    made._index(TASK)
    return made


@pytest.mark.parametrize("number", [0, 2, 4])
def test_a_robot_faster_than_anything_real_is_broken(simulator: Any, number: int) -> None:
    """From 1000 m/s or rad/s on, either way: its base or a joint."""
    for speed, broken in ((999.0, False), (1000.0, True), (-1001.0, True)):
        for field in ("root_link_vel_w", "joint_vel"):
            values = getattr(simulator._robot.data, field)
            values[1, number] = speed
            assert simulator._readout().broken.tolist() == [False, broken, False], (field, speed)
            values.zero_()


def test_a_robot_whose_numbers_are_none_is_broken(simulator: Any) -> None:
    for field in ("root_link_vel_w", "root_link_pose_w", "joint_pos", "joint_vel"):
        values = getattr(simulator._robot.data, field)
        kept = values.clone()
        values[2, 3] = math.nan
        assert simulator._readout().broken.tolist() == [False, False, True], field
        values.copy_(kept)


def test_placed_robots_are_read_as_they_were_placed_in_the_tasks_order_and_frames(simulator: Any) -> None:
    quaternion = torch.tensor([[HALF, 0.0, 0.0, HALF]] * COUNT)  # a quarter turn to the left
    before = simulator._readout()
    start = dataclasses.replace(
        before,
        base_position=torch.tensor([[1.0, 2.0, 3.0]] * COUNT),
        base_quaternion=quaternion,
        base_linear_velocity=torch.tensor([[1.0, 2.0, 3.0]] * COUNT),
        base_angular_velocity=torch.tensor([[4.0, 5.0, 6.0]] * COUNT),
        joint_position=torch.arange(36.0).reshape(COUNT, 12),
        joint_velocity=-torch.arange(36.0).reshape(COUNT, 12),
    )
    simulator.place(None, torch.tensor([False, True, True]), start)
    after, data = simulator._readout(), simulator._robot.data
    for field in dataclasses.fields(Readout):
        found, wanted, kept = (getattr(each, field.name) for each in (after, start, before))
        torch.testing.assert_close(found[1:], wanted[1:], msg=field.name)
        torch.testing.assert_close(found[:1], kept[:1], msg=field.name)
    torch.testing.assert_close(data.root_link_vel_w[1], torch.tensor([-2.0, 1, 3, -5, 4, 6]))  # in the world
    for index, name in enumerate(ROBOT.joint_names):
        assert float(data.joint_pos[1, simulator._robot.joint_names.index(name)]) == 12 + index
    simulator.push(None, torch.tensor([False, False, True]), torch.tensor([[7.0, 8.0]] * COUNT))
    torch.testing.assert_close(data.root_link_vel_w[2], torch.tensor([7.0, 8, 3, -5, 4, 6]))
    torch.testing.assert_close(data.root_link_vel_w[1], torch.tensor([-2.0, 1, 3, -5, 4, 6]))


def test_contact_forces_and_foot_velocities_are_those_of_the_tasks_bodies(simulator: Any) -> None:
    """The velocity of a foot's sphere is that of its body's frame and what its rotation adds."""
    data, names = simulator._robot.data, simulator._robot.body_names
    forces = simulator.lab.contacts.data.net_forces_w
    forces[:, :, 2] = torch.arange(forces.shape[1])
    simulator._force_scale = 2.0
    turn = torch.tensor([HALF, 0.0, HALF, 0.0])  # x to -z, z to x
    for foot in ROBOT.feet:
        data.body_link_pose_w[:, names.index(foot), 3:] = turn
        data.body_link_vel_w[:, names.index(foot)] = torch.tensor([1.0, 2, 3, 0, 0, 10])
    readout = simulator._readout()
    for index, body in enumerate(ROBOT.contact_bodies):
        expected = 2.0 * sorted(ROBOT.contact_bodies).index(body)
        assert readout.contact_force[1, index].tolist() == [0, 0, expected]
    for index, foot in enumerate(ROBOT.feet):
        x, y, z = next(sphere.position for sphere in ROBOT.spheres if sphere.body == foot)
        arm = (z, y, -x)
        expected = torch.tensor([1 - 10 * arm[1], 2 + 10 * arm[0], 3.0])
        torch.testing.assert_close(readout.foot_velocity[1, index], expected)
