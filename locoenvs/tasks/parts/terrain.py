"""The ground, and the curriculum that moves robots over it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from locoenvs.tasks.entries import TileShare
from locoenvs.tasks.parts.numbers import Fraction, Length
from locoenvs.tasks.robot import CONFIG


@dataclass(frozen=True, config=CONFIG)
class Terrain:
    """A plane, or a grid of ``levels`` x ``columns`` square tiles inside a flat border (section 3.1, figures 2 and 3).

    A column holds one kind of tile, a row one level of difficulty. Lengths in m. ``shares`` are the kinds of tile with their
    parameters, see :mod:`locoenvs.mdp.tiles`. ``platform`` is the side of the flat square at a tile's center, where robots start.
    ``border`` is the least width of the border: a map is wider where an episode's commands lead farther. ``cell`` is the
    distance of the ground's heights, and so the depth of the face of a step: the smaller, the steeper.
    """

    kind: Literal["plane", "tiles"] = "tiles"
    levels: Annotated[int, Field(ge=1, le=100)] = 10
    columns: Annotated[int, Field(ge=1, le=1000)] = 20
    tile: Annotated[float, Field(ge=0.01, le=100)] = 8.0
    border: Length = 20.0
    cell: Annotated[float, Field(ge=0.01, le=10)] = 0.1
    platform: Length = 2.5
    shares: Annotated[tuple[TileShare, ...], Field(max_length=100)] = (
        TileShare("flat", 0.2),
        TileShare("slope_up", 0.1),
        TileShare("slope_down", 0.1),
        TileShare("rough", 0.2),
        TileShare("obstacles", 0.2),
        TileShare("stairs_up", 0.1),
        TileShare("stairs_down", 0.1),
    )
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0

    def __post_init__(self) -> None:
        total = sum(share.share for share in self.shares)
        if self.kind == "tiles" and abs(total - 1) > 1e-6:
            raise ValueError(f"terrain.shares must sum to 1, got {total:g}")
        for name, length in (("tile", self.tile), ("border", self.border)):
            if abs(length / self.cell - round(length / self.cell)) > 1e-6:
                raise ValueError(f"terrain.{name} {length} m must be a whole number of cells of {self.cell} m")
        if self.levels * self.columns > 2000:
            raise ValueError(
                f"terrain.levels {self.levels} times terrain.columns {self.columns} must be at most 2000 tiles"
            )
        if self.platform >= self.tile:
            raise ValueError(f"terrain.platform {self.platform} m must be smaller than the tile, {self.tile} m")


@dataclass(frozen=True, config=CONFIG)
class Curriculum:
    """The game-inspired curriculum (section 3.1): who moves a level up or down when an episode ends.

    ``promote``: "border" moves up a robot that left its tile, "radius" one that is farther than half a tile from its
    center. ``demote``: "commanded" moves down a robot that moved less than ``demote_fraction`` of the distance that its
    commands asked for over the episode's actual length; "last_command" compares with the last command times the full
    episode length, as the released code does. Robots start at a random level up to ``initial_level``; one that solves
    the last level goes to a random one. Off, robot i stays on
    the tile of level ``i // columns % levels`` in column ``i % columns``.
    """

    enabled: bool = True
    initial_level: Annotated[int, Field(ge=0, lt=100)] = 0
    promote: Literal["border", "radius"] = "border"
    demote: Literal["commanded", "last_command"] = "commanded"
    demote_fraction: Fraction = 0.5
