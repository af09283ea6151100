"""How much of everything there is to do, and what a part is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from locoenvs.tasks.recipes import ActuatorKind

Ground = Literal["flat", "rough"]

IDS: dict[Ground, str] = {"flat": "Loco/AnymalC-Flat-v0", "rough": "Loco/AnymalC-Rough-v0"}
ACTUATOR: ActuatorKind = "pd"
"""What drives the joints, so that bare physics is the same; the paper's own is the learned drive."""
PANELS: dict[Ground, tuple[str, ...]] = {"flat": ("flat",), "rough": ("rough", "crossing")}
"""What a trained policy is judged on."""
TRIES = 2
"""A part that failed so often is not tried again."""


@dataclass(frozen=True)
class Plan:
    """How much of everything. Sizes and seconds of the real thing; :data:`SMALL` tries the command itself."""

    robots: tuple[int, ...] = (1024, 2048, 4096, 8192, 16384, 32768)
    both_impls_at: tuple[int, ...] = (4096,)
    learning_at: tuple[int, ...] = (1024, 4096, 16384)
    turn: int = 40
    turns: int = 7
    settle: int = 100
    steady_robots: int = 1024
    steady_steps: int = 10_000
    learning_updates: int = 8
    updates: tuple[tuple[Ground, int], ...] = (("flat", 300), ("rough", 1500))
    train_robots: int = 4096
    check_robots: int = 16
    panel_robots: int | None = None


SMALL = Plan(
    robots=(3,), both_impls_at=(3,), learning_at=(3,), turn=2, turns=2, settle=2, steady_robots=3, steady_steps=20,
    learning_updates=2, updates=(("flat", 2),), train_robots=3, check_robots=3, panel_robots=3,
)  # fmt: skip


@dataclass(frozen=True)
class Job:
    """What a part works with."""

    plan: Plan
    work: Path
    device: str | None
    deadline: float  # of time.monotonic()

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self.deadline - time.monotonic()


@dataclass(frozen=True)
class Part:
    """One thing to measure. ``run`` returns what it found, or None if it needs another call to go on."""

    name: str
    run: Callable[[Job], dict[str, Any] | None]
    seconds: float = 60.0  # that must be left to begin it
