"""Where a robot's spheres meet uneven ground, in the order of the model's geoms that touch it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import mujoco
import numpy as np

from locoenvs.backends.mjx import model as models
from locoenvs.backends.mjx.contact import Grid, Touch, touch
from locoenvs.mdp.terrain import HeightMap


class Ground:
    """The ground of ``height_map`` under the spheres of ``model``, whose feet may be there twice, see :data:`models.SECOND`."""

    def __init__(self, model: mujoco.MjModel, height_map: HeightMap) -> None:
        rows, columns = height_map.heights.shape
        self.heights = jnp.asarray(height_map.heights, jnp.float32).reshape(-1)
        self._grid = Grid(rows, columns, height_map.origin, height_map.cell)
        geoms = models.touching(model)
        second = np.array([model.geom(int(geom)).name.startswith(models.SECOND) for geom in geoms])
        self._first = geoms[~second]
        self._radius = model.geom_size[self._first, 0]
        self._twice = np.array([_original(model, self._first, geom) for geom in geoms[second]], int)
        # From first contacts, then second ones, to the order of the spheres.
        self._order = np.argsort(np.concatenate([np.nonzero(~second)[0], np.nonzero(second)[0]]))

    def touch(self, heights: jax.Array, center: jax.Array) -> Touch:
        """The contacts of one robot whose geoms are at ``center`` (G, 3) m; ``heights`` are this ground's, on the device."""
        first, second = touch(heights, self._grid, center[self._first], self._radius, self._twice)
        return Touch(*(jnp.concatenate(pair)[self._order] for pair in zip(first, second)))


def _original(model: mujoco.MjModel, first: np.ndarray, geom: int) -> int:
    """Which of the ``first`` spheres the sphere ``geom`` repeats."""
    same = (model.geom_bodyid[first] == model.geom_bodyid[geom]) & (model.geom_pos[first] == model.geom_pos[geom]).all(
        axis=-1
    )
    return int(np.nonzero(same)[0].item())
