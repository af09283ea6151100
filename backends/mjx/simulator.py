"""MJX: all robots in one compiled program on a GPU, or on the CPU. Its state is a value, so everything here is pure."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, get_args

import jax
import jax.numpy as jnp
import mujoco
import numpy as np

from locoenvs.backends.mjx import trees
from locoenvs.backends.mjx.compiled import Compiled, keep_programs
from locoenvs.backends.mjx.device import check_memory, find, is_gpu
from locoenvs.backends.mjx.engine import Changes, Engine, Physics, Sensed
from locoenvs.backends.mjx.inertias import Inertias
from locoenvs.backends.mjx.model import Payload
from locoenvs.backends.mjx.spread import spread_over
from locoenvs.mdp.actuators import PD, Actuator, actuator_of
from locoenvs.mdp.draws import quantities
from locoenvs.mdp.mdp import Mdp
from locoenvs.mdp.state import FASTEST, Camera, Readout
from locoenvs.mdp.terrain import HeightMap
from locoenvs.numerics.arrays import Array
from locoenvs.numerics.rotation import rotate, rotate_inverse
from locoenvs.tasks.task import Task

if TYPE_CHECKING:
    from locoenvs.backends.mujoco.model import Cone
    from locoenvs.backends.mujoco.render import Renderer

Impl = Literal["jax", "warp"]
Contact = Literal["triangles", "mujoco"]

INERTIAS = ("mass", "center_of_mass", "armature")
"""Quantities that only ``impl="jax"`` varies."""


class MjxSimulator:
    """N robots that share one model and one terrain, on one device.

    Args:
        task: what to compile.
        height_map: the ground of ``task.terrain``.
        num_envs: number of robots.
        device: where they live; None is the first GPU, or the CPU.
        impl: "warp" runs MuJoCo Warp's kernels, "jax" is compiled by XLA; None is "warp" on a GPU and "jax" on the CPU. Raises
            ValueError for a task that varies one of :data:`INERTIAS` by "warp".
        contact: how contacts on uneven ground are found: by this project's own triangles, or MuJoCo's height field.
        cone: of friction, see :data:`locoenvs.backends.mujoco.model.Cone`.
        graph: how "warp" records CUDA graphs, see :class:`locoenvs.backends.mjx.warp_engine.WarpEngine`.
        actuator: computes the torques between physics steps; None takes the task's, of which the engine evaluates a PD law
            itself.
        devices: the robots are spread over so many, see :mod:`locoenvs.backends.mjx.spread`; ``device`` is the first.
    """

    xp: ModuleType = jnp
    actuators = frozenset({"pd", "lstm"})

    def __init__(
        self,
        task: Task,
        height_map: HeightMap,
        num_envs: int,
        *,
        device: str | None = None,
        impl: Impl | None = None,
        contact: Contact = "triangles",
        cone: Cone = "elliptic",
        graph: str | None = None,
        actuator: Actuator | None = None,
        devices: int = 1,
    ) -> None:
        trees.register()
        self.cache = keep_programs()
        self.task, self.num_envs = task, num_envs
        self.first_robot: Any = 0
        self.device: Any = find(device)
        self.impl: Impl = impl or ("warp" if is_gpu(self.device) else "jax")
        self.name = f"mjx-{self.impl}"
        self.randomizes = frozenset({"friction", "payload", "drive", *(INERTIAS if self.impl == "jax" else ())})
        bodies = quantities(task) & set(INERTIAS)
        if lacking := sorted(bodies - self.randomizes):
            raise ValueError(
                f"impl={self.impl!r} cannot vary {', '.join(lacking)}, which the task does: impl='jax' can"
            )
        self.options = {"contact": contact, "cone": cone}
        if actuator is None and not isinstance(own := actuator_of(task), PD):
            actuator = own
        self._height_map, self._actuator = height_map, actuator
        self.spread = spread_over(devices, self.device, num_envs, self.impl)
        self._engine = _engine(self, contact, cone, graph, torque_actuators=actuator is not None)
        homes = [self.device] if self.spread is None else self.spread.mesh.devices
        check_memory(num_envs, self._engine.bytes_a_robot, *homes)
        self.model = self._engine.model
        self._changes: Changes | None = None
        if bodies:
            self._changes = Inertias.of(self.model, task.robot, self.device)
        elif "payload" in quantities(task):
            self._changes = Payload.of(self.model, self.model.body(task.robot.bodies[0].name).id)
        if self.spread is not None:
            self.device = self.spread.everywhere
        self.constants = jax.device_put(self._engine.constants, self.device)
        self._own = self.constants
        self._per_robot: dict[str, Array] | None = None
        self._renderer: Renderer | None = None

    def compile(self, function: Any, mdp: Mdp, *, donate: bool = False, static: tuple[str, ...] = ()) -> Compiled:
        """``function(mdp, simulator, *arguments)`` as one program of the arguments."""
        return Compiled(function, mdp, self, donate=donate, static=static)

    @contextlib.contextmanager
    def using(self, constants: Any) -> Iterator[None]:
        """Within it, the engine's arrays are ``constants``: those that a program takes as an argument."""
        before, self._own = self._own, constants
        try:
            yield
        finally:
            self._own = before

    @contextlib.contextmanager
    def in_part(self) -> Iterator[None]:
        """Within it, it is the simulator of the robots of one device."""
        assert self.spread is not None
        self.num_envs, self.first_robot = self.spread.each, self.spread.first()
        try:
            yield
        finally:
            self.num_envs, self.first_robot = self.spread.num_envs, 0

    def configure(self, friction: Array, payload: Array, **others: Array) -> None:
        """See :class:`locoenvs.mdp.state.Simulator`. The values become part of the state that :meth:`initial` makes."""
        self._per_robot = {"friction": friction, "payload": payload, **others}

    def initial(self) -> Physics:
        """See :class:`locoenvs.mdp.state.Simulator`."""
        assert self._per_robot is not None, "configure() comes first"
        per_robot, self._per_robot = self._per_robot, None
        count, model = self.num_envs, self.model
        still = jnp.zeros((count, model.nv))
        return Physics(
            qpos=jnp.tile(jnp.asarray(model.qpos0, jnp.float32), (count, 1)),
            qvel=still,
            warmstart=still,
            **per_robot,
            memory=None if self._actuator is None else self._actuator.initial(count, jnp),
        )

    def advance(  # type: ignore[override]
        self, physics: Physics, target: Array, drive: Array | None = None
    ) -> tuple[Physics, Readout]:
        """See :class:`locoenvs.mdp.state.Simulator`."""
        physics, broken = self._mended(physics)
        decimation, fields = self.task.timing.decimation, self._fields(physics)
        if self._actuator is None:
            after, sensed = self._steps(physics, target, decimation, fields)
        else:
            after, sensed = self._driven(self._actuator, physics, target, drive, decimation, fields)
        return after, self._readout(after, sensed, broken)

    def _driven(
        self,
        actuator: Actuator,
        physics: Physics,
        target: Array,
        drive: Array | None,
        count: int,
        fields: dict[str, Array],
    ) -> tuple[Physics, Sensed]:
        """``count`` physics steps with torques of the actuator."""

        def step(carry: tuple[Physics, Sensed], _: None) -> tuple[tuple[Physics, Sensed], None]:
            physics = carry[0]
            memory, torque = actuator.torque(physics.memory, target, physics.qpos[:, 7:], physics.qvel[:, 6:], drive)
            return self._steps(dataclasses.replace(physics, memory=memory), torque, 1, fields), None

        robot, lead = self.task.robot, self.num_envs
        nothing = Sensed(
            torque=jnp.zeros_like(target),
            contact_force=jnp.zeros((lead, len(robot.contact_bodies), 3)),
            foot_velocity=jnp.zeros((lead, len(robot.feet), 3)),
        )
        # Under JAX one step is compiled and repeated; Warp's steps are calls, which cost nothing to write out.
        written_out = count if self.impl == "warp" else 1
        return jax.lax.scan(step, (physics, nothing), length=count, unroll=written_out)[0]

    def _fields(self, physics: Physics) -> dict[str, Array]:
        """What differs between robots in the model itself, once a control step, (N, ...) each."""
        if self._changes is None:
            return {}
        with jax.default_matmul_precision("highest"):
            return jax.vmap(self._changes.fields)(_body(physics))

    def _steps(self, physics: Physics, control: Array, count: int, fields: dict[str, Array]) -> tuple[Physics, Sensed]:
        with jax.default_matmul_precision("highest"):  # a GPU would round the factors to ten bits
            qpos, qvel, warmstart, sensed = self._engine.steps(self._own, _body(physics), control, count, fields)
        return dataclasses.replace(physics, qpos=qpos, qvel=qvel, warmstart=warmstart), sensed

    def _mended(self, physics: Physics) -> tuple[Physics, Array]:
        """Robots whose numbers are beyond use put to the default pose, as MuJoCo itself does, and which they are: no
        engine has to find the ground under a NaN."""
        numbers = jnp.concatenate([physics.qpos, physics.qvel, physics.warmstart], axis=-1)
        broken = ~jnp.all(jnp.abs(numbers) < mujoco.mjMAXVAL, axis=-1)
        rest = jnp.asarray(self.model.qpos0, jnp.float32)
        qpos = jnp.where(broken[:, None], rest, physics.qpos)
        qvel, warmstart = (jnp.where(broken[:, None], 0.0, a) for a in (physics.qvel, physics.warmstart))
        return dataclasses.replace(physics, qpos=qpos, qvel=qvel, warmstart=warmstart), broken

    def _readout(self, physics: Physics, sensed: Sensed, broken: Array) -> Readout:
        """The state now, and the forces of the last physics step."""
        qpos, qvel = physics.qpos, physics.qvel
        sound = jnp.all(jnp.abs(qvel) < FASTEST, axis=-1) & jnp.all(jnp.abs(qpos) < mujoco.mjMAXVAL, axis=-1)
        sound = sound & jnp.all(jnp.abs(physics.warmstart) < mujoco.mjMAXVAL, axis=-1)
        return Readout(
            base_position=qpos[:, :3],
            base_quaternion=qpos[:, 3:7],
            base_linear_velocity=rotate_inverse(qpos[:, 3:7], qvel[:, :3]),
            base_angular_velocity=qvel[:, 3:6],
            joint_position=qpos[:, 7:],
            joint_velocity=qvel[:, 6:],
            joint_torque=sensed.torque,
            contact_force=sensed.contact_force,
            foot_velocity=sensed.foot_velocity,
            broken=broken | ~sound,
        )

    def place(self, physics: Physics, mask: Array, start: Readout) -> Physics:  # type: ignore[override]
        """See :class:`locoenvs.mdp.state.Simulator`."""
        quaternion = start.base_quaternion
        qpos = jnp.concatenate([start.base_position, quaternion, start.joint_position], axis=-1)
        linear = rotate(quaternion, start.base_linear_velocity)
        qvel = jnp.concatenate([linear, start.base_angular_velocity, start.joint_velocity], axis=-1)
        memory = physics.memory if self._actuator is None else self._actuator.clear(physics.memory, mask)
        return dataclasses.replace(
            physics,
            qpos=_where(mask, qpos, physics.qpos),
            qvel=_where(mask, qvel, physics.qvel),
            warmstart=_where(mask, jnp.zeros_like(qvel), physics.warmstart),
            memory=memory,
        )

    def push(self, physics: Physics, mask: Array, velocity: Array) -> Physics:  # type: ignore[override]
        """See :class:`locoenvs.mdp.state.Simulator`."""
        pushed = jnp.concatenate([velocity, physics.qvel[:, 2:]], axis=-1)
        return dataclasses.replace(physics, qvel=_where(mask, pushed, physics.qvel))

    def save(self, physics: Physics) -> dict[str, np.ndarray]:  # type: ignore[override]
        """See :class:`locoenvs.mdp.state.Simulator`."""
        leaves = jax.tree_util.tree_flatten_with_path(physics)[0]
        return {jax.tree_util.keystr(path).lstrip("."): np.array(leaf) for path, leaf in leaves}

    def restore(self, saved: dict[str, np.ndarray]) -> Physics:
        """See :class:`locoenvs.mdp.state.Simulator`."""
        given = [name for name in ("friction", "payload", *INERTIAS) if name in saved]
        self.configure(**{name: jnp.asarray(saved[name]) for name in given})
        leaves, tree = jax.tree_util.tree_flatten_with_path(self.initial())
        names = [jax.tree_util.keystr(path).lstrip(".") for path, _ in leaves]
        return jax.device_put(tree.unflatten([jnp.asarray(saved[name]) for name in names]), self.device)

    def render(  # type: ignore[override]
        self,
        physics: Physics,
        robot: int | Sequence[int],
        size: tuple[int, int] = (640, 480),
        camera: Camera = "corner",
    ) -> np.ndarray:
        """See :class:`locoenvs.mdp.state.Simulator`. Drawn by native MuJoCo."""
        if self._renderer is None:
            from locoenvs.backends.mujoco.render import renderer_of

            self._renderer = renderer_of(self.task, self._height_map, robot, size, camera)
        return self._renderer.picture(np.asarray(physics.qpos, np.float64), robot)

    def close(self) -> None:
        """See :class:`locoenvs.mdp.state.Simulator`."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None


def _body(physics: Physics) -> Physics:
    """Without the actuator's memory, which is of all robots at once, where the rest is mapped one by one."""
    return dataclasses.replace(physics, memory=None)


def _where(mask: Array, yes: Array, no: Array) -> Array:
    """Rows of ``yes`` where ``mask`` (N,) holds, of ``no`` elsewhere."""
    return jnp.where(mask.reshape(mask.shape + (1,) * (yes.ndim - 1)), yes, no)


def _engine(simulator: MjxSimulator, contact: Contact, cone: Cone, graph: str | None, torque_actuators: bool) -> Engine:
    if contact not in get_args(Contact):
        raise ValueError(f"contact={contact!r}: there are 'triangles' and 'mujoco'")
    task, height_map = simulator.task, simulator._height_map
    if simulator.impl == "warp":
        from locoenvs.backends.mjx.warp_engine import WarpEngine

        return WarpEngine(
            task, height_map, simulator.num_envs, simulator.device, contact, cone, torque_actuators, graph
        )
    from locoenvs.backends.mjx.jax_engine import JaxEngine

    return JaxEngine(task, height_map, simulator.device, contact, cone, torque_actuators)
