"""What differs between robots and episodes: friction, payload, pushes, starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass

from locoenvs.tasks.documents import Entries, later
from locoenvs.tasks.entries import Entry
from locoenvs.tasks.parts.numbers import Heights, Interval, check_range
from locoenvs.tasks.robot import CONFIG, Name, Place


@dataclass(frozen=True, config=CONFIG)
class Pushes:
    """Every ``interval`` s the base's horizontal velocity is changed ("add") or replaced ("set"): by U(+-velocity) m/s along x and y, or,
    if ``speed`` is given, by U(speed) m/s in any direction."""

    interval: Interval = 10.0
    velocity: Annotated[float, Field(ge=0, le=100)] = 1.0
    mode: Literal["add", "set"] = "add"
    speed: Heights | None = later(None)

    def __post_init__(self) -> None:
        if self.speed is not None:
            check_range("randomization.pushes", speed=self.speed)


@dataclass(frozen=True, config=CONFIG)
class Start:
    """Where an episode starts: around the tile's center.

    ``position`` m: half width in x and y; ``joint_scale``: factor of the default pose; ``velocity``: half width of the
    base's linear (m/s) and angular (rad/s) velocity; ``random_heading``: any heading, or facing x.
    """

    position: Annotated[float, Field(ge=0, le=100)] = 1.0
    joint_scale: tuple[Place, Place] = (0.5, 1.5)
    velocity: Annotated[float, Field(ge=0, le=100)] = 0.5
    random_heading: bool = True

    def __post_init__(self) -> None:
        check_range("randomization.start", joint_scale=self.joint_scale)


@dataclass(frozen=True, config=CONFIG)
class Randomization:
    """What differs between robots and episodes.

    ``friction`` is the effective coefficient of foot on ground, per robot; ``payload`` kg is added to the base. ``terms`` are
    others, by name: see :mod:`locoenvs.mdp.randomizations`.
    """

    friction: Heights = (0.5, 1.25)
    payload: tuple[Place, Place] | None = None
    pushes: Pushes | None = Pushes()
    start: Start = Start()
    terms: Annotated[Mapping[Name, Entry], Field(max_length=100), AfterValidator(Entries)] = later(Entries())

    def __post_init__(self) -> None:
        check_range("randomization", friction=self.friction)
