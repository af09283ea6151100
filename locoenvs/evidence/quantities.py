"""What robots and moments are told apart by: what was drawn for each robot, where it stood, what happened around it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator

from locoenvs.mdp.draws import DRIVE, Draw, drive_numbers, of_stage, physics_numbers
from locoenvs.mdp.mdp import Mdp
from locoenvs.mdp.randomizations import drift
from locoenvs.numerics import rng
from locoenvs.numerics.arrays import Array, convert
from locoenvs.tasks.names import nearest


@dataclass(frozen=True)
class Quantity:
    """A quantity: its unit, and whether it is one number an episode that is ``drawn``, of the ``tile`` that a robot begins on,
    or of each ``moment``."""

    unit: str
    of: Literal["drawn", "tile", "moment"] = "drawn"


QUANTITIES: dict[str, Quantity] = {
    "commanded_speed": Quantity("m/s", "moment"),
    "commanded_yaw_rate": Quantity("rad/s", "moment"),
    "since_push": Quantity("s", "moment"),
    "push_speed": Quantity("m/s", "moment"),
    "push_direction": Quantity("rad", "moment"),
    "push_feet": Quantity("1", "moment"),
    "terrain": Quantity("", "tile"),
    "level": Quantity("", "tile"),
    "terrain_and_level": Quantity("", "tile"),
    "friction": Quantity("1"),
    "payload": Quantity("kg"),
    "mass": Quantity("kg"),
    "center_of_mass": Quantity("m"),
    "armature": Quantity("kg m^2"),
    "weakest_motor": Quantity("1"),
    "encoder_offset": Quantity("rad"),
    "joint_friction": Quantity("N m"),
    "action_delay": Quantity("s"),
    "observation_delay": Quantity("s"),
    "gyroscope_bias": Quantity("rad/s"),
    "gravity_bias": Quantity("1"),
    "height_drift": Quantity("m"),
    "height_offset": Quantity("m"),
}
"""The quantities, sizes if not said otherwise.

commanded_yaw_rate: its size. since_push: seconds since the last push of the episode, infinite before the first. push_speed,
push_direction, push_feet: of the last push, nothing before the first: its direction in the base's heading frame from -pi/4 to 7 pi/4, 0
ahead and pi/2 to the left, and in which phase of the gait it came, by how many feet stood on the ground. friction: of foot on ground. mass: the robot's with payload. center_of_mass: how far the base's lies from its place. armature, joint_friction: what the joints
have more, mean. weakest_motor: the least factor of a motor's torque. encoder_offset: root mean square over the joints.
gyroscope_bias, gravity_bias: lengths of the vectors. height_drift: how far the map has slid by the end of a whole episode.
height_offset: signed.
"""


SECTOR = math.pi / 4
"""Directions begin here below zero, so that ahead, left, behind and right are one interval each."""


def _known(name: str) -> str:
    if name not in QUANTITIES:
        raise ValueError(nearest("quantity", name, list(QUANTITIES)))
    return name


QuantityName = Annotated[str, AfterValidator(_known)]
"""One of :data:`QUANTITIES`; another is refused with the nearest."""


def drawn(mdp: Mdp, key: Array) -> dict[str, np.ndarray]:
    """What the first episodes of the streams ``key`` (N,) draw, name -> (N,): the very draws that physics, drives and sensors get.

    What a task does not vary is neutral: factors 1, all else 0.
    """
    task, zero = mdp.task, key * 0
    numbers: Callable[[Any], np.ndarray] = lambda array: np.asarray(convert(array, "numpy"))  # noqa: E731

    def once(purpose: rng.Purpose, ends: tuple[float, float]) -> np.ndarray:
        return numbers(rng.between(rng.uniform(key, zero, zero, purpose, 1)[:, 0], *ends))

    physics = {name: numbers(value) for name, value in physics_numbers(mdp, key).items()}
    drives = drive_numbers(mdp, key, zero)
    count, joints = zero.shape[0], mdp.num_joints
    drive = {
        name: np.full((count, joints), neutral) if drives is None else numbers(drives[index])
        for index, (name, neutral) in enumerate(DRIVE.items())
    }
    payload = once(rng.Purpose.PAYLOAD, task.randomization.payload or (0.0, 0.0))
    masses = np.array([body.mass for body in task.robot.bodies])
    return {
        "friction": once(rng.Purpose.FRICTION, task.randomization.friction),
        "payload": payload,
        "mass": (masses * physics["mass"]).sum(axis=-1) + payload if "mass" in physics else task.robot.mass + payload,
        "center_of_mass": np.linalg.norm(physics.get("center_of_mass", np.zeros((count, 3))), axis=-1),
        "armature": physics.get("armature", np.zeros((count, joints))).mean(axis=-1),
        "weakest_motor": drive["strength"].min(axis=-1),
        "encoder_offset": np.sqrt(np.mean(drive["offset"] ** 2, axis=-1)),
        "joint_friction": drive["friction"].mean(axis=-1),
        "action_delay": drive["delay"].max(axis=-1),
        **{name: numbers(value) for name, value in _of_sensors(mdp, key).items()},
    }


def _of_sensors(mdp: Mdp, key: Array) -> dict[str, Array]:
    """How late and how wrong sensors are, (N,) each."""
    xp, zero = mdp.xp, key * 0
    none = xp.astype(zero, xp.float32)
    terms = {
        name: (Draw(name, key, zero, zero), word, entry) for name, word, entry in of_stage(mdp.task, "sensors", "lag")
    }

    def length(vectors: Array) -> Array:
        return xp.sqrt(xp.sum(vectors**2, axis=-1))

    made = dict.fromkeys(("observation_delay", "gyroscope_bias", "gravity_bias", "height_drift", "height_offset"), none)
    if "observation_delay" in terms:
        draw, word, entry = terms["observation_delay"]
        made["observation_delay"] = word.function(draw, mdp, **entry.parameters)[:, 0]
    if "imu_bias" in terms:
        draw, word, entry = terms["imu_bias"]
        true = dict.fromkeys(_IMU, xp.stack([none] * 3, axis=-1))
        read = word.function(draw, mdp, None, true, **entry.parameters)
        made |= {_IMU[name]: length(value) for name, value in read.items()}
    if "height_drift" in terms:
        draw, _, entry = terms["height_drift"]
        made["height_drift"] = length(drift(draw, entry.parameters["distance"], entry.parameters["per"]))
    if "height_offset" in terms:
        draw, _, entry = terms["height_offset"]
        made["height_offset"] = draw.between(entry.parameters["offset"], 1, entry.parameters["per"])[:, 0]
    return made


_IMU = {"base_angular_velocity": "gyroscope_bias", "projected_gravity": "gravity_bias"}


def held(values: np.ndarray) -> np.ndarray:
    """A series (T, N) that is NaN where it says nothing, with what it said last in place of that."""
    rows = np.arange(len(values))[:, None]
    last = np.maximum.accumulate(np.where(np.isnan(values), 0, rows), axis=0)
    return np.take_along_axis(values, last, axis=0)
