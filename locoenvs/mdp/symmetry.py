"""The left-right mirror image of observations and actions, for robots that have one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from locoenvs.mdp.layout import layout
from locoenvs.tasks.task import Task
from locoenvs.tasks.vocabulary import OBSERVATION_SLOTS

Image = tuple[np.ndarray, np.ndarray]
"""A mirror image of a vector as (index, sign): image = sign * vector[index]; its own inverse."""


@dataclass(frozen=True)
class Mirror:
    """``mirrored = sign * values[..., index]`` for observations (O,) and actions (J,)."""

    observation_index: np.ndarray
    observation_sign: np.ndarray
    action_index: np.ndarray
    action_sign: np.ndarray


def mirror(task: Task) -> Mirror:
    """The mirror of a task. Raises ValueError for a robot without ``mirror``, and for an observation that has none."""
    robot = task.robot
    if not robot.mirror:
        raise ValueError(f"robot {robot.name!r} names no mirror image of its joints: fill in Robot.mirror")
    names = list(robot.joint_names)
    joint_index = np.array([names.index(name) for name, _ in robot.mirror])
    joint_sign = np.array([sign for _, sign in robot.mirror], dtype=np.float32)
    index, sign = [], []
    for slot, spec in zip(layout(task), task.observations.slots, strict=True):
        size = slot.stop - slot.start
        word = OBSERVATION_SLOTS[slot.name]
        if word.mirror is None:
            raise ValueError(
                f"observation {slot.name!r} has no mirror image: say by its mirror= how it changes from left to right, or "
                "train with mirror=False"
            )
        if callable(word.mirror):
            part_index, part_sign = word.mirror(robot, **spec.parameters)
        else:
            part_index, part_sign = np.arange(size), np.array(word.mirror, dtype=np.float32)
        if len(part_index) != size or len(part_sign) != size:
            raise ValueError(
                f"observation {slot.name!r} has {size} values, but a mirror image of {len(part_sign)} for robot "
                f"{robot.name!r} of {len(names)} joints: make them the same"
            )
        index.append(slot.start + part_index)
        sign.append(part_sign)
    return Mirror(np.concatenate(index), np.concatenate(sign), joint_index, joint_sign)


def images(mirror: Mirror, hidden: Sequence[int], outputs: int) -> list[Image]:
    """The images of a network's input, hidden layers and output: the actions, or one value that a mirror leaves alone.

    Hidden units i and i + width / 2 are each other's mirror images.

    Raises:
        ValueError: for a hidden layer that cannot be halved.
    """
    odd = [width for width in hidden if width % 2]
    if odd:
        raise ValueError(
            f"a hidden layer of {odd[0]} units has no mirror image, in which its halves change places: make its width "
            "even, or train with mirror=False"
        )
    here: Image = (mirror.observation_index, mirror.observation_sign)
    swapped = [(np.roll(np.arange(width), width // 2), np.ones(width)) for width in hidden]
    action: Image = (mirror.action_index, mirror.action_sign)
    return [here, *swapped, action if outputs > 1 else (np.zeros(1, int), np.ones(1))]
