"""Native MuJoCo: all robots on all cores of the CPU, stepped in C by :class:`mujoco.batch.Batch`."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING

import mujoco
import numpy as np
from array_api_compat import numpy as xp
from mujoco.batch import Batch

from locoenvs.backends.mujoco.contact import Contact
from locoenvs.backends.mujoco.model import Cone, compile_model, drawn_model
from locoenvs.backends.mujoco.render import Renderer, renderer_of
from locoenvs.machine import cores
from locoenvs.mdp.actuators import PD, Actuator, actuator_of
from locoenvs.mdp.draws import quantities
from locoenvs.mdp.state import FASTEST, Camera, Readout
from locoenvs.mdp.terrain import HeightMap
from locoenvs.numerics import compiled
from locoenvs.numerics.arrays import Array
from locoenvs.numerics.rotation import rotate, rotate_inverse
from locoenvs.tasks.task import Task

if TYPE_CHECKING:
    from locoenvs.backends.mujoco.viewer import Window

_MODEL_FIELDS = {
    "payload": ("body_mass",),
    "mass": ("body_mass", "body_inertia"),
    "center_of_mass": ("body_ipos",),
    "armature": ("dof_armature",),
}
"""What each quantity changes in the model; friction is always the robot's own."""

_FIELDS = ("time", "qpos", "qvel", "qacc_warmstart", "ctrl")
"""The fields of MuJoCo's integration state that this model has."""

_BROKEN = [
    int(warning)
    for warning in (
        mujoco.mjtWarning.mjWARN_BADQPOS,
        mujoco.mjtWarning.mjWARN_BADQVEL,
        mujoco.mjtWarning.mjWARN_BADQACC,
    )
]


class MujocoSimulator:
    """N robots that share one model and one terrain. The engine keeps the state, so ``physics`` is None everywhere.

    Args:
        task: what to compile.
        height_map: the ground of ``task.terrain``.
        num_envs: number of robots.
        threads: threads that step them; 0 for one a core. Results do not depend on it.
        contact: how contacts on uneven ground are found: by this project's own triangles, or MuJoCo's height field.
        cone: of friction, see :data:`locoenvs.backends.mujoco.model.Cone`.
        actuator: computes the torques between physics steps; None takes the task's, of which the engine evaluates a PD law
            itself.
    """

    xp: ModuleType = xp
    device = None
    randomizes = frozenset({"friction", "payload", "mass", "center_of_mass", "armature", "drive"})
    actuators = frozenset({"pd", "lstm"})

    def __init__(
        self,
        task: Task,
        height_map: HeightMap,
        num_envs: int,
        *,
        threads: int = 0,
        contact: Contact = "triangles",
        cone: Cone = "elliptic",
        actuator: Actuator | None = None,
    ) -> None:
        self.num_envs = num_envs
        self.task = task
        self.options = {"contact": contact, "cone": cone}
        self._height_map = height_map
        if actuator is None and not isinstance(own := actuator_of(task), PD):
            actuator = own
        self._varied = quantities(task)
        self._actuator = actuator
        self._memory: Array = None if actuator is None else actuator.initial(num_envs, xp)
        self.model = compile_model(task, height_map, torque_actuators=actuator is not None, contact=contact, cone=cone)
        self._nthread = min(threads or cores(), num_envs)
        self._bind(Batch(self.model, num_envs, nthread=self._nthread))
        robot = task.robot
        self._force_columns = self._columns([f"contact/{body}" for body in robot.contact_bodies])
        self._foot_columns = self._columns([f"foot_velocity/{body}" for body in robot.feet])
        self._renderer: Renderer | None = None
        self._window: Window | None = None

    def _bind(self, batch: Batch) -> None:
        """Let ``batch`` be the one that steps."""
        self._batch, self._process = batch, os.getpid()
        self._qpos, self._qvel = batch.bind("qpos"), batch.bind("qvel")
        self._ctrl, self._sensors = batch.bind("ctrl"), batch.bind("sensordata")
        self._torque = batch.bind("actuator_force")
        self._friction = batch.expand("geom_friction")
        fields = {field for quantity in self._varied for field in _MODEL_FIELDS.get(quantity, ())}
        self._fields = {field: batch.expand(field) for field in sorted(fields)}

    def _in_this_process(self) -> None:
        """Make the threads anew in a forked process, which has the memory of its parent's batch but not its threads."""
        if os.getpid() == self._process:
            return
        saved = self.save(None)
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._batch))  # never freed: that would wait for its threads
        self._bind(Batch(self.model, self.num_envs, nthread=self._nthread))
        self.restore(saved)

    def _columns(self, sensors: list[str]) -> slice:
        """The contiguous columns of sensordata that hold these 3-vectors."""
        starts = [int(self.model.sensor_adr[self.model.sensor(name).id]) for name in sensors]
        first = starts[0] if starts else 0
        assert starts == list(range(first, first + 3 * len(sensors), 3)), "sensors must follow each other"
        return slice(first, first + 3 * len(sensors))

    def configure(self, friction: Array, payload: Array, **others: Array) -> None:
        """See :class:`locoenvs.mdp.state.Simulator`."""
        self._in_this_process()
        self._per_robot = {
            name: np.array(a) for name, a in {"friction": friction, "payload": payload, **others}.items()
        }
        touching = np.nonzero(self.model.geom_priority > 0)[0]
        self._friction[:, touching, 0] = friction[:, None]
        if not self._fields:
            return
        model, bodies = self.model, [self.model.body(body.name).id for body in self.task.robot.bodies]
        for field, values in self._fields.items():
            values[:] = getattr(model, field)
        if "mass" in others:
            self._fields["body_mass"][:, bodies] *= others["mass"]
            self._fields["body_inertia"][:, bodies] *= others["mass"][:, :, None]
        if "payload" in self._varied:
            self._fields["body_mass"][:, bodies[0]] += payload
        if "center_of_mass" in others:
            self._fields["body_ipos"][:, bodies[0]] += others["center_of_mass"]
        if "armature" in others:
            self._fields["dof_armature"][:, 6:] += others["armature"]
        self._batch.set_const()

    def initial(self) -> object:
        """See :class:`locoenvs.mdp.state.Simulator`."""
        return None

    def advance(self, physics: object, target: Array, drive: Array | None = None) -> tuple[object, Readout]:
        """See :class:`locoenvs.mdp.state.Simulator`."""
        self._in_this_process()
        decimation = self.task.timing.decimation
        if self._actuator is None:
            self._ctrl[:] = target
            self._batch.step(nstep=decimation)
        else:
            for _ in range(decimation):
                joints, speeds = xp.astype(self._qpos[:, 7:], xp.float32), xp.astype(self._qvel[:, 6:], xp.float32)
                self._memory, torque = self._actuator.torque(self._memory, target, joints, speeds, drive)
                self._ctrl[:] = torque
                self._batch.step()
        return None, self._readout()

    def place(self, physics: object, mask: Array, start: Readout) -> object:
        """See :class:`locoenvs.mdp.state.Simulator`."""
        robots = np.nonzero(mask)[0]
        if len(robots) == 0:
            return None
        self._in_this_process()
        self._batch.reset(robots, stage=mujoco.mjtStage.mjSTAGE_NONE)
        quaternion = start.base_quaternion[robots]
        self._qpos[robots, :3] = start.base_position[robots]
        self._qpos[robots, 3:7] = quaternion
        self._qpos[robots, 7:] = start.joint_position[robots]
        self._qvel[robots, :3] = rotate(quaternion, start.base_linear_velocity[robots])
        self._qvel[robots, 3:6] = start.base_angular_velocity[robots]
        self._qvel[robots, 6:] = start.joint_velocity[robots]
        if self._actuator is not None:
            self._memory = self._actuator.clear(self._memory, mask)
        return None

    def push(self, physics: object, mask: Array, velocity: Array) -> object:
        """See :class:`locoenvs.mdp.state.Simulator`."""
        robots = np.nonzero(mask)[0]
        self._qvel[robots, :2] = velocity[robots]
        return None

    def _readout(self) -> Readout:
        """The state now, and the forces of the last physics step. MuJoCo's free joint has its linear velocity in the
        world frame and its angular velocity in the base frame."""
        position, quaternion, linear, angular, joints, speeds, torque, forces, feet, fast = _single_precision(
            self._qpos,
            self._qvel,
            self._torque,
            self._sensors[:, self._force_columns],
            self._sensors[:, self._foot_columns],
        )
        # The engine puts a robot whose numbers break back to its default pose, and counts a warning until it is placed.
        return Readout(
            base_position=position,
            base_quaternion=quaternion,
            base_linear_velocity=linear,
            base_angular_velocity=angular,
            joint_position=joints,
            joint_velocity=speeds,
            joint_torque=torque,
            contact_force=forces.reshape(self.num_envs, -1, 3),
            foot_velocity=feet.reshape(self.num_envs, -1, 3),
            broken=np.any(self._batch.warning[:, _BROKEN, 1] > 0, axis=-1) | fast,
        )

    def save(self, physics: object) -> dict[str, np.ndarray]:
        """See :class:`locoenvs.mdp.state.Simulator`."""
        saved = {name: np.array(self._batch.bind(name)) for name in _FIELDS}
        if self._actuator is not None:
            saved["actuator"] = self._memory.copy()
        return {**saved, **{name: values.copy() for name, values in self._per_robot.items()}}

    def restore(self, saved: dict[str, np.ndarray]) -> object:
        """See :class:`locoenvs.mdp.state.Simulator`."""
        for name in _FIELDS:
            self._batch.bind(name)[:] = saved[name]
        if self._actuator is not None:
            self._memory = saved["actuator"].copy()
        self.configure(**{name: saved[name] for name in self._per_robot})
        return None

    def render(
        self, physics: object, robot: int | Sequence[int], size: tuple[int, int] = (640, 480), camera: Camera = "corner"
    ) -> np.ndarray:
        """See :class:`locoenvs.mdp.state.Simulator`."""
        if self._renderer is None:
            self._renderer = renderer_of(self.task, self._height_map, robot, size, camera)
        return self._renderer.picture(self._qpos, robot)

    def show(self, physics: object, robot: int) -> None:
        """Draw one robot in a window, which the first call opens."""
        if self._window is None:
            from locoenvs.backends.mujoco.viewer import Window

            self._window = Window(drawn_model(self.task, self._height_map))
        self._window.show(np.array(self._qpos[robot]))

    def close(self) -> None:
        """See :class:`locoenvs.mdp.state.Simulator`."""
        if self._window is not None:
            self._window.close()
            self._window = None
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None


def _single_precision(
    positions: np.ndarray, velocities: np.ndarray, torque: np.ndarray, forces: np.ndarray, feet: np.ndarray
) -> tuple[np.ndarray, ...]:
    """See :func:`locoenvs.numerics.kernels.bodies.readout`."""
    if kernels := compiled.kernels():
        return kernels.readout(positions, velocities, torque, forces, feet, FASTEST)
    qpos, qvel, torque, forces, feet = (
        xp.astype(values, xp.float32) for values in (positions, velocities, torque, forces, feet)
    )
    linear = rotate_inverse(qpos[:, 3:7], qvel[:, :3])
    fast = ~np.all(np.abs(qvel) < FASTEST, axis=-1)
    return qpos[:, :3], qpos[:, 3:7], linear, qvel[:, 3:6], qpos[:, 7:], qvel[:, 6:], torque, forces, feet, fast
