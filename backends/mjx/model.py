"""The MuJoCo model of a task, on the device: the same one that the native backend compiles, made ready for MJX."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from mujoco import mjx

from locoenvs.backends.mjx.engine import Physics
from locoenvs.mdp.terrain import HeightMap
from locoenvs.tasks.task import Task, Terrain

if TYPE_CHECKING:
    from locoenvs.backends.mujoco.model import Cone

SECOND = "second/"
"""How the names of spheres begin that are there for another one's second contact."""


def for_jax(
    task: Task, height_map: HeightMap, *, own_contact: bool, torque_actuators: bool, cone: Cone
) -> mujoco.MjModel:
    """The model without sensors, which this backend computes from the contacts: MJX on JAX knows no net force."""
    spec = (_contact_spec if own_contact else _spec)(task, height_map, torque_actuators, cone)
    for sensor in list(spec.sensors):
        spec.delete(sensor)
    model = spec.compile()
    if not model.dof_damping.any():  # nothing to integrate implicitly, for which MJX would solve once more
        model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_EULERDAMP
    return model


def for_warp(
    task: Task, height_map: HeightMap, *, own_contact: bool, torque_actuators: bool, cone: Cone
) -> mujoco.MjModel:
    """The native backend's model, with its sensors.

    With ``own_contact`` on uneven ground, each sphere has a plane of its own instead, on a mocap body that is to be put where
    the sphere touches; planes and mocap bodies are in the order of :func:`touching`.
    """
    if not own_contact or task.terrain.kind == "plane":
        return _spec(task, height_map, torque_actuators, cone).compile()
    spec = _contact_spec(task, height_map, torque_actuators, cone)
    model = spec.compile()
    spec.delete(spec.geom("ground"))
    for sphere in (spec.geom(model.geom(int(geom)).name) for geom in touching(model)):
        plane = f"plane/{sphere.name}"
        spec.worldbody.add_body(name=plane, mocap=True).add_geom(
            name=plane, type=mujoco.mjtGeom.mjGEOM_PLANE, size=[1.0, 1.0, 1.0], contype=0, conaffinity=0
        )
        spec.add_pair(
            name=sphere.name, geomname1=plane, geomname2=sphere.name, condim=sphere.condim, solref=sphere.solref,
            solimp=sphere.solimp,
        )  # fmt: skip
    return spec.compile()


def _contact_spec(task: Task, height_map: HeightMap, torque_actuators: bool, cone: Cone) -> mujoco.MjSpec:
    """For contacts that are found by :mod:`locoenvs.backends.mjx.contact`: the ground is a plane, of which nothing but the
    contacts' number and parameters is used, and each foot on uneven ground is there twice, for a second contact."""
    spec = _spec(dataclasses.replace(task, terrain=Terrain(kind="plane")), height_map, torque_actuators, cone)
    if task.terrain.kind != "plane":
        for foot in task.robot.feet:
            for index, geom in enumerate(list(spec.body(foot).geoms)):
                spec.body(foot).add_geom(
                    name=f"{SECOND}{index}/{foot}", type=geom.type, size=geom.size, pos=geom.pos, contype=0, conaffinity=1,
                    condim=geom.condim, priority=geom.priority, solref=geom.solref, solimp=geom.solimp, group=geom.group,
                )  # fmt: skip
    return spec


def _spec(task: Task, height_map: HeightMap, torque_actuators: bool, cone: Cone) -> mujoco.MjSpec:
    from locoenvs.backends.mujoco.model import build_spec

    return build_spec(task, height_map, torque_actuators=torque_actuators, cone=cone)


def touching(model: mujoco.MjModel) -> np.ndarray:
    """The geoms that touch the ground, (G,) int."""
    return np.nonzero(model.geom_priority > 0)[0]


def contacts(model: mujoco.MjModel, template: mjx.Contact) -> mjx.Contact:
    """The contacts of ``template`` with the parameters of the geoms, in order: each against the ground."""
    geoms = touching(model)
    assert len(geoms) == len(template.dim) and (template.dim == 3).all(), "one contact a sphere, with sliding friction"
    ground = int(np.nonzero(model.geom_contype)[0].item())
    pair = np.stack([np.full_like(geoms, ground), geoms], axis=-1).astype(np.int32)
    return template.replace(
        includemargin=jnp.zeros(len(geoms)),
        friction=jnp.asarray(model.geom_friction[geoms][:, [0, 0, 1, 2, 2]], jnp.float32),
        solref=jnp.asarray(model.geom_solref[geoms], jnp.float32),
        solreffriction=jnp.zeros((len(geoms), mujoco.mjNREF)),
        solimp=jnp.asarray(model.geom_solimp[geoms], jnp.float32),
        geom=jnp.asarray(pair),
        geom1=jnp.asarray(pair[:, 0]),
        geom2=jnp.asarray(pair[:, 1]),
    )


@dataclass(frozen=True)
class Payload:
    """What extra mass on the base changes in the model: MuJoCo's ``mj_setConst``, as a function of the mass alone.

    Mass p at the base's center of mass changes the mass matrix at the default pose by p J^T J, with J (3, nv) the
    Jacobian of that point, so its inverse by a matrix of rank three (Woodbury), and with it the inverse weights of
    bodies and joints that scale the constraints.
    """

    base: int
    body_mass: jax.Array  # (nbody,) kg
    subtree_mass: jax.Array  # (nbody,) kg
    above: jax.Array  # (nbody,) 1 for the base and the world that holds it
    inverse: jax.Array  # (nv, nv) of the mass matrix at the default pose
    point: jax.Array  # (3, nv) J
    bodies: jax.Array  # (nbody, 6, nv) of each body's center of mass: translation, rotation
    free: np.ndarray  # (nv,) which of the free joint's halves a degree of freedom belongs to: 0, 1; -1 for hinges

    @staticmethod
    def of(model: mujoco.MjModel, base: int) -> Payload:
        data = mujoco.MjData(model)
        mujoco.mj_forward(model, data)
        mass = np.zeros((model.nv, model.nv))
        mujoco.mj_fullM(model, data, mass)
        jacobians = np.zeros((model.nbody, 6, model.nv))
        for body in range(1, model.nbody):
            mujoco.mj_jacBodyCom(model, data, jacobians[body, :3], jacobians[body, 3:], body)
        above = np.zeros(model.nbody)
        above[[0, base]] = 1
        free = np.full(model.nv, -1)
        free[:6] = [0, 0, 0, 1, 1, 1]
        array = lambda values: jnp.asarray(values, jnp.float32)  # noqa: E731
        return Payload(
            base=base,
            body_mass=array(model.body_mass),
            subtree_mass=array(model.body_subtreemass),
            above=array(above),
            inverse=array(np.linalg.inv(mass)),
            point=array(jacobians[base, :3]),
            bodies=array(jacobians),
            free=free,
        )

    def fields(self, physics: Physics) -> dict[str, jax.Array]:
        """See :class:`locoenvs.backends.mjx.engine.Changes`."""
        payload = physics.payload
        spread = self.point @ self.inverse  # (3, nv)
        gain = payload * jnp.linalg.inv(jnp.eye(3) + payload * spread @ self.point.T)
        inverse = self.inverse - spread.T @ gain @ spread
        weight = jnp.einsum("bij,jk,bik->bi", self.bodies, inverse, self.bodies)
        body = jnp.stack([jnp.mean(weight[:, :3], axis=-1), jnp.mean(weight[:, 3:], axis=-1)], axis=-1)
        diagonal = jnp.diag(inverse)
        for half in (0, 1):
            mean = jnp.mean(diagonal[self.free == half])
            diagonal = jnp.where(self.free == half, mean, diagonal)
        return {
            "body_mass": self.body_mass.at[self.base].add(payload),
            "body_subtreemass": self.subtree_mass + payload * self.above,
            "body_invweight0": body,
            "dof_invweight0": diagonal,
        }
