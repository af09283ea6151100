"""Robots whose masses, centers of mass and rotors differ: what MuJoCo's ``mj_setConst`` makes of them, as a function of the numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from mujoco import mjx
from mujoco.mjx._src import support

from locoenvs.backends.mjx.engine import Physics
from locoenvs.tasks.robot import Robot


@dataclass(frozen=True)
class Inertias:
    """The numbers of one robot's bodies and joints in place of the model's, and what follows from them: the masses of subtrees, and
    the inverse weights of bodies and degrees of freedom at the default pose, which scale the constraints."""

    model: Any  # an mjx.Model of the robot, for JAX
    data: Any  # its mjx.Data at the default pose
    bodies: np.ndarray  # (B,) ids of the robot's bodies, the base first
    below: np.ndarray  # (nbody, nbody) 1 where the column's body is the row's or hangs from it
    free: np.ndarray  # (nv,) which of the free joint's halves a degree of freedom belongs to: 0, 1; -1 for hinges

    @staticmethod
    def of(model: mujoco.MjModel, robot: Robot, device: Any = None) -> Inertias:
        """``model`` is one that MJX on JAX can hold."""
        on_device = mjx.put_model(model, impl="jax", device=device)
        below = np.eye(model.nbody)
        for body in range(model.nbody - 1, 0, -1):
            below[model.body_parentid[body]] += below[body]
        free = np.full(model.nv, -1)
        free[:6] = [0, 0, 0, 1, 1, 1]
        bodies = np.array([model.body(body.name).id for body in robot.bodies])
        return Inertias(on_device, mjx.make_data(on_device, impl="jax", device=device), bodies, below, free)

    def fields(self, physics: Physics) -> dict[str, jax.Array]:
        """See :class:`locoenvs.backends.mjx.engine.Changes`."""
        own, base = self.model, self.bodies[0]
        mass, inertia, place, armature = own.body_mass, own.body_inertia, own.body_ipos, own.dof_armature
        if physics.mass is not None:
            mass = mass.at[self.bodies].multiply(physics.mass)
            inertia = inertia.at[self.bodies].multiply(physics.mass[:, None])
        mass = mass.at[base].add(physics.payload)
        if physics.center_of_mass is not None:
            place = place.at[base].add(physics.center_of_mass)
        if physics.armature is not None:
            armature = armature.at[6:].add(physics.armature)
        fields = {"body_mass": mass, "body_inertia": inertia, "body_ipos": place, "dof_armature": armature}
        fields["body_subtreemass"] = jnp.asarray(self.below, jnp.float32) @ mass
        own = own.replace(**fields)
        data = mjx.crb(own, mjx.com_pos(own, mjx.kinematics(own, self.data)))
        inverse = jnp.linalg.inv(support.full_m(own, data))

        def jacobian(body: jax.Array) -> jax.Array:
            return jnp.concatenate(support.jac(own, data, data.xipos[body], body), axis=-1)  # (nv, 6)

        every = jax.vmap(jacobian)(jnp.arange(1, len(mass)))
        weight = jnp.einsum("bji,jk,bki->bi", every, inverse, every)
        means = jnp.stack([jnp.mean(weight[:, :3], axis=-1), jnp.mean(weight[:, 3:], axis=-1)], axis=-1)
        diagonal = jnp.diag(inverse)
        for half in (0, 1):
            mean = jnp.mean(diagonal[self.free == half])
            diagonal = jnp.where(self.free == half, mean, diagonal)
        fields["body_invweight0"] = jnp.concatenate([jnp.zeros((1, 2)), means])
        fields["dof_invweight0"] = diagonal
        return fields
