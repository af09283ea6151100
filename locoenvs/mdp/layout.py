"""The observation's layout as data: what each of its numbers is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from locoenvs.tasks.entries import missing
from locoenvs.tasks.task import HeightScan, Task
from locoenvs.tasks.vocabulary import OBSERVATION_SLOTS


@dataclass(frozen=True)
class Slot:
    """One quantity of the observation: ``observation[start:stop]`` is ``scale`` times a value in ``unit``.

    ``noise`` is the half width of its uniform noise in ``unit``; ``meaning`` says in words what the value is.
    """

    name: str
    start: int
    stop: int
    unit: str
    scale: float
    noise: float
    meaning: str


def layout(task: Task) -> tuple[Slot, ...]:
    """The slots of the task's observation, in order. Raises ValueError for one that nobody registered here."""
    slots, start = list[Slot](), 0
    for spec in task.observations.slots:
        if said := missing(spec, spec.name, OBSERVATION_SLOTS):
            raise ValueError(said)
        word = OBSERVATION_SLOTS[spec.name]
        size = word.size(task.robot, **spec.parameters) if callable(word.size) else word.size
        slots.append(Slot(spec.name, start, start + size, word.unit, spec.scale, spec.noise or 0.0, word.meaning))
        start += size
    return tuple(slots)


def scan_lines(scan: HeightScan) -> tuple[np.ndarray, np.ndarray]:
    """Where a scan's rows lie forward of the base (rows,) and its columns to the left of it (columns,), m."""
    forward = np.linspace(-scan.length / 2, scan.length / 2, scan.rows)
    return forward, np.linspace(-scan.width / 2, scan.width / 2, scan.columns)
