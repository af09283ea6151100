"""What happened when a robot fell, and which falls are alike: simple rules, the same for everybody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from pydantic.dataclasses import dataclass

from locoenvs.tasks.robot import CONFIG

AFTER_PUSH = 1.0
"""A robot that falls no later than this after a push fell by it, s."""

AFTER_CAUGHT = 0.5
"""A robot that falls no later than this after a foot was caught tripped over it, s."""

AFTER_COMMAND = 1.0
"""A robot that falls no later than this after it was told something new fell by it, s."""

UPRIGHT = 0.35
"""A base that leans no farther than this hit the ground without tipping over, rad: 20 degrees."""

FAST = 3.0
"""A base that tips faster than this was thrown, rad/s; one that slowly loses its balance is at 1."""

PLANE = "plane"
"""The kind of ground that has no tiles, and so no levels."""

Direction = Literal["forward", "backward", "left", "right"]


@dataclass(frozen=True, config=CONFIG)
class Fall:
    """What happened to one robot, told at the control step in which its episode ended by a fall, or by physics that is ``broken``.

    ``step`` counts control steps of the episode. Times are s before the fall, None for what never was: ``since_push``;
    ``since_command``, a command that is not the first; ``since_caught``, the ``caught`` foot's push against a steep face. ``tilt`` is
    the base's angle to the vertical, rad, toward ``direction``, and ``tilt_rate`` its mean change over the last 0.2 s, rad/s.
    ``feet`` stand on the ground. ``command`` is forward m/s, sideways m/s, yaw rate rad/s, ``speed`` the base's, m/s.
    """

    robot: int
    step: int
    seconds: float
    broken: bool
    kind: str
    level: int
    since_push: float | None
    since_command: float | None
    since_caught: float | None
    caught: str | None
    tilt: float
    tilt_rate: float
    direction: Direction
    feet: tuple[str, ...]
    command: tuple[float, float, float]
    speed: float

    @property
    def cause(self) -> str:
        """The first of the rules that holds."""
        if self.broken:
            return "physics broke"
        if _within(self.since_push, AFTER_PUSH):
            return "after a push"
        if _within(self.since_caught, AFTER_CAUGHT):
            return "a foot was caught"
        if _within(self.since_command, AFTER_COMMAND):
            return "after a new command"
        if self.tilt <= UPRIGHT:
            return "the base hit the ground upright"
        return "thrown over" if self.tilt_rate > FAST else "lost its balance"

    @property
    def words(self) -> str:
        """All of it in a line."""
        told = [
            f"after {self.seconds:.2f} s",
            self.kind if self.kind == PLANE else f"{self.kind}, level {self.level}",
            f"leaning {self.tilt:.2f} rad {self.direction} at {self.tilt_rate:.1f} rad/s",
            f"on {', '.join(self.feet)}" if self.feet else "no foot on the ground",
        ]
        if self.since_push is not None:
            told.append(f"{self.since_push:.2f} s after a push")
        if _within(self.since_caught, AFTER_CAUGHT):
            told.append(f"{self.caught} caught {self.since_caught:.2f} s before")
        if self.since_command is not None:
            told.append(f"{self.since_command:.2f} s after a new command")
        forward, sideways, turn = self.command
        told.append(
            f"told {forward:.2f} m/s ahead, {sideways:.2f} m/s left, {turn:.2f} rad/s, moved at {self.speed:.2f} m/s"
        )
        return "; ".join(told)


@dataclass(frozen=True, config=CONFIG)
class Kind:
    """Falls that are alike: on the same kind of tile, by the same cause."""

    kind: str
    cause: str
    falls: tuple[Fall, ...]

    @property
    def words(self) -> str:
        """How many they are, where to they fell, which feet were caught."""
        ways = Counter(fall.direction for fall in self.falls if fall.tilt > UPRIGHT)
        caught = Counter(fall.caught for fall in self.falls if fall.caught and _within(fall.since_caught, AFTER_CAUGHT))
        told = [f"{count} {way}" for way, count in ways.most_common()]
        told += [f"{foot} caught {count} time{'s' if count > 1 else ''}" for foot, count in caught.most_common()]
        return ", ".join([f"{len(self.falls)} fall{'s' if len(self.falls) > 1 else ''}", *told])


def alike(falls: Sequence[Fall]) -> list[Kind]:
    """The falls by kind of tile and cause, the most frequent first; robots in their order."""
    groups: dict[tuple[str, str], list[Fall]] = {}
    for fall in sorted(falls, key=lambda fall: fall.robot):
        groups.setdefault((fall.kind, fall.cause), []).append(fall)
    made = [Kind(kind, cause, tuple(group)) for (kind, cause), group in groups.items()]
    return sorted(made, key=lambda group: (-len(group.falls), group.kind, group.cause))


def _within(seconds: float | None, most: float) -> bool:
    return seconds is not None and seconds <= most
