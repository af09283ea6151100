"""Real time: when control steps are due, and which were missed."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

CATCH_UP = 0.1
"""s of lateness that are made up for; what is later than this is dropped."""
OVER = 5.0
"""s over which the achieved rate is measured."""


@dataclass
class Clock:
    """Tells how many control steps of ``dt`` s are due at a time. ``speed`` is the share of real time.

    ``steps`` and ``dropped`` count those made and those left out. Times are s of any clock that never goes back.
    """

    dt: float
    speed: float = 1.0
    paused: bool = False
    steps: int = 0
    dropped: int = 0
    _next: float | None = None
    _singles: int = 0
    _recent: deque[tuple[float, int]] = field(default_factory=deque)

    def single(self, steps: int = 1) -> None:
        """Make so many steps, and pause."""
        self.paused = True
        self._singles += steps

    def due(self, now: float) -> int:
        """How many steps to make now, and count them as made."""
        count = self._due(now)
        self.steps += count
        self._recent.append((now, self.steps))
        while now - self._recent[0][0] > OVER:
            self._recent.popleft()
        return count

    def _due(self, now: float) -> int:
        if self.paused:
            count, self._singles, self._next = self._singles, 0, None
            return count
        period = self.dt / self.speed
        if self._next is None:
            self._next = now
        if now < self._next:
            return 0
        count = int((now - self._next) / period) + 1
        most = max(int(CATCH_UP / period), 1)
        self._next += count * period
        self.dropped += max(count - most, 0)
        return min(count, most)

    def wait(self, now: float) -> float:
        """s until the next step is due; that of a control step while it is paused."""
        return self.dt if self._next is None else max(self._next - now, 0.0)

    def restart(self) -> None:
        """Go on from now: time that passed was no one's fault, such as while an environment was built."""
        self._next = None
        self._recent.clear()

    @property
    def rate(self) -> float:
        """Control steps a second, over the last :data:`OVER` s."""
        if len(self._recent) < 2 or self._recent[-1][0] == self._recent[0][0]:
            return 0.0
        (begun, before), (now, steps) = self._recent[0], self._recent[-1]
        return (steps - before) / (now - begun)

    @property
    def dropped_share(self) -> float:
        """The share of all steps that were due and not made."""
        return self.dropped / max(self.steps + self.dropped, 1)
