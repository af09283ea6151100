"""Physics steps by MuJoCo Warp's kernels, called from JAX: the whole of native MuJoCo's step, heightfields and sensors too."""

from __future__ import annotations

from typing import Any

import jax
import warp
from mujoco import mjx

from locoenvs.backends.mjx import model as models
from locoenvs.backends.mjx.device import check_memory
from locoenvs.backends.mjx.simulator import Physics, Sensed
from locoenvs.state import Array
from locoenvs.task import Task
from locoenvs.terrain import HeightMap

CONTACTS = 24
"""Contacts a robot, on average over all of them, that there is room for on uneven ground."""


class WarpEngine:
    """MuJoCo Warp through MJX. On the CPU its kernels run one after another, which is for tests.

    There is room for one contact of every sphere on a plane, and on uneven ground for :data:`CONTACTS` a robot on average
    and for one robot two of every sphere; what does not fit is dropped by the engine. ``graph`` is who records the kernels of
    a step as a CUDA graph, one of Warp's modes in lower case; None is MJX's choice.
    """

    def __init__(
        self, task: Task, height_map: HeightMap, num_envs: int, device: jax.Device, torque: bool, graph: str | None
    ) -> None:
        modes = {mode.name.lower(): mode for mode in warp.JaxCallableGraphMode}
        if graph is not None and graph not in modes:
            raise ValueError(f"graph={graph!r}: there are {', '.join(modes)}")
        self.model = models.for_warp(task, height_map, torque_actuators=torque)
        spheres = len(models.touching(self.model))
        plane = task.terrain.kind == "plane"
        room = spheres if plane else max(CONTACTS, spheres)
        rows = len(task.robot.joints) + 4 * (spheres if plane else 2 * spheres)
        self._touching = models.touching(self.model)
        self._forces = 3 * len(task.robot.contact_bodies)
        on_device = mjx.put_model(self.model, impl="warp", device=device, graph_mode=modes[graph] if graph else None)

        def data(robots: int) -> mjx.Data:
            """Buffers of one robot, but for the contacts, whose buffers are shared by that many."""
            shared = robots * room
            return mjx.make_data(self.model, impl="warp", device=device, naconmax=shared, naccdmax=shared, njmax=rows)

        # The kernels work in copies of these, and XLA keeps more than one.
        self.bytes_a_robot = 3 * sum(leaf.nbytes for leaf in jax.tree.leaves(data(1)))
        check_memory(num_envs, self.bytes_a_robot, device)
        self.constants = {"model": on_device, "data": data(num_envs)}

    def steps(
        self, constants: Any, physics: Physics, control: Array, count: int, payload: models.Payload | None
    ) -> tuple[Array, Array, Array, Sensed]:
        """See :class:`locoenvs.backends.mjx.simulator.Engine`."""
        template = constants["data"]

        def one(physics: Physics, control: Array) -> tuple[Array, ...]:
            model = constants["model"]
            if payload is not None:
                model = payload.changed(model, physics.payload)
            friction = model.geom_friction.at[self._touching, 0].set(physics.friction)
            model = model.replace(geom_friction=friction)
            data = template.replace(
                qpos=physics.qpos, qvel=physics.qvel, qacc_warmstart=physics.warmstart, ctrl=control
            )
            for _ in range(count):
                data = mjx.step(model, data)
            return data.qpos, data.qvel, data.qacc_warmstart, data.actuator_force, data.sensordata

        qpos, qvel, warmstart, torque, sensors = jax.vmap(one)(physics, control)
        split = len(qpos), -1, 3
        force, velocity = sensors[:, : self._forces].reshape(split), sensors[:, self._forces :].reshape(split)
        return qpos, qvel, warmstart, Sensed(torque, force, velocity)
