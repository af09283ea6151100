"""What a robot brings to the suite: itself, its name in environment ids, and where its tasks differ from ANYmal C's."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field
from typing import Any

from locoenvs.tasks.formats import PARAMETERS
from locoenvs.tasks.robot import Robot
from locoenvs.tasks.task import Range


@dataclass(frozen=True)
class SuiteRobot:
    """A robot with its tasks ``Loco/<id>-Flat-v0`` and ``Loco/<id>-Rough-v0``.

    ``weights`` are the reward weights that differ from the paper's, on either ground; ``changes`` the other fields of its tasks
    that do, as :meth:`locoenvs.tasks.task.Task.with_` takes them. ``payload`` kg is the range that the recipe legged_gym adds to the
    base. ``drive`` is the network of its drives that ``actuator="lstm"`` means, see :mod:`locoenvs.tasks.drive`; None: it has none.
    """

    id: str
    robot: Robot
    weights: dict[str, float] = field(default_factory=dict)
    changes: dict[str, Any] = field(default_factory=dict)
    payload: Range | None = None
    drive: str | None = None
    rewards: InitVar[Mapping[str, Any] | None] = None
    """What version 0.1.0 called changes, of the rewards alone. Goes with version 0.3."""

    def __post_init__(self, rewards: Mapping[str, Any] | None) -> None:
        if not (self.id.isalnum() and self.id[:1].isupper()):
            raise ValueError(f"suite robot {self.id!r}: an id is letters and digits and begins with a capital, like A1")
        if rewards is not None:
            warnings.warn(f"suite robot {self.id!r}: rewards= is changes= now", DeprecationWarning, stacklevel=3)
            object.__setattr__(self, "changes", {**_changes(rewards), **self.changes})


def _changes(rewards: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a task's fields for those of the first format's rewards."""
    changed = dict[str, Any]()
    for name, value in rewards.items():
        terms = PARAMETERS.get(name, ())
        paths = [f"rewards.terms.{term}.parameters.{own}" for term, own in terms] or [f"rewards.{name}"]
        changed |= dict.fromkeys(paths, value)
    return changed
