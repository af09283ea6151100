"""What is drawn for each robot by the task's randomizations: the numbers of its physics and its drives, and how late its sensors are."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from locoenvs.mdp.mdp import Mdp
from locoenvs.numerics import rng
from locoenvs.numerics.arrays import Array
from locoenvs.tasks.entries import Entry
from locoenvs.tasks.task import Task
from locoenvs.tasks.vocabulary import RANDOMIZATIONS, Randomization

QUANTITIES = ("friction", "payload", "mass", "center_of_mass", "armature")
"""What physics can vary: effective friction (N,), kg on the base (N,), factors of the masses and inertias of all bodies (N, B), how far
the base's center of mass lies from its place (N, 3) m, what the armatures of all joints are more (N, J) kg m^2."""

DRIVE = {
    "strength": 1.0,
    "stiffness": 1.0,
    "damping": 1.0,
    "offset": 0.0,
    "friction": 0.0,
    "viscous": 0.0,
    "delay": 0.0,
}
"""The numbers of a robot's drives that a task may vary, joint by joint, and their neutral values: factors of the torque, of Kp and of Kd;
what the encoder reads too much, rad; dry friction, N m; viscous friction, N m s/rad; how late targets come, s."""

Per = Literal["robot", "episode"]

Stage = Literal["physics", "drive", "sensors", "lag"]


@dataclass(frozen=True)
class Draw:
    """The stream of one randomization: draws that are the same however often they are asked for."""

    name: str
    key: Array  # (N,) int32, the robots' streams
    episode: Array  # (N,) int32
    step: Array  # (N,) int32

    def __call__(self, count: int, per: Per | Literal["step"] = "episode") -> Array:
        """``count`` draws a robot, (N, count) in [0, 1), that last for its life, an episode or a control step."""
        zero = self.episode * 0
        episode = zero if per == "robot" else self.episode
        purpose = 2**16 + zlib.crc32(self.name.encode()) % 2**30
        return rng.uniform(self.key, episode, self.step if per == "step" else zero, purpose, count)

    def between(self, ends: tuple[float, float], count: int, per: Per | Literal["step"] = "episode") -> Array:
        """``count`` uniform draws a robot in [low, high), (N, count)."""
        return rng.between(self(count, per), *ends)


def of_stage(task: Task, *stages: Stage) -> Iterator[tuple[str, Randomization, Entry]]:
    """The task's randomizations of these stages: name, word, entry."""
    for name, entry in task.randomization.terms.items():
        word = RANDOMIZATIONS.find(name)
        if word is not None and word.stage in stages:
            yield name, word, entry


def quantities(task: Task) -> frozenset[str]:
    """What a backend must be able to vary for a task: names of :data:`QUANTITIES`, and "drive" for numbers of the drives."""
    needed = {quantity for _, word, _ in of_stage(task, "physics") for quantity in word.quantities}
    needed |= {"drive" for _ in of_stage(task, "drive")}
    return frozenset(needed | ({"payload"} if task.randomization.payload is not None else set()))


def varying(task: Task, lacking: Sequence[str]) -> list[str]:
    """The fields of a task that vary one of those :func:`quantities`."""
    fields = []
    for name, word, _ in of_stage(task, "physics", "drive"):
        if {*lacking} & ({"drive"} if word.stage == "drive" else {*word.quantities}):
            fields.append(f"randomization.terms.{name}")
    return fields + (["randomization.payload"] if "payload" in lacking else [])


def physics_numbers(mdp: Mdp, key: Array) -> dict[str, Array]:
    """What the task varies of the robots' physics, but for friction and payload: quantity -> (N, ...)."""
    zero, numbers = key * 0, dict[str, Array]()
    for name, word, entry in of_stage(mdp.task, "physics"):
        for quantity, value in word.function(Draw(name, key, zero, zero), mdp, **entry.parameters).items():
            if quantity not in numbers:
                numbers[quantity] = value
            else:
                adds = quantity in ("center_of_mass", "armature")
                numbers[quantity] = numbers[quantity] + value if adds else numbers[quantity] * value
    return numbers


def drive_numbers(mdp: Mdp, key: Array, number: Array) -> Array | None:
    """The numbers of the robots' drives in the episode of that number, (Q, N, J) in the order of :data:`DRIVE`; None if nothing is varied."""
    words = list(of_stage(mdp.task, "drive"))
    if not words:
        return None
    xp = mdp.xp
    still = xp.zeros_like(mdp.default_pose)[None, :] * xp.astype(key, xp.float32)[:, None]
    numbers = {quantity: still + neutral for quantity, neutral in DRIVE.items()}
    for name, word, entry in words:
        for quantity, value in word.function(Draw(name, key, number, number * 0), mdp, **entry.parameters).items():
            adds = DRIVE[quantity] == 0.0
            numbers[quantity] = numbers[quantity] + value if adds else numbers[quantity] * value
    return xp.stack(list(numbers.values()))


def longest(task: Task, stage: Stage, step: float) -> int:
    """Steps of ``step`` s that the longest delay of a stage takes."""
    delays: list[float] = [
        entry.parameters["delay"][1] for _, _, entry in of_stage(task, stage) if "delay" in entry.parameters
    ]
    return math.ceil(round(sum(delays) / step, 6))
