"""The metrics of a record, robot by robot, with 95 % confidence intervals.

Rates carry Wilson's interval, the others the percentile bootstrap over robots.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from pydantic.dataclasses import dataclass

from locoenvs.evidence.panel import Panel, Stratum
from locoenvs.evidence.record import Record
from locoenvs.tasks.robot import CONFIG
from locoenvs.tasks.task import Terrain

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
    "torque_saturation": "%",
    "velocity_saturation": "%",
    "joint_limit_rate": "%",
}
"""The metrics and their units; "%" for shares between 0 and 1, which tables show in per cent.

success_rate: on a map, robots that left their tile before their base touched anything; on a plane, that did not fall and
followed their commands: a mean velocity error of at most :data:`~locoenvs.evidence.record.FOLLOWED` in their last seconds.
fall_rate: robots whose first episode ended by base contact or broken physics. velocity_error: mean |v*_xy - v_xy|, base
frame. yaw_rate_error, heading_error: mean absolute errors. commanded_speed, speed: mean |v*_xy| and |v_xy|.
cost_of_transport: sum |tau dq| dt / (m g path length). power: mean of sum |tau dq|. torque: mean |tau| of a joint.
foot_slip: mean horizontal speed of feet in contact. tilt: mean angle of the base to the vertical. base_height,
base_height_sd: above the ground below it. action_clip_rate: share of the actions beyond the clip. torque_saturation,
velocity_saturation, joint_limit_rate: share of the joints whose torque is within 1 % of its limit, that turn faster than theirs, that
are in the outer hundredth of their range or beyond.
"""


@dataclass(frozen=True, config=CONFIG)
class Estimate:
    """A mean over ``count`` robots and its 95 % confidence interval, None where one robot is all there is."""

    value: float
    low: float | None
    high: float | None
    count: int


Metrics = dict[str, Estimate]


def groups_of(panel: Panel, stratum: Stratum, record: Record) -> Iterator[tuple[str, np.ndarray, bool]]:
    """(label, mask (T, N) of the moments, whether it holds whole episodes) of each group."""
    whole, quantity = np.ones_like(record.alive), stratum.quantity
    if quantity in record.series:
        for group in stratum.groups:
            yield group.label, _within(record.series[quantity], group.low, group.high), False
    elif quantity in record.drawn:
        for group in stratum.groups:
            yield group.label, whole & _within(record.drawn[quantity], group.low, group.high), True
    else:
        for label, (kind, level) in tiles_of(panel.task.terrain, quantity).items():
            on = np.ones(len(record.level), bool) if kind is None else record.kind == kind
            yield label, whole & (on if level is None else on & (record.level == level)), True


def tiles_of(terrain: Terrain, quantity: str) -> dict[str, tuple[str | None, int | None]]:
    """The groups of a stratum of tiles: label -> kind and level of the tile, None for any; none for a stratum of something else."""
    kinds = dict.fromkeys(share.kind for share in terrain.shares)
    if quantity == "terrain":
        return {kind: (kind, None) for kind in kinds}
    if quantity == "terrain_and_level":
        return {f"{kind} {level}": (kind, level) for kind in kinds for level in range(terrain.levels)}
    return {f"level {level}": (None, level) for level in range(terrain.levels)} if quantity == "level" else {}


def _within(values: np.ndarray, low: float | None, high: float | None) -> np.ndarray:
    """Which values are in [low, high); None is no bound."""
    above = values >= low if low is not None else np.ones(values.shape, bool)
    return above & (values < high) if high is not None else above


def metrics_of(record: Record, moments: np.ndarray, whole_episodes: bool) -> Metrics:
    """The metrics over the moments (T, N) of a group; empty if no robot was ever in it.

    Success is that of a whole episode, so groups of moments have none.
    """
    moments = moments & record.alive
    robots = np.asarray(moments.any(axis=0))
    if not robots.any():
        return {}
    count = int(robots.sum())
    made: Metrics = {}
    if whole_episodes:
        made["success_rate"] = wilson(int(record.succeeded[robots].sum()), count)
    made["fall_rate"] = wilson(int((record.fell_at & moments).any(axis=0).sum()), count)
    for name, (numerator, denominator) in fractions_of(record, moments, robots).items():
        _check_finite(name, numerator / np.where(denominator == 0, 1, denominator), robots)
        if denominator.sum() > 0:
            made[name] = bootstrap(numerator, denominator)
    return made


def _check_finite(name: str, values: np.ndarray, robots: np.ndarray) -> None:
    """Raise ValueError naming the metric, and the first of the ``robots`` of a mask (N,), for a value that is no number."""
    if len(wrong := np.flatnonzero(~np.isfinite(values))):
        robot, value = np.flatnonzero(robots)[wrong[0]], values[wrong[0]]
        raise ValueError(
            f"metric {name} of robot {robot} is {value}, not a finite number ({len(wrong)} robots in all): what it is made of was not"
        )


def fractions_of(record: Record, moments: np.ndarray, robots: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What each metric but the rates is made of, over the ``moments`` (T, N) of the ``robots`` of a mask (N,): numerators and
    denominators, one a robot. A metric is the sum of the former over the sum of the latter."""
    moments = moments[:, robots]
    series = {name: values[:, robots] for name, values in record.series.items()}
    steps = moments.sum(axis=0)

    def total(name: str) -> np.ndarray:
        return np.sum(series[name], axis=0, where=moments)

    one = np.ones(len(steps))
    made = {name: (total(name) / steps, one) for name in UNITS if name in series}
    made["cost_of_transport"] = (total("power") * record.dt, record.weight[robots] * total("moved"))
    made["foot_slip"] = (total("slip"), total("contacts"))
    height = series["base_height"] - made["base_height"][0]
    made["base_height_sd"] = (np.sqrt(np.sum(height**2, axis=0, where=moments) / steps), one)
    return {name: made[name] for name in UNITS if name in made}


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
