"""How two results differ, robot by robot: the same robots with the same draws did both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from locoenvs.evidence.metrics import BOOTSTRAP, UNITS
from locoenvs.evidence.result import Result
from locoenvs.evidence.robots import Robots

GOOD: dict[str, int] = {
    "success_rate": 1,
    "fall_rate": -1,
    "velocity_error": -1,
    "yaw_rate_error": -1,
    "heading_error": -1,
    "cost_of_transport": -1,
    "foot_slip": -1,
    "action_clip_rate": -1,
}
"""The metrics of which more is better, 1, or worse, -1. Of the others neither is."""


@dataclass(frozen=True)
class Difference:
    """A metric of A and of B over ``count`` robots, and B - A with its paired 95 % interval, None where one robot is all there is."""

    a: float
    b: float
    value: float
    low: float | None
    high: float | None
    count: int

    def sign(self) -> int:
        """1 or -1 if the interval is above or below zero, 0 if zero is in it."""
        if self.low is None or self.high is None:
            return 0
        return 1 if self.low > 0 else -1 if self.high < 0 else 0


Differences = dict[str, Difference]


def word(name: str, difference: Difference) -> str:
    """Whether B is "better" or "worse" than A by a metric, "" if neither is shown."""
    return {1: "better", -1: "worse", 0: ""}[difference.sign() * GOOD.get(name, 0)]


def robots_of_both(a: Result, b: Result) -> tuple[Robots, Robots]:
    """What the robots of both did. Raises ValueError unless both tell, of equally many."""
    for result in (a, b):
        if result.robots is None:
            raise ValueError(
                f"the result of panel {result.panel!r} does not tell what each robot did: write it again by locoenvs eval --out"
            )
    assert a.robots is not None and b.robots is not None
    if len(a.robots.fell) != len(b.robots.fell):
        raise ValueError(
            f"{len(a.robots.fell)} robots of panel {a.panel!r} and {len(b.robots.fell)} of {b.panel!r} make no pairs"
        )
    return a.robots, b.robots


def differences(a: Result, b: Result, seed: int = 0) -> Differences:
    """Every metric that both have, B - A, with the percentile bootstrap over robots that ``seed`` resamples."""
    ours, theirs = robots_of_both(a, b)
    return _differences(ours, theirs, np.arange(len(ours.fell)), seed)


def differences_by_group(a: Result, b: Result, seed: int = 0) -> dict[str, dict[str, Differences]]:
    """The same within each group of whole episodes: stratum -> group -> differences."""
    ours, theirs = robots_of_both(a, b)
    made: dict[str, dict[str, Differences]] = {}
    for quantity, labels in ours.groups.items():
        members = _members(labels)
        in_order = [label for label in a.strata.get(quantity, members) if label in members]
        made[quantity] = {label: _differences(ours, theirs, np.array(members[label]), seed) for label in in_order}
    return made


def _members(labels: Sequence[str]) -> dict[str, list[int]]:
    members: dict[str, list[int]] = {}
    for robot, label in enumerate(labels):
        if label:
            members.setdefault(label, []).append(robot)
    return members


def _differences(a: Robots, b: Robots, chosen: np.ndarray, seed: int) -> Differences:
    ours, theirs = a.fractions(), b.fractions()
    names = [name for name in UNITS if name in ours and name in theirs]
    times = _resampled(len(chosen), seed)
    found = [_ratios({name: fractions[name] for name in names}, chosen, times) for fractions in (ours, theirs)]
    made: Differences = {}
    for column, name in enumerate(names):
        (first, of_a), (second, of_b) = ((values[column], many[:, column]) for values, many in found)
        if not (np.isfinite(first) and np.isfinite(second)):
            continue
        low = high = None
        if len(chosen) > 1:
            low, high = map(float, np.nanquantile(of_b - of_a, [0.025, 0.975]))
        made[name] = Difference(float(first), float(second), float(second - first), low, high, len(chosen))
    return made


def _resampled(count: int, seed: int) -> np.ndarray:
    """How often each of ``count`` robots is in each resample, (BOOTSTRAP, count)."""
    chosen = np.random.default_rng(seed).integers(count, size=(BOOTSTRAP, count))
    places = chosen + count * np.arange(BOOTSTRAP)[:, None]
    return np.bincount(places.ravel(), minlength=BOOTSTRAP * count).reshape(BOOTSTRAP, count).astype(float)


def _ratios(
    fractions: Mapping[str, tuple[np.ndarray, np.ndarray]], chosen: np.ndarray, times: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The metrics (M,) over the ``chosen`` robots, and those of each resample (BOOTSTRAP, M); NaN where nothing was seen."""
    above, below = (np.stack([pair[part][chosen] for pair in fractions.values()], axis=1) for part in (0, 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return above.sum(axis=0) / below.sum(axis=0), (times @ above) / (times @ below)
