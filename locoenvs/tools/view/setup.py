"""What can be changed of a task while it is looked at, and the task that comes of it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from locoenvs.tasks.entries import TileShare
from locoenvs.tasks.recipes import ActuatorKind, actuator_of
from locoenvs.tasks.task import Commands, Curriculum, Task
from locoenvs.tasks.vocabulary import TILE_KINDS

PLANE = "plane"
EVERY = "every kind"
"""The task's own map, with the robots spread over its kinds of tile."""

MOST_ROBOTS = 16
MOST_DELAY = 0.1
"""s"""
MOST_NOISE = 5.0
MOST_FRICTION = 3.0
MOST_PAYLOAD = 50.0
"""kg"""


@dataclass(frozen=True)
class Setup:
    """What is asked for; None is as in the task.

    Args:
        ground: a kind of tile, :data:`PLANE` or :data:`EVERY`; None for the plane of a task on a plane, else :data:`EVERY`.
        level: of the tiles, 0 is the easiest.
        friction: of a foot on the ground.
        payload: kg on the base.
        drive: what moves the joints.
        delay: s that joint targets come late.
        noise: factor of the task's noise; a perfect sensor stays one.
        pushes: the pushes of the training come too.
        time_limit: episodes end at the task's time limit.
    """

    ground: str | None = None
    level: int = 0
    friction: float | None = None
    payload: float | None = None
    drive: ActuatorKind | None = None
    delay: float | None = None
    noise: float = 1.0
    pushes: bool = False
    time_limit: bool = False

    def check(self, task: Task) -> None:
        """Raise ValueError for what ``task`` cannot have."""
        for name, value, most in (
            ("friction", self.friction, MOST_FRICTION),
            ("delay", self.delay, MOST_DELAY),
            ("noise", self.noise, MOST_NOISE),
        ):
            if value is not None and not 0 <= value <= most:
                raise ValueError(f"{name} {value}: must be from 0 to {most:g}")
        if self.payload is not None and not abs(self.payload) <= MOST_PAYLOAD:
            raise ValueError(f"payload {self.payload} kg: must be from {-MOST_PAYLOAD:g} to {MOST_PAYLOAD:g}")
        if self.ground is not None and self.ground not in grounds(task):
            raise ValueError(f"ground {self.ground!r}: choose one of {', '.join(grounds(task))}")
        if not 0 <= self.level < task.terrain.levels:
            raise ValueError(f"level {self.level}: the levels are 0 to {task.terrain.levels - 1}")


def grounds(task: Task) -> tuple[str, ...]:
    """The grounds that a task can be looked at on, its own first."""
    own = (EVERY, *own_kinds(task)) if task.terrain.kind == "tiles" else ()
    return (*own, PLANE, *(kind for kind in TILE_KINDS if kind not in own))


def own_kinds(task: Task) -> tuple[str, ...]:
    """The kinds of tile of a task's map."""
    return tuple(share.kind for share in task.terrain.shares)


def own_ground(task: Task) -> str:
    """What a task is looked at on if nothing else is said."""
    return EVERY if task.terrain.kind == "tiles" else PLANE


def own_map(task: Task, setup: Setup) -> bool:
    """Whether the ground that is asked for is on the task's own map."""
    ground = setup.ground or own_ground(task)
    return task.terrain.kind == "tiles" and (ground == EVERY or ground in own_kinds(task))


def conditions(task: Task, setup: Setup) -> Task:
    """The task with the friction, payload, drives, delay, noise and pushes that are asked for: the same robot on the same ground."""
    changes: dict[str, Any] = {}
    if setup.friction is not None:
        changes["randomization.friction"] = (setup.friction, setup.friction)
    if setup.payload is not None:
        changes["randomization.payload"] = (setup.payload, setup.payload)
    if setup.drive is not None and setup.drive != task.actuator.kind:
        changes["actuator"] = actuator_of(task.robot, setup.drive)
    if setup.delay is not None:
        changes["randomization.terms.action_delay"] = {"parameters": {"delay": (setup.delay, setup.delay)}}
    if not setup.pushes:
        changes["randomization.pushes"] = None
    changed = task.with_(changes) if changes else task
    if setup.noise != 1.0:
        slots = tuple(
            slot if slot.noise is None else dataclasses.replace(slot, noise=setup.noise * slot.noise)
            for slot in changed.observations.slots
        )
        changed = dataclasses.replace(changed, observations=dataclasses.replace(changed.observations, slots=slots))
    return changed


def task_of(task: Task, setup: Setup, robots: int) -> Task:
    """The whole task that is asked for: without curriculum, with commands that are given and not drawn."""
    setup.check(task)
    changed, ground = conditions(task, setup), setup.ground or own_ground(task)
    terrain = changed.terrain
    if ground == PLANE:
        terrain = dataclasses.replace(terrain, kind="plane")
    elif not own_map(task, setup):
        share = TileShare(TILE_KINDS[ground].name, 1.0)
        terrain = dataclasses.replace(terrain, kind="tiles", columns=robots, shares=(share,))
    own = task.commands
    commands: Commands = dataclasses.replace(own, mode="yaw_rate", resample_every=None)
    return dataclasses.replace(changed, terrain=terrain, commands=commands, curriculum=Curriculum(enabled=False))
