"""Checks of what goes wrong unseen: robots that stand still, clipped actions, dominating rewards, synchronized resets.

Leaked seeds need no check here: the streams of a panel belong to a split that training cannot ask for, which
:class:`locoenvs.evidence.panel.Panel` fixes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from locoenvs.evidence.result import Result

CLIPPED = 0.01
"""A larger share of clipped actions means that the policy asks for what it cannot get."""

STANDING = 0.5
"""Robots that move at less than this share of the commanded speed stand still."""

BAR: dict[str, float] = {"fall_rate": 0.01, "velocity_error": 0.15, "yaw_rate_error": 0.15}
"""What a policy for flat ground must reach on the held-out flat panel to count as one that walks: at most so many falls,
m/s and rad/s."""

DOMINANT = 0.9
"""One reward term with a larger share of the sum of all sizes leaves the others without a say."""

SYNCHRONIZED = 0.25
"""More robots than this share timing out in one update of a twentieth of an episode or less reset together."""


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    name: str
    passed: bool
    message: str


def audit_result(result: Result) -> list[Finding]:
    """The checks of an evaluation."""
    value = {name: estimate.value for name, estimate in result.metrics.items()}
    broken = result.reset_reasons["broken_physics"]
    asked, speed, clipped = value["commanded_speed"], value["speed"], value["action_clip_rate"]
    return [
        Finding("moves", speed >= STANDING * asked, f"mean speed {speed:.2f} m/s of {asked:.2f} m/s commanded"),
        Finding("actions within the clip", clipped <= CLIPPED, f"{100 * clipped:.2f} % of the actions are clipped"),
        Finding("physics holds", broken == 0, f"physics broke for {broken} of {result.num_robots} robots"),
    ]


def meets_bar(result: Result) -> bool:
    """Whether a policy walks, by its result on a flat panel."""
    return all(result.metrics[name].value <= limit for name, limit in BAR.items())


def audit_training(records: Sequence[dict[str, Any]], num_envs: int) -> list[Finding]:
    """The checks of a ledger's lines, over the last tenth of the updates."""
    updates = [record for record in records if record["kind"] == "update"]
    if not updates:
        raise ValueError("the ledger has no updates: nothing was trained")
    recent = updates[-max(len(updates) // 10, 1) :]
    clipped = sum(update["action_clip_rate"] for update in recent) / len(recent)
    sizes = {
        name: abs(sum(update["terms_per_second"][name] for update in recent)) for name in recent[0]["terms_per_second"]
    }
    largest = max(sizes, key=lambda name: sizes[name])
    share = sizes[largest] / max(sum(sizes.values()), 1e-9)
    together = max(update["resets"]["time_limit"] for update in updates) / num_envs
    return [
        Finding("actions within the clip", clipped <= CLIPPED, f"{100 * clipped:.2f} % of the actions are clipped"),
        Finding("rewards balance", share <= DOMINANT, f"{largest} is {100 * share:.0f} % of all reward terms"),
        Finding("resets spread", together <= SYNCHRONIZED, f"{100 * together:.0f} % of the robots timed out at once"),
    ]
