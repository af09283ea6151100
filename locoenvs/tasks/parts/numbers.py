"""Numbers of a task and their bounds, beside those of :mod:`locoenvs.tasks.robot`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from locoenvs.tasks.robot import Number, Place

Range = tuple[Number, Number]
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, lt=2**31)]
Interval = Annotated[float, Field(gt=0, le=1e5)]
Length = Annotated[float, Field(gt=0, le=1e3)]
Height = Annotated[float, Field(ge=0, le=10)]
Heights = tuple[Height, Height]
Speeds = tuple[Place, Place]


def check_range(owner: str, **ranges: Range) -> None:
    """Raise ValueError for one of the ``owner``'s ``ranges`` whose ends are the wrong way round."""
    for name, (low, high) in ranges.items():
        if low > high:
            raise ValueError(f"{owner}.{name}: the lower end {low} must not exceed the upper end {high}")
