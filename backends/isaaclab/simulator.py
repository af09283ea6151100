"""The task's simulator in Isaac Lab: our torques on its physics, cloning and contact sensor, as torch tensors."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from array_api_compat import torch as xp

from locoenvs.backends.isaaclab import conventions, requirements, scene
from locoenvs.backends.isaaclab.mesh import ground_mesh
from locoenvs.mdp.actuators import Actuator, actuator_of
from locoenvs.mdp.state import FASTEST, Camera, Readout
from locoenvs.mdp.terrain import HeightMap
from locoenvs.numerics.arrays import Array
from locoenvs.numerics.rotation import rotate, rotate_inverse
from locoenvs.tasks.task import Task

if TYPE_CHECKING:
    from locoenvs.backends.mujoco.render import Renderer


class IsaacLabSimulator:
    """N robots on one ground. The engine keeps the state, so ``physics`` is None everywhere.

    Args:
        task: what to compile.
        height_map: the ground of ``task.terrain``.
        num_envs: number of robots.
        device: "cpu", "cuda", "cuda:1"; None is the first GPU, or the CPU.
        physics: one of :data:`locoenvs.backends.isaaclab.requirements.MODULES`; None is the first that is installed.
        vertical_risers: make steep cells of the ground vertical.
        visuals: also load the shapes that are drawn.
        contacts_per_robot: room for contact points; None is an estimate from the robot and its ground.
        actuator: computes the torques between physics steps; None takes the task's.
    """

    xp: ModuleType = xp
    randomizes = frozenset({"friction", "payload", "drive"})
    actuators = frozenset({"pd", "lstm"})

    def __init__(
        self,
        task: Task,
        height_map: HeightMap,
        num_envs: int,
        *,
        device: str | None = None,
        physics: str | None = None,
        vertical_risers: bool = False,
        visuals: bool = False,
        contacts_per_robot: int | None = None,
        actuator: Actuator | None = None,
    ) -> None:
        installation = requirements.find()
        self.physics = requirements.choose(installation, physics)
        self.name = f"isaaclab-{self.physics}"
        self.options = {"vertical_risers": vertical_risers}
        device = requirements.device(device)
        requirements.check_driver(self.physics)
        self.device: Any = torch.device(device)
        self.num_envs, self.task = num_envs, task
        self._height_map = height_map
        self._contacts = _room(task, self.physics, num_envs, contacts_per_robot)
        self._actuator = actuator_of(task) if actuator is None else actuator
        self._memory = self._actuator.initial(num_envs, xp, self.device)
        self._renderer: Renderer | None = None
        requirements.start_kit(self.physics, installation)
        from locoenvs.backends.isaaclab import usd

        mesh = None if task.terrain.kind == "plane" else ground_mesh(height_map, vertical_risers=vertical_risers)
        self.lab = scene.build(
            scene.sim_cfg(task, num_envs, device, installation, self.physics, self._contacts),
            scene.scene_cfg(task.robot, num_envs, usd.robot_file(task.robot, visuals=visuals), usd.ground_file(mesh)),
            installation,
            self.physics,
        )
        self._release, self._robot = self.lab.release, self.lab.robot
        try:
            self._index(task)
            self._masses = self._release.masses(self._robot)
            self._force_scale = self.lab.physics.force_scale(task.timing.physics_dt)
        except BaseException:
            self.close()  # or no other environment could be made in this process
            raise
        self._torque = torch.zeros(num_envs, len(task.robot.joints), device=self.device)

    def _index(self, task: Task) -> None:
        """Where the task's joints and bodies stand in the engine's order."""
        robot = task.robot
        joints = conventions.indices("joints", robot.joint_names, self._robot.joint_names)
        sensor = self.lab.contacts
        sensed = getattr(sensor, "sensor_names", None) or sensor.body_names
        contact = conventions.indices("contact bodies", robot.contact_bodies, sensed)
        bodies = list(self._robot.body_names)
        feet = conventions.indices("feet", robot.feet, bodies)
        self._joints, self._to_engine, self._contact, self._feet = (
            torch.tensor(index, device=self.device) for index in (joints, conventions.inverse(joints), contact, feet)
        )
        self._base = conventions.indices("base", [robot.bodies[0].name], bodies)[0]
        centers = [next(sphere.position for sphere in robot.spheres if sphere.body == foot) for foot in robot.feet]
        self._foot_center = torch.tensor(centers, device=self.device)

    def configure(self, friction: Array, payload: Array, **others: Array) -> None:
        """See :class:`locoenvs.mdp.state.Simulator`."""
        self._per_robot = friction.clone(), payload.clone()
        self.lab.physics.set_friction(friction)
        if self.task.randomization.payload is not None:
            masses = self._masses.clone()
            masses[:, self._base] += payload.to(masses.device)
            self._release.set_masses(self._robot, masses)

    def initial(self) -> object:
        """See :class:`locoenvs.mdp.state.Simulator`."""
        return None

    def advance(self, physics: object, target: Array, drive: Array | None = None) -> tuple[object, Readout]:
        """See :class:`locoenvs.mdp.state.Simulator`."""
        for _ in range(self.task.timing.decimation):
            position, velocity = self._joint_state()
            self._memory, self._torque = self._actuator.torque(self._memory, target, position, velocity, drive)
            self._release.drive(self._robot, self._torque[:, self._to_engine])
            self.lab.sim.step(render=False)
            self.lab.scene.update(self.task.timing.physics_dt)
        if self.device.type == "cpu" and (lost := self.lab.physics.overflow()):
            raise RuntimeError(
                f"the physics found {lost}: make the environment with options={{'contacts_per_robot': "
                f"{2 * self._contacts}}} or more (now {self._contacts})"
            )
        return None, self._readout()

    def place(self, physics: object, mask: Array, start: Readout) -> object:
        """See :class:`locoenvs.mdp.state.Simulator`."""
        release, robot, quaternion = self._release, self._robot, start.base_quaternion
        release.write_root(robot, mask, start.base_position, quaternion)
        linear, angular = (
            rotate(quaternion, velocity) for velocity in (start.base_linear_velocity, start.base_angular_velocity)
        )
        joints, speeds = start.joint_position[:, self._to_engine], start.joint_velocity[:, self._to_engine]
        release.write_joints(robot, mask, joints, speeds)
        release.write_root_velocity(robot, mask, torch.cat([linear, angular], dim=-1))
        for memory in self.lab.physics.memory().values():
            memory.masked_fill_(mask.reshape(-1, *[1] * (memory.ndim - 1)), 0.0)
        self._memory = self._actuator.clear(self._memory, mask)
        return None

    def push(self, physics: object, mask: Array, velocity: Array) -> object:
        """See :class:`locoenvs.mdp.state.Simulator`."""
        now = self._release.read(self._robot.data, "root_link_vel_w")
        self._release.write_root_velocity(self._robot, mask, torch.cat([velocity, now[:, 2:]], dim=-1))
        return None

    def _joint_state(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Positions and velocities (N, J) in the task's order."""
        data = self._robot.data
        position, velocity = (self._release.read(data, name) for name in ("joint_pos", "joint_vel"))
        return position[:, self._joints], velocity[:, self._joints]

    def _readout(self) -> Readout:
        """The state now, and the forces of the last physics step. Every array is a copy."""
        release, data = self._release, self._robot.data
        pose, velocity = release.read(data, "root_link_pose_w"), release.read(data, "root_link_vel_w")
        quaternion = release.quaternion(pose).clone()
        joints, speeds = self._joint_state()
        body_pose, body_velocity = (
            release.read(data, name)[:, self._feet] for name in ("body_link_pose_w", "body_link_vel_w")
        )
        arm = rotate(release.quaternion(body_pose), self._foot_center.expand(self.num_envs, -1, 3))
        forces = release.read(self.lab.contacts.data, "net_forces_w")[:, self._contact] * self._force_scale
        numbers = torch.cat([velocity, speeds], dim=-1)
        sound = torch.all(numbers.abs() < FASTEST, dim=-1) & torch.all(pose.isfinite(), dim=-1)
        return Readout(
            base_position=pose[:, :3].clone(),
            base_quaternion=quaternion,
            base_linear_velocity=rotate_inverse(quaternion, velocity[:, :3]),
            base_angular_velocity=rotate_inverse(quaternion, velocity[:, 3:]),
            joint_position=joints,
            joint_velocity=speeds,
            joint_torque=self._torque,
            contact_force=forces,
            foot_velocity=body_velocity[..., :3] + torch.linalg.cross(body_velocity[..., 3:], arm),
            broken=~(sound & torch.all(joints.isfinite(), dim=-1)),
        )

    def save(self, physics: object) -> dict[str, np.ndarray]:
        """See :class:`locoenvs.mdp.state.Simulator`. PhysX goes on only nearly from it: its solver's memory is its own."""
        data, release = self._robot.data, self._release
        pose = release.read(data, "root_link_pose_w")
        position, velocity = self._joint_state()
        saved = {
            "position": pose[:, :3],
            "quaternion": release.quaternion(pose),
            "velocity": release.read(data, "root_link_vel_w"),
            "joints": position,
            "joint_velocity": velocity,
            "actuator": self._memory,
            "friction": self._per_robot[0],
            "payload": self._per_robot[1],
        } | {f"engine.{name}": memory for name, memory in self.lab.physics.memory().items()}
        return {name: value.cpu().numpy().copy() for name, value in saved.items()}

    def restore(self, saved: dict[str, np.ndarray]) -> object:
        """See :class:`locoenvs.mdp.state.Simulator`."""
        tensors = {name: torch.as_tensor(value).to(self.device) for name, value in saved.items()}
        self.configure(tensors["friction"], tensors["payload"])
        every = torch.ones(self.num_envs, dtype=torch.bool, device=self.device)
        release, robot = self._release, self._robot
        release.write_root(robot, every, tensors["position"], tensors["quaternion"])
        release.write_joints(
            robot, every, tensors["joints"][:, self._to_engine], tensors["joint_velocity"][:, self._to_engine]
        )
        release.write_root_velocity(robot, every, tensors["velocity"])
        for name, memory in self.lab.physics.memory().items():
            memory.copy_(tensors[f"engine.{name}"])
        self._memory = tensors["actuator"]
        return None

    def render(
        self, physics: object, robot: int | Sequence[int], size: tuple[int, int] = (640, 480), camera: Camera = "corner"
    ) -> np.ndarray:
        """See :class:`locoenvs.mdp.state.Simulator`. Drawn by native MuJoCo, from this engine's state."""
        if self._renderer is None:
            from locoenvs.backends.mujoco.render import renderer_of

            self._renderer = renderer_of(self.task, self._height_map, robot, size, camera)
        now = self._readout()
        state = (now.base_position, now.base_quaternion, now.joint_position)
        qpos = np.concatenate([part.cpu().numpy() for part in state], axis=1).astype(np.float64)
        return self._renderer.picture(qpos, robot)

    def close(self) -> None:
        """See :class:`locoenvs.mdp.state.Simulator`. Afterwards this process may make another."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None
        if hasattr(self, "lab") and not sys.is_finalizing():
            sim = self.lab.sim
            del self.lab, self._robot
            sim.clear_instance()


def _room(task: Task, physics: str, num_envs: int, asked: int | None) -> int:
    """Contact points a robot that the buffers hold. Raises ValueError for fewer than can be needed."""
    estimate = scene.contact_points(task, physics)
    if asked is None:
        return estimate
    least = len(task.robot.spheres)
    if asked < least:
        raise ValueError(
            f"contacts_per_robot={asked}: {task.robot.name} has {least} spheres, each with at least one contact point. "
            f"The estimate is {estimate} a robot, {estimate * num_envs} for {num_envs} robots; None takes it"
        )
    return asked
