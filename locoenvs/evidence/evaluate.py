"""Evaluate a policy on a panel: one pass, no exploration, every robot's first episode, with 95 % confidence intervals.

Each metric is computed robot by robot, over the moments of the group that is asked for, then averaged over robots.
Rates carry Wilson's interval, the others the percentile bootstrap over robots.
"""

from __future__ import annotations

import dataclasses
import json
import math
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from typing import Any

import numpy as np
from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass
from rich.table import Table

from locoenvs.envs import engines
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.evidence.panel import Panel, Stratum
from locoenvs.machine import versions
from locoenvs.mdp.terrain import ground_height
from locoenvs.numerics import rng
from locoenvs.numerics.arrays import convert
from locoenvs.numerics.rotation import heading, projected_gravity, wrap_to_pi
from locoenvs.policies.policy import Policy
from locoenvs.tasks import documents
from locoenvs.tasks.robot import CONFIG
from locoenvs.tasks.task import Task

GRAVITY = 9.81
"""m/s^2"""

CONTACT_FORCE = 1.0
"""A foot whose vertical force exceeds this stands on the ground, N."""

FOLLOWED = 0.3
"""A robot on a plane follows its commands if its velocity is off by no more than this in the mean of its episode, m/s. One that
stands still is off by 0.75 m/s, one that walks well by 0.1."""

BOOTSTRAP = 1000
"""Resamples of the robots."""

UNITS: dict[str, str] = {
    "success_rate": "%",
    "fall_rate": "%",
    "velocity_error": "m/s",
    "yaw_rate_error": "rad/s",
    "heading_error": "rad",
    "commanded_speed": "m/s",
    "speed": "m/s",
    "cost_of_transport": "1",
    "power": "W",
    "torque": "N m",
    "foot_slip": "m/s",
    "tilt": "rad",
    "base_height": "m",
    "base_height_sd": "m",
    "action_clip_rate": "%",
}
"""The metrics and their units; "%" for shares between 0 and 1, which tables show in per cent.

success_rate: on a map, robots that left their tile before their base touched anything; on a plane, that did not fall and
followed their commands, with a mean velocity error of at most :data:`FOLLOWED`.
fall_rate: robots whose first episode ended by base contact or broken physics. velocity_error: mean |v*_xy - v_xy|, base
frame. yaw_rate_error, heading_error: mean absolute errors. commanded_speed, speed: mean |v*_xy| and |v_xy|.
cost_of_transport: sum |tau dq| dt / (m g path length). power: mean of sum |tau dq|. torque: mean |tau| of a joint.
foot_slip: mean horizontal speed of feet in contact. tilt: mean angle of the base to the vertical. base_height,
base_height_sd: above the ground below it. action_clip_rate: share of the actions beyond the clip.
"""

_HEADINGS = {
    "success_rate": "success",
    "fall_rate": "falls",
    "velocity_error": "v error",
    "yaw_rate_error": "yaw error",
    "cost_of_transport": "CoT",
    "foot_slip": "slip",
}
"""What the tables of strata show, and call it."""


@dataclass(frozen=True, config=CONFIG)
class Estimate:
    """A mean over ``count`` robots and its 95 % confidence interval, None where one robot is all there is."""

    value: float
    low: float | None
    high: float | None
    count: int


Metrics = dict[str, Estimate]


@dataclass(frozen=True, config=CONFIG)
class Result:
    """What a policy achieved on a panel. ``metrics`` are those of :data:`UNITS`; ``strata``: quantity -> group -> metrics;
    ``episode_seconds`` is the mean length of the episodes; ``options`` are those of the backend that decide what comes out,
    which version 0.1.0 did not tell."""

    panel: str
    panel_hash: str
    task_hash: str
    policy_sha256: str | None
    backend: str
    num_robots: int
    episode_seconds: float
    metrics: Metrics
    reset_reasons: dict[str, int]
    strata: dict[str, dict[str, Metrics]]
    versions: dict[str, str]
    wall_seconds: float
    options: dict[str, bool | int | float | str | None] = field(default_factory=dict)

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @staticmethod
    def from_json(text: str | bytes, name: str = "the evaluation") -> Result:
        """The result of :meth:`to_json`; errors call it ``name``. Raises ValueError naming the first field that is wrong."""
        result = documents.valid(_ADAPTER, documents.parsed(text, name), name)
        groups = [group for stratum in result.strata.values() for group in stratum.values()]
        for metrics in (result.metrics, *groups):
            if unknown := sorted(set(metrics) - set(UNITS)):
                raise ValueError(f"{name}: unknown metric {documents.shown(unknown[0])}; there are {', '.join(UNITS)}")
            if "fall_rate" not in metrics:
                raise ValueError(f"{name}: metrics without fall_rate, which every group of robots has")
        return result


_ADAPTER: TypeAdapter[Result] = TypeAdapter(Result)


def evaluate(
    policy: Policy | Callable[[np.ndarray], np.ndarray],
    panel: Panel,
    backend: str = "auto",
    progress: Callable[[float], None] = lambda share: None,
    *,
    device: str | None = None,
    options: Mapping[str, object] | None = None,
) -> Result:
    """Evaluate a policy, or any function of observations (N, O) to actions (N, J), on a panel.

    ``progress`` hears the share of the panel that is done, from 0 to 1. ``device`` and ``options`` are the backend's.
    """
    if isinstance(policy, Policy):
        policy.check(panel.task)
    begun = time.perf_counter()
    env = LocoVectorEnv(
        panel.task,
        panel.num_robots,
        backend=backend,
        device=device,
        options=options,
        split=panel.split,
        stagger=False,
        autoreset_mode="disabled",
    )
    name, physics = str(getattr(env.simulator, "name", engines.resolve(backend))), dict(env.simulator.options)
    try:
        record = _record(env, policy, panel.seed, progress)
    finally:
        env.close()
    groups = {
        stratum.quantity: {
            label: _metrics(record, moments, whole) for label, moments, whole in _groups(panel, stratum, record)
        }
        for stratum in panel.strata
    }
    reasons = np.bincount(record.reset_reason, minlength=len(env.reset_reasons))
    return Result(
        panel=panel.name,
        panel_hash=panel.hash,
        task_hash=panel.task.hash,
        policy_sha256=policy.sha256 if isinstance(policy, Policy) else None,
        backend=name,
        num_robots=panel.num_robots,
        episode_seconds=float(record.alive.sum(axis=0).mean() * record.dt),
        metrics=_metrics(record, np.ones_like(record.alive), True),
        reset_reasons={name: int(count) for name, count in zip(env.reset_reasons[1:], reasons[1:])},
        strata={name: {label: found for label, found in group.items() if found} for name, group in groups.items()},
        versions=_versions(),
        wall_seconds=round(time.perf_counter() - begun, 2),
        options=physics,  # type: ignore[arg-type]
    )


def compare(a: Result, b: Result) -> dict[str, float]:
    """How much more each metric of ``b`` is than that of ``a``. Raises ValueError if their panels differ."""
    if a.panel_hash != b.panel_hash:
        raise ValueError(
            f"results of different panels cannot be compared: {a.panel} ({a.panel_hash}) and {b.panel} ({b.panel_hash})"
        )
    return {name: b.metrics[name].value - a.metrics[name].value for name in a.metrics if name in b.metrics}


def _said(options: Mapping[str, object]) -> list[str]:
    return [f"{name} {value}" for name, value in options.items()]


def table(result: Result) -> Table:
    """The metrics of all robots, for people."""
    reasons = ", ".join(f"{name} {count}" for name, count in result.reset_reasons.items())
    made = Table(
        title=", ".join([result.panel, f"{result.num_robots} robots", result.backend, *_said(result.options)]),
        caption=f"panel {result.panel_hash}; episodes ended by {reasons}; {result.wall_seconds:.0f} s",
    )
    for column in ("metric", "mean", "95 % interval", "unit"):
        made.add_column(column, justify="right" if column in ("mean", "95 % interval") else "left")
    for name, estimate in result.metrics.items():
        unit = UNITS[name]
        interval = ""
        if estimate.low is not None and estimate.high is not None:
            interval = f"{_shown(estimate.low, unit)} to {_shown(estimate.high, unit)}"
        made.add_row(name.replace("_", " "), _shown(estimate.value, unit), interval, "" if unit == "1" else unit)
    return made


def strata_table(result: Result, quantity: str) -> Table:
    """The main metrics group by group of one stratum, for people."""
    groups = result.strata[quantity].values()
    names = [name for name in _HEADINGS if any(name in metrics for metrics in groups)]
    made = Table(title=f"by {quantity.replace('_', ' ')}")
    made.add_column("", no_wrap=True)
    made.add_column("robots", justify="right")
    for name in names:
        made.add_column(f"{_HEADINGS[name]}\n{UNITS[name]}", justify="right")
    for label, metrics in result.strata[quantity].items():
        cells = [_shown(metrics[name].value, UNITS[name]) if name in metrics else "" for name in names]
        made.add_row(label, str(metrics["fall_rate"].count), *cells)
    return made


def _shown(value: float, unit: str) -> str:
    return f"{100 * value:.1f}" if unit == "%" else f"{value:.3g}"


@dataclasses.dataclass(frozen=True)
class _Record:
    """What happened, as time series (T, N) and numbers a robot (N,). ``alive``: this step is of the first episode."""

    alive: np.ndarray  # (T, N) bool
    series: dict[str, np.ndarray]  # name -> (T, N)
    fell_at: np.ndarray  # (T, N) bool
    succeeded: np.ndarray  # (N,) bool
    reset_reason: np.ndarray  # (N,) int
    weight: np.ndarray  # (N,) m g, N
    level: np.ndarray  # (N,)
    kind: np.ndarray  # (N,) str
    friction: np.ndarray  # (N,)
    dt: float


def _record(
    env: LocoVectorEnv, policy: Callable[[np.ndarray], np.ndarray], seed: int, progress: Callable[[float], None]
) -> _Record:
    """Run all robots until the first episode of each has ended."""
    task, count, mdp = env.task, env.num_envs, env.mdp
    observation, _ = env.reset(seed=seed)
    first = env.state.episodes
    level, column = convert(first.level, "numpy"), convert(first.column, "numpy")
    center = convert(mdp.tile_centers, "numpy")[level, column, :2]
    before = convert(first.readout.base_position, "numpy")[:, :2]
    alive, crossed, reason = np.ones(count, bool), np.zeros(count, bool), np.zeros(count, int)
    rows: list[dict[str, np.ndarray]] = []
    for step in range(task.timing.max_episode_steps):
        action = policy(observation)
        observation, _, terminated, truncated, info = env.step(action)
        row, position = _moment(env, action, before)
        outside = np.max(np.abs(position - center), axis=-1) > task.terrain.tile / 2
        row |= {"alive": alive, "fell_at": alive & terminated}
        rows.append(row)
        crossed |= alive & outside & ~terminated
        done = terminated | truncated
        reason = np.where(alive & done, info["reset_reason"], reason)
        alive, before = alive & ~done, position
        progress((step + 1) / task.timing.max_episode_steps)
        if not alive.any():
            break
        if done.any():
            observation, _ = env.reset(options={"reset_mask": done})
    series = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    fell_at, was_alive = series.pop("fell_at"), series.pop("alive")
    friction, payload = drawn(task, count, env.split, seed)
    error = np.sum(series["velocity_error"], axis=0, where=was_alive) / was_alive.sum(axis=0)
    followed = ~fell_at.any(axis=0) & (error <= FOLLOWED)
    return _Record(
        alive=was_alive,
        series=series,
        fell_at=fell_at,
        succeeded=crossed if task.terrain.kind == "tiles" else followed,
        reset_reason=reason,
        weight=(task.robot.mass + payload) * GRAVITY,
        level=level,
        kind=np.array(mdp.height_map.kinds)[column],
        friction=friction,
        dt=task.timing.control_dt,
    )


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
        "since_push": _since_push(env),
    }
    if task.commands.mode == "heading":
        row["heading_error"] = np.abs(wrap_to_pi(command[:, 3] - heading(quaternion)))
    return row, position[:, :2]


def _since_push(env: LocoVectorEnv) -> np.ndarray:
    """Seconds since the last push of this episode; infinite before the first, (N,)."""
    step = np.asarray(convert(env.state.episodes.step, "numpy"))
    pushes, dt = env.task.randomization.pushes, env.task.timing.control_dt
    if pushes is None:
        return np.full(step.shape, np.inf)
    interval = round(pushes.interval / dt)
    return np.where(step >= interval, step % interval * dt, np.inf)


def drawn(task: Task, count: int, split: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Friction (count,) and payload (count,) kg: the draws that :func:`locoenvs.mdp.step.initial` gives the simulator."""
    robot = np.arange(count, dtype=np.int32)
    key = rng.robot_key(seed, rng.SPLITS[split], robot, task.seed_families)
    friction = rng.uniform(key, robot * 0, robot * 0, rng.Purpose.FRICTION, 1)[:, 0]
    payload = rng.uniform(key, robot * 0, robot * 0, rng.Purpose.PAYLOAD, 1)[:, 0]
    randomization = task.randomization
    return (
        rng.between(friction, *randomization.friction),
        rng.between(payload, *(randomization.payload or (0.0, 0.0))),
    )


def _groups(panel: Panel, stratum: Stratum, record: _Record) -> Iterator[tuple[str, np.ndarray, bool]]:
    """(label, mask (T, N) of the moments, whether it holds whole episodes) of each group."""
    whole, quantity = np.ones_like(record.alive), stratum.quantity
    if quantity in record.series:
        for group in stratum.groups:
            yield group.label, _within(record.series[quantity], group.low, group.high), False
    elif quantity == "friction":
        for group in stratum.groups:
            yield group.label, whole & _within(record.friction, group.low, group.high), True
    else:
        kinds = dict.fromkeys(share.kind for share in panel.task.terrain.shares)
        levels = range(panel.task.terrain.levels)
        if quantity in ("terrain", "terrain_and_level"):
            for kind in kinds:
                on = whole & (record.kind == kind)
                if quantity == "terrain":
                    yield kind, on, True
                else:
                    yield from ((f"{kind} {level}", on & (record.level == level), True) for level in levels)
        else:
            yield from ((f"level {level}", whole & (record.level == level), True) for level in levels)


def _within(values: np.ndarray, low: float | None, high: float | None) -> np.ndarray:
    """Which values are in [low, high); None is no bound."""
    above = values >= low if low is not None else np.ones(values.shape, bool)
    return above & (values < high) if high is not None else above


def _metrics(record: _Record, moments: np.ndarray, whole_episodes: bool) -> Metrics:
    """The metrics over the moments (T, N) of a group; empty if no robot was ever in it.

    Success is that of a whole episode, so groups of moments have none.
    """
    moments = moments & record.alive
    robots = moments.any(axis=0)
    if not robots.any():
        return {}
    moments, count = moments[:, robots], int(robots.sum())
    series = {name: values[:, robots] for name, values in record.series.items()}
    steps = moments.sum(axis=0)

    def total(name: str) -> np.ndarray:
        return np.sum(series[name], axis=0, where=moments)

    made: Metrics = {}
    if whole_episodes:
        made["success_rate"] = wilson(int(record.succeeded[robots].sum()), count)
    made["fall_rate"] = wilson(int((record.fell_at[:, robots] & moments).any(axis=0).sum()), count)
    one = np.ones(count)
    fractions = {name: (total(name) / steps, one) for name in UNITS if name in series}
    fractions["cost_of_transport"] = (total("power") * record.dt, record.weight[robots] * total("moved"))
    fractions["foot_slip"] = (total("slip"), total("contacts"))
    height = series["base_height"] - fractions["base_height"][0]
    fractions["base_height_sd"] = (np.sqrt(np.sum(height**2, axis=0, where=moments) / steps), one)
    for name in UNITS:
        if name in fractions and fractions[name][1].sum() > 0:
            made[name] = bootstrap(*fractions[name])
    return made


def wilson(successes: int, count: int) -> Estimate:
    """A rate and Wilson's 95 % interval (E. B. Wilson, 1927), which holds for rates near 0 and 1 too."""
    z, rate = 1.959964, successes / count
    scale = 1 / (1 + z * z / count)
    middle = scale * (rate + z * z / (2 * count))
    half = scale * z * math.sqrt(rate * (1 - rate) / count + z * z / (4 * count * count))
    return Estimate(rate, max(middle - half, 0.0), min(middle + half, 1.0), count)


def bootstrap(numerator: np.ndarray, denominator: np.ndarray) -> Estimate:
    """sum(numerator) / sum(denominator) over robots (N,), and its 95 % percentile interval over resampled robots."""
    count, value = len(numerator), float(numerator.sum() / denominator.sum())
    if count == 1:
        return Estimate(value, None, None, count)
    chosen = np.random.default_rng(0).integers(count, size=(BOOTSTRAP, count))
    below = denominator[chosen].sum(axis=1)
    valid = below > 0
    low, high = np.quantile(numerator[chosen].sum(axis=1)[valid] / below[valid], [0.025, 0.975])
    return Estimate(value, float(low), float(high), count)


def _versions() -> dict[str, str]:
    names = ("locoenvs", "numpy", "mujoco", "mujoco-mjx", "jax", "warp-lang", "onnxruntime")
    return {"python": platform.python_version(), **versions(*names)}
