"""What a robot brings to the suite: itself, its name in environment ids, and where its tasks differ from ANYmal C's."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from locoenvs.tasks.robot import Robot
from locoenvs.tasks.task import Range, Rewards, RewardWeights


@dataclass(frozen=True)
class SuiteRobot:
    """A robot with its tasks ``Loco/<id>-Flat-v0`` and ``Loco/<id>-Rough-v0``.

    ``weights`` are the reward weights that differ from the paper's, on either ground; ``rewards`` the other fields of
    :class:`locoenvs.tasks.task.Rewards` that do. ``payload`` kg is the range that the recipe legged_gym adds to the base.
    ``drive`` is the network of its drives that ``actuator="lstm"`` means, see :mod:`locoenvs.tasks.drive`; None: it has none.
    """

    id: str
    robot: Robot
    weights: dict[str, float] = field(default_factory=dict)
    rewards: dict[str, Any] = field(default_factory=dict)
    payload: Range | None = None
    drive: str | None = None

    def __post_init__(self) -> None:
        if not (self.id.isalnum() and self.id[:1].isupper()):
            raise ValueError(f"suite robot {self.id!r}: an id is letters and digits and begins with a capital, like A1")
        for name, given, kind in (("weights", self.weights, RewardWeights), ("rewards", self.rewards, Rewards)):
            known = {each.name for each in fields(kind)} - {"weights"}
            if unknown := sorted(set(given) - known):
                raise ValueError(f"suite robot {self.id!r}: {name} names {unknown}; there are: {sorted(known)}")
