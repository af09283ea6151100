"""Physics steps compiled by XLA: MJX's own, with this project's contacts and solver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from mujoco import mjx

from locoenvs.backends.mjx import model as models
from locoenvs.backends.mjx.contact import Touch, frame_of
from locoenvs.backends.mjx.engine import Physics, Sensed
from locoenvs.backends.mjx.ground import Ground
from locoenvs.backends.mjx.solver import solve
from locoenvs.mdp.terrain import HeightMap
from locoenvs.numerics.arrays import Array
from locoenvs.tasks.task import Task

if TYPE_CHECKING:
    from locoenvs.backends.mujoco.model import Cone


class JaxEngine:
    """MJX on JAX. The ground enters as its height grid, and its contacts replace those that MJX would find.

    Args:
        contact: "triangles" for :mod:`locoenvs.backends.mjx.contact`, "mujoco" for MJX's own, which is slower on uneven
            ground.
        cone: of friction, see :data:`locoenvs.backends.mujoco.model.Cone`.
    """

    def __init__(
        self, task: Task, height_map: HeightMap, device: jax.Device, contact: str, cone: Cone, torque: bool
    ) -> None:
        own = contact == "triangles"
        self.model = models.for_jax(task, height_map, own_contact=own, torque_actuators=torque, cone=cone)
        assert self.model.opt.impratio == 1, "normals and tangents of a contact are equally stiff"
        self._own = own
        robot = task.robot
        self._bodies = np.array([self.model.body(name).id for name in robot.contact_bodies])
        self._sites = np.array([self.model.site(foot).id for foot in robot.feet], int)
        self._ground = Ground(self.model, height_map) if own and task.terrain.kind != "plane" else None
        on_device = mjx.put_model(self.model, impl="jax", device=device)
        template = mjx.make_data(on_device, impl="jax", device=device)
        if own:
            template = template.tree_replace({"_impl.contact": models.contacts(self.model, template._impl.contact)})
        self._template, self._on_device = template, on_device
        # Only the ground goes in as an argument: it is large, and MJX reads other numbers of the model as it traces.
        self.constants = {"heights": on_device.hfield_data if self._ground is None else self._ground.heights}
        scratch = sum(leaf.nbytes for leaf in jax.tree.leaves(template) if isinstance(leaf, jax.Array))
        self.bytes_a_robot = 2 * scratch

    def steps(
        self, constants: Any, physics: Physics, control: Array, count: int, fields: dict[str, Array]
    ) -> tuple[Array, Array, Array, Sensed]:
        """See :class:`locoenvs.backends.mjx.engine.Engine`."""

        def one(physics: Physics, control: Array, fields: dict[str, Array]) -> tuple[Array, Array, Array, Sensed]:
            model, template = self._on_device.replace(**fields), self._template
            if self._own:
                friction = template._impl.contact.friction.at[:, :2].set(physics.friction)
                template = template.tree_replace({"_impl.contact.friction": friction})
            else:
                geoms = models.touching(self.model)
                friction = model.geom_friction.at[geoms, 0].set(physics.friction)
                model = model.replace(geom_friction=friction, hfield_data=constants["heights"])
            nothing = Sensed(
                torque=jnp.zeros_like(control),
                contact_force=jnp.zeros((len(self._bodies), 3)),
                foot_velocity=jnp.zeros((len(self._sites), 3)),
            )

            def step(carry: Any, _: None) -> tuple[Any, None]:
                qpos, qvel, warmstart, _ = carry
                data = template.replace(qpos=qpos, qvel=qvel, qacc_warmstart=warmstart, ctrl=control)
                data = self._step(model, data, constants["heights"])
                return (data.qpos, data.qvel, data.qacc_warmstart, self._sensed(data)), None

            carry, _ = jax.lax.scan(step, (physics.qpos, physics.qvel, physics.warmstart, nothing), length=count)
            return carry

        return jax.vmap(one)(physics, control, fields)

    def _step(self, model: mjx.Model, data: mjx.Data, heights: jax.Array) -> mjx.Data:
        """One physics step of one robot: what ``mjx.step`` does, but for sensors, cameras, tendons and contacts."""
        data = mjx.kinematics(model, data)
        data = mjx.com_pos(model, data)
        data = mjx.crb(model, data)
        data = mjx.factor_m(model, data)
        data = self._collide(data, heights) if self._own else mjx.collision(model, data)
        data = mjx.make_constraint(model, data)
        data = mjx.transmission(model, data)
        data = mjx.fwd_velocity(model, data)
        data = mjx.fwd_actuation(model, data)
        data = mjx.fwd_acceleration(model, data)
        data = solve(model, data)
        return mjx.euler(model, data)

    def _collide(self, data: mjx.Data, heights: jax.Array) -> mjx.Data:
        if self._ground is None:
            geoms = models.touching(self.model)
            radius = self.model.geom_size[geoms, 0].astype(np.float32)
            center = data.geom_xpos[geoms]
            distance = center[:, 2] - radius
            up = jnp.broadcast_to(jnp.array([0.0, 0.0, 1.0]), center.shape)
            touch = Touch(distance, center - up * (radius + distance / 2)[:, None], frame_of(up))
        else:
            touch = self._ground.touch(heights, data.geom_xpos)
        contact = data._impl.contact.replace(dist=touch.distance, pos=touch.position, frame=touch.frame)
        return data.tree_replace({"_impl.contact": contact})

    def _sensed(self, data: mjx.Data) -> Sensed:
        """The contacts' frames have their normals point at the robot, so these are the forces ON it."""
        contact = data._impl.contact
        force = jnp.sum(self._contact_forces(data)[:, :, None] * contact.frame, axis=1)
        touched = jnp.asarray(self.model.geom_bodyid)[contact.geom[:, 1]]
        own = (touched == self._bodies[:, None]).astype(force.dtype)
        body = self.model.site_bodyid[self._sites]
        motion = data.cvel[body]
        arm = data.site_xpos[self._sites] - data.subtree_com[self.model.body_rootid[body]]
        return Sensed(
            torque=data.actuator_force,
            contact_force=own @ force,
            foot_velocity=motion[:, 3:] + jnp.cross(motion[:, :3], arm),
        )

    def _contact_forces(self, data: mjx.Data) -> jax.Array:
        """Along the normal and both tangents, (contacts, 3) N. The pyramid's edges hold normal +- friction * tangent: their
        sum is the normal force, their differences times the friction the tangential ones."""
        contact, rows = data._impl.contact, data._impl.efc_force
        if self.model.opt.cone == mujoco.mjtCone.mjCONE_ELLIPTIC:
            return rows[len(rows) - 3 * len(contact.dim) :].reshape(-1, 3)
        edges = rows[len(rows) - 4 * len(contact.dim) :].reshape(-1, 4)
        tangent = contact.friction[:, :2] * jnp.stack([edges[:, 0] - edges[:, 1], edges[:, 2] - edges[:, 3]], axis=-1)
        return jnp.concatenate([jnp.sum(edges, axis=-1, keepdims=True), tangent], axis=-1)
