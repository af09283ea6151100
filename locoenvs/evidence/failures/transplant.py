"""A saved robot put into another environment: another engine, other friction, other drives, late sensors."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.mdp.draws import QUANTITIES, longest
from locoenvs.mdp.sensing import from_the_begin
from locoenvs.mdp.step import initial
from locoenvs.numerics import rng, rows
from locoenvs.numerics.arrays import convert
from locoenvs.numerics.rotation import rotate_inverse
from locoenvs.tasks.task import Task

_ALIKE = ({"physics.warmstart", "physics.qacc_warmstart"}, {"physics.memory", "physics.actuator"})
"""Names that native MuJoCo and MJX have for the same thing."""


def fits(task: Task, other: Task) -> None:
    """Raise ValueError unless a robot that did ``task`` can go on with ``other``: the same robot on the same ground."""
    undrawn, drawn = (dataclasses.replace(each.robot, visuals=()) for each in (task, other))
    for what, same in (("robot", undrawn == drawn), ("terrain", task.terrain == other.terrain)):
        if not same:
            raise ValueError(
                f"the kept state is of a {task.robot.name} on the ground of its panel, {what} is another here: change neither"
            )


def put(env: LocoVectorEnv, saved: Mapping[str, np.ndarray], task: Task, seed: int) -> Any:
    """Let the robots of ``saved``, which did ``task`` with ``seed``, go on in ``env``, which has as many; the observation.

    They keep their place, their motion, their streams and their episodes. What ``env``'s own task draws for them, friction and payload,
    masses and drives, is of that task; so are commands, if its commands are others. The solver's and the drives' memory go along where
    both engines have the same. Targets that a longer delay still holds back are the last one; sensors that are late as they were not
    before give what they give now, until they have a past.
    """
    fits(task, env.task)
    before = {name: np.asarray(value) for name, value in saved.items()}
    own = _begun_as(env, before, seed)
    state = dict(own)
    for name, value in own.items():
        if name.removeprefix("physics.") in QUANTITIES or name in ("task", "waiting"):
            continue
        if name == "episodes.command" and task.commands != env.task.commands:
            continue
        there = next((each for each in before if each == name or {each, name} in _ALIKE), None)
        if there is not None and name in ("physics.memory", "physics.actuator"):
            state[name] = _remembered(before[there], value, task, env.task, before["episodes.last_action"])
        elif there is not None and before[there].shape == value.shape:
            state[name] = before[there].astype(value.dtype)
        elif name in ("physics.memory", "physics.actuator"):
            state[name] = _remembered(value[:0], value, task, env.task, before["episodes.last_action"])
    observation = env.restore(state)
    if env.state.episodes.sensed is not None and _shape(before, "sensed") != _shape(state, "sensed"):
        episodes = env.state.episodes
        episodes = dataclasses.replace(episodes, sensed=from_the_begin(env.mdp, episodes))
        env.state = dataclasses.replace(env.state, episodes=episodes)
        observation = env.restore(env.save())
    return observation


def _begun_as(env: LocoVectorEnv, before: Mapping[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
    """What ``env`` saves of those robots at the begin of their first episode by its own task, put where they are now."""
    env.reset(seed=seed)
    xp, device = env.mdp.xp, env.simulator.device
    array = lambda value: xp.asarray(value, device=device)  # noqa: E731
    robots = array(before["episodes.robot"].astype(np.int32))
    state = initial(env.mdp, env.simulator, rng.words(seed), rng.SPLITS[env.split], robots=robots)
    readout = rows.from_named(state.episodes.readout, lambda name: array(before[f"episodes.readout.{name}"]))
    physics = env.simulator.place(state.physics, robots >= 0, readout)
    env.state = dataclasses.replace(state, physics=physics)
    return env.save()


def _remembered(old: np.ndarray, own: np.ndarray, before: Task, now: Task, last_action: np.ndarray) -> np.ndarray:
    """The memory of drives of ``now`` (M, N, J), from that of ``before``: targets on their way, then what the drive's law remembers."""
    lag_before, lag = (longest(task, "drive", task.timing.physics_dt) for task in (before, now))
    memory = np.array(own)
    last = now.robot.action_scale * last_action
    way = np.concatenate([old[:lag_before], np.broadcast_to(last, (max(lag - lag_before, 0), *last.shape))])
    memory[:lag] = way[:lag]
    if old[lag_before:].shape == memory[lag:].shape:
        memory[lag:] = old[lag_before:]
    return memory


def _shape(saved: Mapping[str, np.ndarray], name: str) -> tuple[int, ...] | None:
    return saved[f"episodes.{name}"].shape if f"episodes.{name}" in saved else None


def jostled(env: LocoVectorEnv, spread: float, seed: int = 0) -> Any:
    """Change the velocities of all robots but the first by draws of +-``spread``: m/s and rad/s of the base, rad/s of the joints.

    The observation. Raises ValueError for an engine whose state has no generalized velocities.
    """
    saved = env.save()
    if "physics.qvel" not in saved:
        raise ValueError(f"copies with small changes need native MuJoCo or MJX, this is {type(env.simulator).__name__}")
    velocity = saved["physics.qvel"]
    change = np.random.default_rng(seed).uniform(-spread, spread, velocity.shape).astype(velocity.dtype)
    change[0] = 0
    saved["physics.qvel"] = velocity + change
    readout = "episodes.readout."
    quaternion = saved[readout + "base_quaternion"]
    single = change.astype(np.float32)
    for name, more in (
        ("base_linear_velocity", rotate_inverse(quaternion, np.ascontiguousarray(single[:, :3]))),
        ("base_angular_velocity", single[:, 3:6]),
        ("joint_velocity", single[:, 6:]),
    ):
        saved[readout + name] = saved[readout + name] + np.asarray(convert(more, "numpy"))
    return env.restore(saved)
