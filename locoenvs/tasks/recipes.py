"""Named sets of a task's values: the paper's, and those of the code that its authors released where they differ."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

from locoenvs.tasks import drive
from locoenvs.tasks.entries import TileShare
from locoenvs.tasks.names import nearest
from locoenvs.tasks.robot import Robot
from locoenvs.tasks.robots import suite_of
from locoenvs.tasks.task import (
    Commands,
    Curriculum,
    LSTMActuator,
    Observations,
    PDActuator,
    PenaltySchedule,
    Pushes,
    Randomization,
    Start,
    Task,
    Terrain,
)

Ground = Literal["flat", "rough"]

ActuatorKind = Literal["pd", "lstm"]

ACTUATORS: tuple[ActuatorKind, ...] = get_args(ActuatorKind)

DEFAULT_ACTUATOR: ActuatorKind = "lstm"
"""What robots whose drives have a network use unless told otherwise, as in the paper; the others have the PD law."""

_FLAT_WEIGHTS = {"joint_torques": -2.5e-5, "feet_air_time": 2.0, "orientation": -5.0}
"""What flat ground changes of the reward weights, for a robot that does not say otherwise."""


def _with_weights(task: Task, weights: Mapping[str, float]) -> Task:
    return task.with_({f"rewards.terms.{name}.weight": weight for name, weight in weights.items()}, task.recipe)


def paper(robot: Robot, ground: Ground) -> Task:
    """The task of the paper's main text (sections 3 and 4), with the reward weights that its authors released."""
    suite = suite_of(robot)
    task = Task(robot=robot, recipe="paper")
    if ground == "flat":
        task = Task(
            robot=robot,
            recipe="paper",
            terrain=Terrain(kind="plane"),
            curriculum=Curriculum(enabled=False),
            observations=Observations.paper(heights=None),
        )
        task = _with_weights(task, _FLAT_WEIGHTS)
    return _with_weights(task, suite.weights).with_(suite.changes, "paper")


def legged_gym(robot: Robot, ground: Ground) -> Task:
    """The values of the code that the paper's authors released, legged_gym, where they differ from the paper's text."""
    task = paper(robot, ground)
    randomization = Randomization(
        friction=(0.75, 1.125),
        payload=suite_of(robot).payload,
        pushes=Pushes(interval=15.0, mode="set"),
        start=Start(random_heading=False),
    )
    commands = Commands(resample_every=10.0)
    if ground == "flat":
        commands = Commands(mode="yaw_rate", yaw_rate=(-1.5, 1.5), resample_every=4.0)
        return dataclasses.replace(task, recipe="legged_gym", commands=commands, randomization=randomization)
    slope, roughness, stairs = {"slope": (0.0, 0.36)}, {"roughness": (0.05, 0.05)}, {"riser": (0.05, 0.212)}
    shares: tuple[tuple[str, float, dict[str, Any]], ...] = (
        ("slope_up", 0.05, slope),
        ("slope_down", 0.05, slope),
        ("rough_slope_up", 0.05, slope | roughness),
        ("rough_slope_down", 0.05, slope | roughness),
        ("stairs_up", 0.35, stairs),
        ("stairs_down", 0.25, stairs),
        ("obstacles", 0.2, {"height": (0.05, 0.23)}),
    )
    return dataclasses.replace(
        task.with_({"observations.slots.heights.parameters": {"rows": 17, "columns": 11}}),
        recipe="legged_gym",
        commands=commands,
        randomization=randomization,
        curriculum=Curriculum(initial_level=5, promote="radius", demote="last_command"),
        terrain=Terrain(
            border=25.0,
            platform=3.0,
            shares=tuple(TileShare(kind, share, parameters=parameters) for kind, share, parameters in shares),
        ),
    )


def walk(robot: Robot, ground: Ground) -> Task:
    """The paper's task with what makes it learn within minutes on a CPU.

    All penalties grow to their weight over the training, and leaning on the joints' end stops costs; once they are grown, a
    fall costs too. On flat ground pushes come every 2.5 s, half as strong again, commands change at and between them, half
    of the times, and all of it grows with the penalties. Rough ground is for a policy that walks on flat ground already.
    """
    task, flat = paper(robot, ground), ground == "flat"
    limits = task.rewards.terms["joint_limits"]
    changes: dict[str, Any] = {
        "rewards.terms.joint_limits.weight": min(limits.weight, -2.0),
        "rewards.terms.joint_limits.parameters.soft_limit": min(limits.parameters["soft_limit"], 0.9),
        "rewards.terms.termination.weight": -200.0,
        "rewards.penalty_schedule": PenaltySchedule(
            start=0.05 if flat else 0.3, control_steps=4800, disturbances=flat, termination_last=True
        ),
    }
    if flat:
        changes |= {
            "commands.resample_every": 1.25,
            "commands.resample_chance": 0.5,
            "randomization.pushes": Pushes(interval=2.5, velocity=1.5),
        }
    return task.with_(changes, "walk")


RECIPES: dict[str, Callable[[Robot, Ground], Task]] = {"paper": paper, "legged_gym": legged_gym, "walk": walk}


def task(robot: Robot, ground: Ground, recipe: str = "paper", actuator: ActuatorKind | None = None) -> Task:
    """The task of a recipe. Raises ValueError for a name that is none, and for drives that have no network."""
    if recipe not in RECIPES:
        raise ValueError(nearest("recipe", recipe, list(RECIPES)))
    made = RECIPES[recipe](robot, ground)
    return dataclasses.replace(made, actuator=actuator_of(robot, actuator))


def actuator_of(robot: Robot, kind: ActuatorKind | None) -> PDActuator | LSTMActuator:
    """The robot's actuator of that kind; None is the suite's default for it."""
    if kind not in (None, *ACTUATORS):
        raise ValueError(nearest("actuator", str(kind), list(ACTUATORS)))
    network = suite_of(robot).drive
    if (kind or DEFAULT_ACTUATOR) == "pd" or (kind is None and network is None):
        return PDActuator()
    if network is None:
        raise ValueError(f"actuator='lstm': the drives of robot {robot.name!r} have no network: use actuator='pd'")
    return LSTMActuator(network, drive.load(network).hash)
