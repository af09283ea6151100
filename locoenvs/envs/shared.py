"""A number that all robots share, for Gymnasium's tools, which ask for one a robot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np


class Shared(np.ndarray):
    """A number that all robots share: a 0-d array that has one value a robot where it is counted or iterated."""

    _count: int

    @staticmethod
    def of(value: np.ndarray, count: int) -> Shared:
        made = np.asarray(value).view(Shared)
        made._count = count
        return made

    def __len__(self) -> int:
        return self._count if self.ndim == 0 and hasattr(self, "_count") else super().__len__()

    def __iter__(self) -> Iterator[Any]:
        return iter([self[()]] * len(self)) if self.ndim == 0 else super().__iter__()
