"""Named sets of a task's values: the paper's, and those of the code that its authors released where they differ."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable
from typing import Literal, get_args

from locoenvs.tasks import drive
from locoenvs.tasks.robot import Robot
from locoenvs.tasks.robots import suite_of
from locoenvs.tasks.task import (
    Commands,
    Curriculum,
    HeightScan,
    LSTMActuator,
    Observations,
    PDActuator,
    PenaltySchedule,
    Pushes,
    Randomization,
    Rewards,
    RewardWeights,
    Start,
    Task,
    Terrain,
    TileShare,
)

Ground = Literal["flat", "rough"]

ActuatorKind = Literal["pd", "lstm"]

ACTUATORS: tuple[ActuatorKind, ...] = get_args(ActuatorKind)

DEFAULT_ACTUATOR: ActuatorKind = "lstm"
"""What robots whose drives have a network use unless told otherwise, as in the paper; the others have the PD law."""

_FLAT_WEIGHTS = {"joint_torques": -2.5e-5, "feet_air_time": 2.0, "orientation": -5.0}
"""What flat ground changes of the reward weights, for a robot that does not say otherwise."""


def _rewards(robot: Robot, ground: Ground) -> Rewards:
    """The rewards of the paper's table for a robot: the ground's own weights, then the robot's."""
    suite = suite_of(robot)
    weights = {**(_FLAT_WEIGHTS if ground == "flat" else {}), **suite.weights}
    return Rewards(weights=RewardWeights(**weights), **suite.rewards)


def paper(robot: Robot, ground: Ground) -> Task:
    """The task of the paper's main text (sections 3 and 4), with the reward weights that its authors released."""
    rewards = _rewards(robot, ground)
    if ground == "rough":
        return Task(robot=robot, recipe="paper", rewards=rewards)
    return Task(
        robot=robot,
        recipe="paper",
        terrain=Terrain(kind="plane"),
        curriculum=Curriculum(enabled=False),
        observations=Observations(heights=None),
        rewards=rewards,
    )


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
    return dataclasses.replace(
        task,
        recipe="legged_gym",
        commands=commands,
        randomization=randomization,
        curriculum=Curriculum(initial_level=5, promote="radius", demote="last_command"),
        observations=Observations(heights=HeightScan(rows=17, columns=11)),
        terrain=Terrain(
            border=25.0,
            platform=3.0,
            shares=(
                TileShare("slope_up", 0.05),
                TileShare("slope_down", 0.05),
                TileShare("rough_slope_up", 0.05),
                TileShare("rough_slope_down", 0.05),
                TileShare("stairs_up", 0.35),
                TileShare("stairs_down", 0.25),
                TileShare("obstacles", 0.2),
            ),
            slope=(0.0, 0.36),
            roughness=(0.05, 0.05),
            obstacle_height=(0.05, 0.23),
            stairs_riser=(0.05, 0.212),
        ),
    )


def walk(robot: Robot, ground: Ground) -> Task:
    """The paper's task with what makes it learn within minutes on a CPU.

    All penalties grow to their weight over the training, and leaning on the joints' end stops costs; once they are grown, a
    fall costs too. On flat ground pushes come every 2.5 s, half as strong again, commands change at and between them, half
    of the times, and all of it grows with the penalties. Rough ground is for a policy that walks on flat ground already.
    """
    task, flat = paper(robot, ground), ground == "flat"
    own = task.rewards
    weights = dataclasses.replace(own.weights, joint_limits=min(own.weights.joint_limits, -2.0), termination=-200.0)
    soft_limit = min(own.soft_limit, 0.9)
    schedule = (
        PenaltySchedule(start=0.05, control_steps=4800, disturbances=True, termination_last=True)
        if flat
        else PenaltySchedule(start=0.3, control_steps=4800, termination_last=True)
    )
    rewards = dataclasses.replace(own, weights=weights, soft_limit=soft_limit, penalty_schedule=schedule)
    task = dataclasses.replace(task, recipe="walk", rewards=rewards)
    if not flat:
        return task
    return dataclasses.replace(
        task,
        commands=dataclasses.replace(task.commands, resample_every=1.25, resample_chance=0.5),
        randomization=dataclasses.replace(task.randomization, pushes=Pushes(interval=2.5, velocity=1.5)),
    )


RECIPES: dict[str, Callable[[Robot, Ground], Task]] = {"paper": paper, "legged_gym": legged_gym, "walk": walk}


def nearest(kind: str, name: str, names: list[str]) -> str:
    """The message for an unknown name: what it was, what comes nearest, what there is."""
    if not names:
        return f"unknown {kind} {name!r}: there are none"
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else "."
    return f"unknown {kind} {name!r}{hint} There are: {', '.join(sorted(names))}"


def task(robot: Robot, ground: Ground, recipe: str = "paper", actuator: ActuatorKind | None = None) -> Task:
    """The task of a recipe. Raises ValueError for a name that is none, and for drives that have no network."""
    if recipe not in RECIPES:
        raise ValueError(nearest("recipe", recipe, list(RECIPES)))
    made = RECIPES[recipe](robot, ground)
    return dataclasses.replace(made, actuator=_actuator(robot, actuator))


def _actuator(robot: Robot, kind: ActuatorKind | None) -> PDActuator | LSTMActuator:
    """The robot's actuator of that kind; None is the suite's default for it."""
    if kind not in (None, *ACTUATORS):
        raise ValueError(nearest("actuator", str(kind), list(ACTUATORS)))
    network = suite_of(robot).drive
    if (kind or DEFAULT_ACTUATOR) == "pd" or (kind is None and network is None):
        return PDActuator()
    if network is None:
        raise ValueError(f"actuator='lstm': the drives of robot {robot.name!r} have no network: use actuator='pd'")
    return LSTMActuator(network, drive.load(network).hash)
