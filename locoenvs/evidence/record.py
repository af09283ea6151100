"""What happens while a policy does a task: the numbers of every control step of every robot's first episode."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.evidence.quantities import SECTOR, drawn, held
from locoenvs.mdp import pushes
from locoenvs.mdp.mdp import Mdp
from locoenvs.mdp.terrain import ground_height
from locoenvs.numerics.arrays import convert
from locoenvs.numerics.rotation import heading, projected_gravity, wrap_to_pi
from locoenvs.policies.policy import episodes_begin
from locoenvs.tasks.task import Task

GRAVITY = 9.81
"""m/s^2"""

CONTACT_FORCE = 1.0
"""A foot whose vertical force exceeds this stands on the ground, N."""

FOLLOWED = 0.3
"""A robot on a plane follows its commands if its velocity is off by no more than this in the mean of the last seconds of its episode,
m/s. One that stands still is off by 0.75 m/s, one that walks well by 0.1."""

LAST = 5.0
"""So many last seconds: one that walks at first and then stands, or circles, follows nothing."""


Watch = Callable[[LocoVectorEnv, np.ndarray, np.ndarray, dict[str, np.ndarray]], None]
"""Sees the environment as it begins and after every step, before robots that are done begin anew: also which robots were in their
first episode in that step, which of them fell, (N,) bool each, and the numbers of the moment, name -> (N,), none as it begins."""


def nobody(env: LocoVectorEnv, alive: np.ndarray, fell: np.ndarray, moment: dict[str, np.ndarray]) -> None:
    """Nobody watches."""


@dataclasses.dataclass(frozen=True)
class Record:
    """What happened, as time series (T, N) and numbers a robot (N,). ``alive``: this step is of the first episode."""

    alive: np.ndarray  # (T, N) bool
    series: dict[str, np.ndarray]  # name -> (T, N)
    fell_at: np.ndarray  # (T, N) bool
    succeeded: np.ndarray  # (N,) bool
    reset_reason: np.ndarray  # (N,) int
    weight: np.ndarray  # (N,) m g, N
    level: np.ndarray  # (N,)
    kind: np.ndarray  # (N,) str
    drawn: dict[str, np.ndarray]  # name -> (N,), of locoenvs.evidence.quantities.QUANTITIES
    dt: float
    observation: tuple[np.ndarray, np.ndarray] | None = None  # mean and standard deviation of what was seen, (O,) each


def record_of(
    env: LocoVectorEnv,
    policy: Callable[[np.ndarray], np.ndarray],
    seed: int,
    progress: Callable[[float], None],
    watch: Watch = nobody,
    moments: bool = False,
) -> Record:
    """Run all robots until the first episode of each has ended; with the ``moments`` of what they see if those are wanted."""
    task, count, mdp = env.task, env.num_envs, env.mdp
    observation, _ = env.reset(seed=seed)
    episodes_begin(policy)
    first = env.state.episodes
    level, column = convert(first.level, "numpy"), convert(first.column, "numpy")
    of_robots = drawn(mdp, first.key)  # before a step, which may take these arrays over
    center = convert(mdp.tile_centers, "numpy")[level, column, :2]
    before = convert(first.readout.base_position, "numpy")[:, :2]
    alive, crossed, reason = np.ones(count, bool), np.zeros(count, bool), np.zeros(count, int)
    rows: list[dict[str, np.ndarray]] = []
    seen, squares = np.zeros(observation.shape[1]), np.zeros(observation.shape[1])
    watch(env, alive, ~alive, {})
    for step in range(task.timing.max_episode_steps):
        if moments:
            own = observation[alive].astype(np.float64)
            seen, squares = seen + own.sum(axis=0), squares + np.square(own).sum(axis=0)
        action = policy(observation)
        observation, _, terminated, truncated, info = env.step(action)
        row, position = _moment(env, action, before)
        outside = np.max(np.abs(position - center), axis=-1) > task.terrain.tile / 2
        row |= {"alive": alive, "fell_at": alive & terminated}
        rows.append(row)
        watch(env, alive, row["fell_at"], row)
        crossed |= alive & outside & ~terminated
        done = terminated | truncated
        reason = np.where(alive & done, info["reset_reason"], reason)
        alive, before = alive & ~done, position
        progress((step + 1) / task.timing.max_episode_steps)
        if not alive.any():
            break
        if done.any():
            observation, _ = env.reset(options={"reset_mask": done})
            episodes_begin(policy, done)
    series = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    fell_at, was_alive = series.pop("fell_at"), series.pop("alive")
    mean = seen / was_alive.sum()
    spread = np.sqrt(np.maximum(squares / was_alive.sum() - mean**2, 0))
    for name in ("push_speed", "push_direction", "push_feet"):
        series[name] = held(series[name])
    followed = ~fell_at.any(axis=0) & (
        _at_last(series["velocity_error"], was_alive, task.timing.control_dt) <= FOLLOWED
    )
    return Record(
        alive=was_alive,
        series=series,
        fell_at=fell_at,
        succeeded=crossed if task.terrain.kind == "tiles" else followed,
        reset_reason=reason,
        weight=of_robots["mass"] * GRAVITY,
        level=level,
        kind=np.array(mdp.height_map.kinds)[column],
        drawn=of_robots,
        dt=task.timing.control_dt,
        observation=(mean, spread) if moments else None,
    )


def joined(records: Sequence[Record]) -> Record:
    """The record of all robots, of those of their parts in the robots' order."""
    if len(records) == 1:
        return records[0]
    steps = max(len(record.alive) for record in records)

    def beside(series: Sequence[np.ndarray]) -> np.ndarray:
        # A part whose episodes had all ended was stepped no further.
        longer = [np.pad(values, ((0, steps - len(values)), (0, 0))) for values in series]
        return np.concatenate(longer, axis=1)

    of_time = {name: beside([getattr(record, name) for record in records]) for name in ("alive", "fell_at")}
    names = ("succeeded", "reset_reason", "weight", "level", "kind")
    of_robots = {name: np.concatenate([getattr(record, name) for record in records]) for name in names}
    return Record(
        **of_time,
        **of_robots,
        series={name: beside([record.series[name] for record in records]) for name in records[0].series},
        drawn={name: np.concatenate([record.drawn[name] for record in records]) for name in records[0].drawn},
        dt=records[0].dt,
        observation=_moments(records),
    )


def _moments(records: Sequence[Record]) -> tuple[np.ndarray, np.ndarray] | None:
    """Mean and standard deviation of all that was seen in ``records``, by theirs."""
    parts = [(record.alive.sum(), *record.observation) for record in records if record.observation is not None]
    if len(parts) < len(records):
        return None
    count = sum(number for number, _, _ in parts)
    mean = sum(number * each for number, each, _ in parts) / count
    squares = sum(number * (each**2 + spread**2) for number, each, spread in parts) / count
    return mean, np.sqrt(np.maximum(squares - mean**2, 0))


def _at_last(values: np.ndarray, alive: np.ndarray, dt: float) -> np.ndarray:
    """The mean of ``values`` (T, N) over the last :data:`LAST` s of each robot's episode, (N,)."""
    left = alive.sum(axis=0) - np.arange(len(alive))[:, None]
    last = alive & (left <= round(LAST / dt))
    return np.sum(values, axis=0, where=last) / last.sum(axis=0)


def _moment(env: LocoVectorEnv, action: np.ndarray, before: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The numbers of one control step, name -> (N,), and the base's horizontal position (N, 2) m."""
    task, mdp, episodes = env.task, env.mdp, env.state.episodes
    readout, feet = episodes.readout, [task.robot.contact_bodies.index(foot) for foot in task.robot.feet]
    numbers: Callable[[Any], np.ndarray] = lambda array: np.asarray(convert(array, "numpy"))  # noqa: E731
    velocity, command = numbers(readout.base_linear_velocity)[:, :2], numbers(episodes.command)
    position, quaternion = numbers(readout.base_position), numbers(readout.base_quaternion)
    torque, joint_velocity = numbers(readout.joint_torque), numbers(readout.joint_velocity)
    contact = numbers(readout.contact_force)[:, feet, 2] > CONTACT_FORCE
    foot_speed = np.linalg.norm(numbers(readout.foot_velocity)[..., :2], axis=-1)
    ground = ground_height(
        mdp.height_map.heights, mdp.height_map.origin, mdp.height_map.cell, position[:, 0], position[:, 1]
    )
    row = {
        "velocity_error": np.linalg.norm(command[:, :2] - velocity, axis=-1),
        "yaw_rate_error": np.abs(command[:, 2] - numbers(readout.base_angular_velocity)[:, 2]),
        "commanded_speed": np.linalg.norm(command[:, :2], axis=-1),
        "commanded_yaw_rate": np.abs(command[:, 2]),
        "speed": np.linalg.norm(velocity, axis=-1),
        "power": np.sum(np.abs(torque * joint_velocity), axis=-1),
        "torque": np.mean(np.abs(torque), axis=-1),
        "moved": np.linalg.norm(position[:, :2] - before, axis=-1),
        "contacts": contact.sum(axis=-1).astype(float),
        "slip": np.sum(foot_speed * contact, axis=-1),
        "tilt": np.arccos(np.clip(-projected_gravity(quaternion)[:, 2], -1, 1)),
        "base_height": position[:, 2] - ground,
        "action_clip_rate": np.mean(np.abs(action) > task.action_clip, axis=-1),
        "torque_saturation": np.mean(np.abs(torque) >= 0.99 * _of_joints(task, "torque_limit"), axis=-1),
        "velocity_saturation": np.mean(np.abs(joint_velocity) > _of_joints(task, "velocity_limit"), axis=-1),
        "joint_limit_rate": _at_limits(mdp, numbers(readout.joint_position)),
        **_pushed(env),
    }
    row["push_feet"] = np.where(np.isnan(row["push_speed"]), np.nan, row["contacts"])
    if task.commands.mode == "heading":
        row["heading_error"] = np.abs(wrap_to_pi(command[:, 3] - heading(quaternion)))
    return row, position[:, :2]


def _of_joints(task: Task, name: str) -> np.ndarray:
    """A number of each joint, (J,)."""
    return np.array([getattr(joint, name) for joint in task.robot.joints])


def _at_limits(mdp: Mdp, position: np.ndarray) -> np.ndarray:
    """The share (N,) of the joints that are in the outer hundredth of their range, or beyond."""
    lower, upper = mdp.joint_limits
    slack = 0.01 * (upper - lower)
    return np.mean((position < lower + slack) | (position > upper - slack), axis=-1)


def _pushed(env: LocoVectorEnv) -> dict[str, np.ndarray]:
    """Seconds since the last push of this episode, infinite before the first; and how fast and whereto a push of this step went,
    NaN without one. (N,) each."""
    episodes, asked, dt = env.state.episodes, env.task.randomization.pushes, env.task.timing.control_dt
    step = np.asarray(convert(episodes.step, "numpy"))
    nothing = np.full(step.shape, np.nan)
    if asked is None:
        return {"since_push": np.full(step.shape, np.inf), "push_speed": nothing, "push_direction": nothing}
    interval = round(asked.interval / dt)
    since = np.where(step >= interval, step % interval * dt, np.inf)
    due = (step > 0) & np.asarray(convert(pushes.due(env.mdp, asked, episodes.step), "numpy"))
    if not due.any():
        return {"since_push": since, "push_speed": nothing, "push_direction": nothing}
    velocity = np.asarray(convert(pushes.drawn(asked, episodes.key, episodes.number, episodes.step), "numpy"))
    faces = heading(np.asarray(convert(episodes.readout.base_quaternion, "numpy")))
    direction = (np.arctan2(velocity[:, 1], velocity[:, 0]) - faces + SECTOR) % (2 * np.pi) - SECTOR
    return {
        "since_push": since,
        "push_speed": np.where(due, np.linalg.norm(velocity, axis=-1), np.nan),
        "push_direction": np.where(due, direction, np.nan),
    }
