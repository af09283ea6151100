"""Robots spread over several devices: one program, of which each device computes its own robots' part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

ROBOTS = "robots"
"""The one axis of the mesh."""


@dataclass(frozen=True)
class Spread:
    """``num_envs`` robots, in equal parts and in order, on the devices of a mesh."""

    mesh: Mesh
    num_envs: int

    @property
    def everywhere(self) -> NamedSharding:
        """Where arrays are that every device has whole, such as the ground."""
        return NamedSharding(self.mesh, PartitionSpec())

    def __call__(self, tree: Any) -> Any:
        """The tree of a program's arrays, each spread along the axis of its robots, which is the first, or the second of an actuator's
        memory. What has no such axis is everywhere."""
        return jax.tree_util.tree_map_with_path(self._placed, tree)

    def _placed(self, path: tuple[Any, ...], leaf: Any) -> Any:
        axis = 1 if any(getattr(step, "name", None) == "memory" for step in path) else 0
        shape = getattr(leaf, "shape", ())
        along = len(shape) > axis and shape[axis] == self.num_envs
        spec = PartitionSpec(*[None] * axis, ROBOTS) if along else PartitionSpec()
        return jax.lax.with_sharding_constraint(leaf, NamedSharding(self.mesh, spec))


def spread_over(count: int, first: jax.Device, num_envs: int, impl: str) -> Spread | None:
    """Robots on ``count`` devices of the platform of ``first``, beginning with it; None for one.

    Raises ValueError for more devices than there are, for robots that they cannot share equally, and for Warp, whose kernels XLA
    cannot take apart.
    """
    there = jax.devices(first.platform)
    there = there[there.index(first) :]
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= len(there):
        raise ValueError(
            f"devices={count!r}: must be from 1 to {len(there)}, the {first.platform} devices from {first} on"
        )
    if count == 1:
        return None
    if impl == "warp":
        raise ValueError(
            f"devices={count}: impl='warp' runs on one, as XLA cannot spread calls of its kernels: use impl='jax', or one process a GPU"
        )
    if num_envs % count:
        raise ValueError(
            f"devices={count}: num_envs={num_envs} is no multiple of that, and each device has as many robots"
        )
    return Spread(Mesh(np.array(there[:count]), (ROBOTS,)), num_envs)
