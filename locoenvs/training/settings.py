"""What a user asks of a learner."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from locoenvs.tasks.recipes import ActuatorKind

MOST_ROBOTS = 2**20
"""More robots than any machine of today steps at a time."""


@dataclass(frozen=True)
class TrainSettings:
    """The settings of a training run, whoever learns. None leaves a setting to the recipe, the seed is 0 then.

    ``minutes`` stops training after that much time if ``updates`` are not done before; ``run`` is the folder to write
    to, ``resume`` the folder of a run to go on with, ``start_from`` the folder of a policy whose network is the first.
    ``actuator`` is "pd" or "lstm"; ``options`` are the backend's. The policy is judged on validation streams after every
    ``validate_every`` updates, and training stops by ``until_bar`` once it is good enough there. ``changes`` are other values of
    fields of the task, as :meth:`~locoenvs.tasks.task.Task.with_` takes them, and of PPO, such as "ppo.entropy". Raises ValueError for a number that is out of its range.
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
    until_bar: bool = False
    changes: Mapping[str, object] | None = None

    def __post_init__(self) -> None:
        for name, most in (("num_envs", MOST_ROBOTS), ("updates", 10**9), ("validate_every", 10**9)):
            _check_integer(name, getattr(self, name), 1, most)
        _check_integer("seed", self.seed, 0, 2**63 - 1)
        if self.until_bar and self.validate_every is None:
            raise ValueError("until_bar: say how often to look by validate_every, a number of updates")
        if self.minutes is not None and not (self.minutes > 0 and math.isfinite(self.minutes)):
            raise ValueError(f"minutes={self.minutes!r}: must be a positive number of minutes")


def _check_integer(name: str, value: object, least: int, most: int) -> None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if value is not None and not (whole and least <= value <= most):  # type: ignore[operator]
        raise ValueError(f"{name}={value!r}: must be a whole number from {least} to {most}")
