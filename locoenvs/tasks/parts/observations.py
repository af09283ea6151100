"""What a policy sees."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from locoenvs.tasks.entries import SlotSpec
from locoenvs.tasks.robot import CONFIG, Place, Positive


@dataclass(frozen=True, config=CONFIG)
class HeightScan:
    """Heights of the ground at points around the base, on a grid that turns with its heading.

    ``length`` x ``width`` m centered on the base, ``rows`` x ``columns`` points, rows along the base's forward axis.
    A sample is clip(base height - offset - ground height, +-clip), m.
    """

    rows: Annotated[int, Field(ge=1, le=100)] = 12
    columns: Annotated[int, Field(ge=1, le=100)] = 9
    length: Annotated[float, Field(gt=0, le=100)] = 1.6
    width: Annotated[float, Field(gt=0, le=100)] = 1.0
    offset: Place = 0.5
    clip: Positive = 1.0

    @property
    def size(self) -> int:
        return self.rows * self.columns


PAPER_SLOTS = (
    SlotSpec("base_linear_velocity", 2.0, 0.1),
    SlotSpec("base_angular_velocity", 0.25, 0.2),
    SlotSpec("projected_gravity", 1.0, 0.05),
    SlotSpec("command_linear_velocity", 2.0),
    SlotSpec("command_yaw_rate", 0.25),
    SlotSpec("joint_position", 1.0, 0.01),
    SlotSpec("joint_velocity", 0.05, 1.5),
    SlotSpec("last_action"),
    SlotSpec("heights", 5.0, 0.1),
)
"""The observation of the paper, with the noise of its appendix."""


@dataclass(frozen=True, config=CONFIG)
class Observations:
    """What the policy sees: ``slots``, one after another, clipped at ``clip``. See :mod:`locoenvs.mdp.slots`."""

    slots: Annotated[tuple[SlotSpec, ...], Field(min_length=1, max_length=100)] = PAPER_SLOTS
    clip: Positive = 100.0

    def __post_init__(self) -> None:
        names = [slot.name for slot in self.slots]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"observations.slots names {sorted(twice)} twice")

    @staticmethod
    def paper(heights: HeightScan | None = HeightScan(), noise: bool = True) -> Observations:
        """What the paper's policies see: with another scan or none, and with sensors that are perfect unless ``noise``."""
        slots = [slot for slot in PAPER_SLOTS if slot.name != "heights"]
        if heights is not None:
            slots.append(dataclasses.replace(PAPER_SLOTS[-1], parameters=vars(heights)))
        seen = Observations(tuple(slots))
        return seen if noise else seen.perfect()

    def perfect(self) -> Observations:
        """The same without noise."""
        return dataclasses.replace(self, slots=tuple(dataclasses.replace(slot, noise=None) for slot in self.slots))

    @property
    def heights(self) -> HeightScan | None:
        """The height scan; None is blind."""
        found = [slot for slot in self.slots if slot.name == "heights"]
        return HeightScan(**found[0].parameters) if found else None
