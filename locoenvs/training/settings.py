"""What a user asks of a learner."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from locoenvs.tasks.recipes import ActuatorKind

MOST_ROBOTS = 2**20
"""More robots than any machine of today steps at a time."""


MOST_UPDATES = 10**9


@dataclass(frozen=True)
class TrainSettings:
    """The settings of a training run, whoever learns. None leaves a setting to the recipe, the seed is 0 then.

    ``minutes`` stops training after that much time if ``updates`` are not done before; ``run`` is the folder to write
    to, ``resume`` the folder of a run to go on with, ``start_from`` the folder of a policy whose network is the first.
    ``actuator`` is "pd" or "lstm"; ``options`` are the backend's.

    The policy is judged on ``validate_robots`` robots of validation streams after every ``validate_every`` updates or
    ``validate_minutes`` minutes, whichever comes first, within the ``validate_share`` of its time if that is given; by default ten times
    a run, within a tenth of its time, and never if ``validate_every`` is 0. Training stops by ``until_bar`` once it is good enough there. ``keep_policies`` keeps the policy of each
    validation, ``video_every`` makes a short video after every so many updates.

    ``changes`` are other values of fields of the task, as :meth:`~locoenvs.tasks.task.Task.with_` takes them, and of PPO, such as
    "ppo.entropy". ``panels`` are those that the policy will be judged on at the end, which the recipe says; by default those of its
    ground, and none for "none" alone. Raises ValueError for a number that is out of its range.
    """

    env_id: str
    backend: str = "auto"
    num_envs: int | None = None
    seed: int | None = None
    updates: int | None = None
    minutes: float | None = None
    run: str | None = None
    resume: str | None = None
    start_from: str | None = None
    recipe: str | None = None
    actuator: ActuatorKind | None = None
    device: str | None = None
    wandb: bool = False
    options: Mapping[str, object] | None = None
    validate_every: int | None = None
    validate_minutes: float | None = None
    validate_robots: int | None = None
    validate_share: float | None = None
    until_bar: bool = False
    keep_policies: bool = False
    video_every: int | None = None
    changes: Mapping[str, object] | None = None
    panels: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for name, least, most in (
            ("num_envs", 1, MOST_ROBOTS),
            ("updates", 1, MOST_UPDATES),
            ("validate_every", 0, MOST_UPDATES),
            ("validate_robots", 1, MOST_ROBOTS),
            ("video_every", 1, MOST_UPDATES),
            ("seed", 0, 2**63 - 1),
        ):
            _check_integer(name, getattr(self, name), least, most)
        for name in ("minutes", "validate_minutes"):
            value = getattr(self, name)
            if value is not None and not (value > 0 and math.isfinite(value)):
                raise ValueError(f"{name}={value!r}: must be a positive number of minutes")
        if self.validate_share is not None and not 0 < self.validate_share <= 1:
            raise ValueError(
                f"validate_share={self.validate_share!r}: must be a part of the time, above 0 and at most 1"
            )
        if self.until_bar and not (self.validate_every or self.validate_minutes):
            raise ValueError("until_bar: say how often to look by validate_every, a number of updates")
        asked = [
            name
            for name in ("validate_minutes", "validate_robots", "validate_share")
            if getattr(self, name) is not None
        ]
        asked += ["keep_policies"] if self.keep_policies else []
        if self.validate_every == 0 and asked:
            raise ValueError(f"{asked[0]}: validate_every=0 turns validation off, give one of them")


def _check_integer(name: str, value: object, least: int, most: int) -> None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if value is not None and not (whole and least <= value <= most):  # type: ignore[operator]
        raise ValueError(f"{name}={value!r}: must be a whole number from {least} to {most}")
