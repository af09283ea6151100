"""The last seconds of some numbers."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np

SECONDS = 10.0


class History:
    """The values of ``names`` in the last :data:`SECONDS` s, at most ``points`` of them; as a table it begins with the time."""

    def __init__(self, names: Sequence[str], dt: float, points: int = 100) -> None:
        self.names = tuple(names)
        self._every = max(round(SECONDS / dt / points), 1)
        self._rows: deque[tuple[float, ...]] = deque(maxlen=points)
        self._sums = np.zeros(len(self.names))
        self._count = 0

    def add(self, time: float, values: Mapping[str, float]) -> None:
        """The values of a control step at ``time`` s; what is kept is the mean of a few."""
        self._sums += [values[name] for name in self.names]
        self._count += 1
        if self._count == self._every:
            self._rows.append((time, *(self._sums / self._every)))
            self._sums[:], self._count = 0.0, 0

    def clear(self) -> None:
        self._rows.clear()
        self._sums[:], self._count = 0.0, 0

    def table(self) -> np.ndarray:
        """(1 + names, T): the times and the values; two points at zero before there are any."""
        if len(self._rows) < 2:
            return np.concatenate([np.array([[-1.0, 0.0]]), np.zeros((len(self.names), 2))])
        return np.array(self._rows).T
