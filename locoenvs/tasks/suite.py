"""What a robot brings to the suite: itself, its name in environment ids, and where its tasks differ from ANYmal C's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

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

    def __post_init__(self) -> None:
        if not (self.id.isalnum() and self.id[:1].isupper()):
            raise ValueError(f"suite robot {self.id!r}: an id is letters and digits and begins with a capital, like A1")
