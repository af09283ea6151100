"""A backend of your own: what MuJoCo's batch of robots needs to be one, and no more. It passes check_backend."""

from array_api_compat import numpy as xp
from mujoco.batch import Batch

from locoenvs.backends.mujoco.model import compile_model
from locoenvs.mdp.state import Readout
from locoenvs.numerics.rotation import rotate, rotate_inverse
from locoenvs.testing import check_backend


class Plain:
    xp, device, options, actuators, randomizes = xp, None, {}, frozenset({"pd"}), frozenset({"friction"})

    def __init__(self, task, height_map, num_envs, *, device=None):
        self.num_envs, self.robot, self.steps = num_envs, task.robot, task.timing.decimation
        self.batch = Batch(compile_model(task, height_map), num_envs, nthread=1)
        self.field = {name: self.batch.bind(name) for name in ("qpos", "qvel", "qacc_warmstart", "ctrl")}
        self.friction, self.initial, self.close = self.batch.expand("geom_friction"), lambda: None, lambda: None

    def configure(self, friction, payload):
        self.coefficients, self.friction[:, self.batch.model.geom_priority > 0, 0] = friction.copy(), friction[:, None]

    def advance(self, physics, target):
        self.field["ctrl"][:] = target  # the model's PD law follows it
        self.batch.step(nstep=self.steps)
        bound = map(self.batch.bind, ("qpos", "qvel", "actuator_force", "sensordata"))
        q, v, torque, sensed = (value.astype(xp.float32) for value in bound)
        forces = xp.split(sensed.reshape(len(q), -1, 3), [len(self.robot.contact_bodies)], axis=1)
        linear, broken = rotate_inverse(q[:, 3:7], v[:, :3]), ~(xp.abs(v) < 1e3).all(axis=1)
        return None, Readout(q[:, :3], q[:, 3:7], linear, v[:, 3:6], q[:, 7:], v[:, 6:], torque, *forces, broken)

    def place(self, physics, mask, start):
        self.batch.reset(xp.flatnonzero(mask))
        linear = rotate(start.base_quaternion, start.base_linear_velocity)
        place = start.base_position, start.base_quaternion, start.joint_position
        for name, parts in zip(self.field, (place, (linear, start.base_angular_velocity, start.joint_velocity))):
            self.field[name][mask] = xp.concatenate(parts, axis=1)[mask]

    def push(self, physics, mask, velocity):
        self.field["qvel"][mask, :2] = velocity[mask]

    def save(self, physics):
        return {"friction": self.coefficients} | {name: value.copy() for name, value in self.field.items()}

    def restore(self, saved):
        self.configure(saved["friction"], None)
        for name, value in self.field.items():
            value[:] = saved[name]


if __name__ == "__main__":
    print(check_backend(Plain))
