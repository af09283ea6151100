"""Checks of an evaluation for what goes wrong unseen: robots that stand still, drives at their limits, groups without robots.

Those of a training are in :mod:`locoenvs.evidence.audit_training`, those of what is seen in :mod:`locoenvs.evidence.leaks`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from locoenvs.evidence.metrics import tiles_of
from locoenvs.evidence.panel import Group, Panel
from locoenvs.evidence.result import Result
from locoenvs.evidence.robots import Robots

CLIPPED = 0.01
"""A larger share of clipped actions means that the policy asks for what it cannot get."""

STANDING = 0.5
"""Robots that move, or turn, at less than this share of what is commanded stand still."""

BAR: dict[str, float] = {"fall_rate": 0.01, "velocity_error": 0.15, "yaw_rate_error": 0.15}
"""What a policy for flat ground must reach on the held-out flat panel to count as one that walks: at most so many falls,
m/s and rad/s."""

SATURATED: dict[str, tuple[float, str]] = {
    "torque_saturation": (0.05, "of the torques are at their limits"),
    "velocity_saturation": (0.01, "of the joint velocities are beyond their limits"),
    "joint_limit_rate": (0.05, "of the joint angles are at the ends of their ranges"),
}
"""A larger share means that the policy lives by limits which a real robot's drives do not have as the simulation has them."""

STRANGE = 5.0
"""Normalized inputs farther from 0 than this in the mean, or that spread more, are not those that the normalization was made of."""


WINDOW, TOGETHER = 0.5, 0.5
"""More than this share of all robots falling within so many seconds of their episodes has a cause that is none of each robot's."""


NAMED = 8
"""So many groups without robots are named."""


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    name: str
    passed: bool
    message: str


def audit_result(result: Result, panel: Panel | None = None) -> list[Finding]:
    """The checks of an evaluation; with its ``panel`` also whether every group that it asks for had robots.

    What a result does not tell is not checked: older versions, and others who write results, measure less.
    """
    value = {name: estimate.value for name, estimate in result.metrics.items()}
    findings = list[Finding]()
    if {"speed", "commanded_speed"} <= set(value):
        speed, asked = value["speed"], value["commanded_speed"]
        said = f"mean speed {speed:.2f} m/s of {asked:.2f} m/s commanded"
        findings.append(Finding("moves", speed >= STANDING * asked, said))
    if (clipped := value.get("action_clip_rate")) is not None:
        said = f"{100 * clipped:.2f} % of the actions are clipped"
        findings.append(Finding("actions within the clip", clipped <= CLIPPED, said))
    if (broken := result.reset_reasons.get("broken_physics")) is not None:
        said = f"physics broke for {broken} of {result.num_robots} robots"
        findings.append(Finding("physics holds", broken == 0, said))
    for name, (most, said) in SATURATED.items():
        if name in value:
            shown = name.removesuffix("_rate").replace("_", " ")
            findings.append(Finding(f"{shown} is rare", value[name] <= most, f"{100 * value[name]:.2f} % {said}"))
    if result.robots is not None:
        findings.append(_spread(result.robots))
    if result.inputs:
        findings.append(_normalization(result.inputs))
    if panel is not None:
        findings += _turns(result, panel)
        findings.append(_groups(result, panel))
    return findings


def _turns(result: Result, panel: Panel) -> list[Finding]:
    """Whether robots turn where they are told to turn fastest; nothing of a panel without a stratum of that. Success on a plane is of
    velocity in the base frame, which a robot that never turns may follow."""
    strata = [stratum for stratum in panel.strata if stratum.quantity == "commanded_yaw_rate"]
    fast = max((group for stratum in strata for group in stratum.groups if group.low), key=_low, default=None)
    found = {} if fast is None else result.strata.get("commanded_yaw_rate", {}).get(fast.label, {})
    if fast is None or "yaw_rate_error" not in found:
        return []
    error, least = found["yaw_rate_error"].value, _low(fast)
    said = f"off by {error:.2f} rad/s where {least:g} rad/s or more are commanded"
    return [Finding("turns", error <= (1 - STANDING) * least, said)]


def _low(group: Group) -> float:
    return group.low or 0.0


def _spread(robots: Robots) -> Finding:
    """Whether episodes that end before their time do so at different times, whatever ends them: a push at the same moment for all may
    fell some, never most."""
    early = sorted((end, why) for end, why in zip(robots.seconds, robots.reset_reason) if why != "time_limit")
    count, ends = len(robots.seconds), np.array([end for end, _ in early])
    within = np.searchsorted(ends, ends + WINDOW + 1e-6) - np.arange(len(ends))
    most = int(within.max(initial=0))
    if most <= TOGETHER * count:
        return Finding("ends spread", True, f"at most {most} of {count} robots ended within {WINDOW:g} s")
    first = int(within.argmax())
    (why, by), *_ = Counter(why for _, why in early[first : first + most]).most_common(1)
    start = ends[first]
    said = f"{most} of {count} robots ended between {start:g} and {start + WINDOW:g} s, {by} by {why}"
    return Finding("ends spread", False, said)


def _normalization(inputs: dict[str, tuple[float, float]]) -> Finding:
    """Whether what a network sees is as its normalization makes it where that was made: about 0, spread by about 1."""
    strange = [f"{name} {mean:.1f} from 0, spread by {spread:.1f}" for name, (mean, spread) in inputs.items()
               if max(mean, spread) > STRANGE]  # fmt: skip
    said = "; ".join(strange) or "normalized inputs are about 0 and spread by about 1"
    return Finding("normalization fits", not strange, said)


def _groups(result: Result, panel: Panel) -> Finding:
    """Whether every group of the panel's strata had a robot."""
    missing = [
        f"{stratum.quantity}: {group.label}"
        for stratum in panel.strata
        for group in stratum.groups
        if group.label not in result.strata.get(stratum.quantity, {})
    ]
    missing += [
        f"{stratum.quantity.replace('_', ' ')}: {label}"
        for stratum in panel.strata
        for label in tiles_of(panel.task.terrain, stratum.quantity)
        if label not in result.strata.get(stratum.quantity, {})
    ]
    more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
    said = f"nobody was in {'; '.join(missing[:NAMED])}{more}" if missing else "all of them"
    return Finding("groups have robots", not missing, said)


def meets_bar(result: Result) -> bool:
    """Whether a policy walks, by its result on a flat panel."""
    return all(result.metrics[name].value <= limit for name, limit in BAR.items())
