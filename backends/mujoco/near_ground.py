"""The part of uneven ground around a robot, for pictures: what is drawn costs as much as it has cells, and a map has millions."""

from __future__ import annotations

import copy

import mujoco
import numpy as np

from locoenvs.backends.mujoco import ground_looks

REACH = 20.0
"""Ground is drawn this far to each side, m."""

STRIDE = 4.0
"""The part moves by whole multiples of this, m, and so of its texture's period."""


def part(shape: tuple[int, int], cell: float, reach: float) -> tuple[int, int]:
    """How many of the ground's heights (rows, columns), ``cell`` m apart, are drawn if it reaches so far, m, to each side."""
    wide = 2 * np.floor(reach / cell + 0.5) + 1
    return int(min(shape[0], wide)), int(min(shape[1], wide))


class NearGround:
    """A square part of the ground of ``model``, which stays as it is.

    ``model`` then is a copy whose ground is that part, or the same where all of the ground is no larger or is a plane.
    """

    def __init__(self, model: mujoco.MjModel, reach: float | None = None) -> None:
        reach = REACH if reach is None else reach
        self.model = model
        self._geom = model.geom("ground").id
        field = int(model.geom_dataid[self._geom])
        if field < 0:
            self._count = self._shape = np.zeros(2, int)
            return
        self._shape = np.array([model.hfield_ncol[field], model.hfield_nrow[field]])  # along x and y
        half = model.hfield_size[field, :2]
        self._cell = 2 * float(half[0]) / (int(self._shape[0]) - 1)
        rows, columns = part((self._shape[1], self._shape[0]), self._cell, reach)
        self._count = np.array([columns, rows])
        if (self._count == self._shape).all():
            return
        self._heights = model.hfield_data[: self._shape.prod()].reshape(self._shape[1], self._shape[0])
        self._rise = float(model.hfield_size[field, 2])
        self._corner = model.geom_pos[self._geom, :2] - half
        self.model = copy.copy(model)
        self.model.hfield_ncol[field], self.model.hfield_nrow[field] = self._count
        self.model.hfield_size[field, :2] = self._cell * (self._count - 1) / 2
        self.model.geom_size[self._geom, :2] = self.model.hfield_size[field, :2]  # a texture is as wide as this
        self.model.geom_sameframe[self._geom] = mujoco.mjtSameFrame.mjSAMEFRAME_NONE  # or its position would not count
        self._first = np.full(2, -1)

    def show(self, place: np.ndarray) -> bool:
        """Have the part around ``place`` (x, y) m. Whether it is another one than before, which a renderer must be given."""
        if (self._count == self._shape).all():
            return False
        stride = round(STRIDE / self._cell)
        middle = (place - self._corner) / self._cell - self._count // 2
        first = np.clip(np.round(middle / stride).astype(int) * stride, 0, self._shape - self._count)
        if (first == self._first).all():
            return False
        self._first, (x, y), (columns, rows) = first, first, self._count
        heights = self._heights[y : y + rows, x : x + columns]
        self.model.hfield_data[: columns * rows] = heights.reshape(-1)
        ground_looks.redress(self.model, heights * self._rise, self._cell, (int(y), int(x)))
        self.model.geom_pos[self._geom, :2] = self._corner + self._cell * (first + (self._count - 1) / 2)
        return True
