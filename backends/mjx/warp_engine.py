"""Physics steps by MuJoCo Warp's kernels, called from JAX: native MuJoCo's step with this project's contacts on uneven ground."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import warp
from mujoco import mjx

from locoenvs.backends.mjx import model as models
from locoenvs.backends.mjx.device import check_memory
from locoenvs.backends.mjx.engine import Physics, Sensed
from locoenvs.backends.mjx.ground import Ground
from locoenvs.mdp.terrain import HeightMap
from locoenvs.numerics.arrays import Array
from locoenvs.tasks.task import Task

if TYPE_CHECKING:
    from locoenvs.backends.mujoco.model import Cone

CONTACTS = 24
"""Contacts a robot, on average over all of them, that there is room for with MuJoCo's height field."""


class WarpEngine:
    """MuJoCo Warp through MJX. On the CPU its kernels run one after another, which is for tests.

    Warp's own height field reports contacts that are not there, so each sphere meets uneven ground as a plane of its own,
    which is put where :mod:`locoenvs.backends.mjx.contact` finds the contact before every physics step.

    Args:
        contact: "triangles" for that, "mujoco" for Warp's height field. That has room for :data:`CONTACTS` a robot on average
            and for one robot two of every sphere; what does not fit is dropped by the engine.
        cone: of friction, see :data:`locoenvs.backends.mujoco.model.Cone`.
        graph: who records the kernels of a step as a CUDA graph, one of Warp's modes in lower case; None is MJX's choice.
    """

    def __init__(
        self,
        task: Task,
        height_map: HeightMap,
        num_envs: int,
        device: jax.Device,
        contact: str,
        cone: Cone,
        torque: bool,
        graph: str | None,
    ) -> None:
        modes = {mode.name.lower(): mode for mode in warp.JaxCallableGraphMode}
        if graph is not None and graph not in modes:
            raise ValueError(f"graph={graph!r}: there are {', '.join(modes)}")
        own = contact == "triangles"
        self.model = models.for_warp(task, height_map, own_contact=own, torque_actuators=torque, cone=cone)
        self._touching = models.touching(self.model)
        self._forces = 3 * len(task.robot.contact_bodies)
        spheres = len(self._touching)
        exact = own or task.terrain.kind == "plane"  # one contact a sphere and no more
        room = spheres if exact else max(CONTACTS, spheres)
        each = 3 if cone == "elliptic" else 4  # rows of a contact: normal and tangents, or the pyramid's edges
        rows = len(task.robot.joints) + each * (spheres if exact else 2 * spheres)
        on_device = mjx.put_model(self.model, impl="warp", device=device, graph_mode=modes[graph] if graph else None)

        def data(robots: int) -> mjx.Data:
            """Buffers of one robot, but for the contacts, whose buffers are shared by that many."""
            shared = robots * room
            return mjx.make_data(self.model, impl="warp", device=device, naconmax=shared, naccdmax=shared, njmax=rows)

        # The kernels work in copies of these, and XLA keeps more than one.
        self.bytes_a_robot = 3 * sum(leaf.nbytes for leaf in jax.tree.leaves(data(1)))
        check_memory(num_envs, self.bytes_a_robot, device)
        self.constants = {"model": on_device, "data": data(num_envs)}
        self._ground: Ground | None = None
        if self.model.nmocap:
            robot = models.for_jax(task, height_map, own_contact=True, torque_actuators=torque, cone=cone)
            self._ground = Ground(robot, height_map)
            self._robot = mjx.put_model(robot, impl="jax", device=device)
            self._pose = mjx.make_data(robot, impl="jax", device=device)
            self.constants["heights"] = self._ground.heights

    def steps(
        self, constants: Any, physics: Physics, control: Array, count: int, fields: dict[str, Array]
    ) -> tuple[Array, Array, Array, Sensed]:
        """See :class:`locoenvs.backends.mjx.engine.Engine`."""
        template = constants["data"]

        def one(physics: Physics, control: Array, fields: dict[str, Array]) -> tuple[Array, ...]:
            model = constants["model"].replace(**fields)
            if self._ground is None:
                friction = model.geom_friction.at[self._touching, 0].set(physics.friction)
                model = model.replace(geom_friction=friction)
            else:
                model = model.replace(pair_friction=model.pair_friction.at[:, :2].set(physics.friction))
            data = template.replace(
                qpos=physics.qpos, qvel=physics.qvel, qacc_warmstart=physics.warmstart, ctrl=control
            )
            for _ in range(count):
                if self._ground is not None:
                    data = data.replace(**self._planes(self._ground, constants["heights"], data.qpos))
                data = mjx.step(model, data)
            return data.qpos, data.qvel, data.qacc_warmstart, data.actuator_force, data.sensordata

        qpos, qvel, warmstart, torque, sensors = jax.vmap(one)(physics, control, fields)
        split = len(qpos), -1, 3
        force, velocity = sensors[:, : self._forces].reshape(split), sensors[:, self._forces :].reshape(split)
        return qpos, qvel, warmstart, Sensed(torque, force, velocity)

    def _planes(self, ground: Ground, heights: Array, qpos: Array) -> dict[str, Array]:
        """Where each sphere of a robot at ``qpos`` finds the ground: a point of it, and the turn of z to its normal."""
        centers = mjx.kinematics(self._robot, self._pose.replace(qpos=qpos)).geom_xpos
        touch = ground.touch(heights, centers)
        normal = touch.frame[:, 0]
        off = jnp.minimum(touch.distance, 1.0)  # of spheres that touch nothing: far is far enough
        x, y, z = normal.T
        turn = jnp.stack([1 + z, -y, x, jnp.zeros_like(x)], axis=-1)
        turn = turn / jnp.linalg.norm(turn, axis=-1, keepdims=True)
        place = touch.position + normal * (touch.distance / 2 - off)[:, None]
        return {"mocap_pos": place, "mocap_quat": turn}
