"""Robots spread over several devices: one program, of which each device does the part of its own robots, and waits for no other."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from locoenvs.mdp.state import Transition

ROBOTS = "robots"
"""The one axis of the mesh."""


@dataclass(frozen=True)
class Spread:
    """``num_envs`` robots, in equal parts and in order, on the devices of a mesh."""

    mesh: Mesh
    num_envs: int

    @property
    def each(self) -> int:
        """Robots of a device."""
        return self.num_envs // self.mesh.size

    @property
    def everywhere(self) -> NamedSharding:
        """Where arrays are that every device has whole, such as the ground."""
        return NamedSharding(self.mesh, PartitionSpec())

    def placed(self, tree: Any) -> Any:
        """A tree of arrays, each where a step of the robots leaves it: along the robots' axis, or everywhere."""
        spec = lambda leaf: isinstance(leaf, PartitionSpec)  # noqa: E731
        places = jax.tree.map(lambda lies: NamedSharding(self.mesh, lies), self._specs(tree), is_leaf=spec)
        return jax.device_put(tree, places)

    def first(self) -> jax.Array:
        """The first robot of a device, in a part that it does."""
        return (jax.lax.axis_index(ROBOTS) * self.each).astype(jnp.int32)

    def mapped(self, whole: Callable[..., Any], part: Callable[..., Any], constants: Any, arguments: Any) -> Any:
        """What ``part(constants, *arguments)`` of each device's robots returns, put together. ``whole`` says what shapes that has: it is
        the same function for all robots at once, and is not computed."""
        returned = self._specs(jax.eval_shape(whole, constants, *arguments))
        own = lambda *values: _joined(part(*values))  # noqa: E731
        lie = jax.tree.map(lambda _: PartitionSpec(), constants), *self._specs(arguments)
        mapped = jax.shard_map(own, mesh=self.mesh, in_specs=lie, out_specs=returned, check_vma=False)
        return mapped(constants, *arguments)

    def _specs(self, tree: Any) -> Any:
        """Where each array of a tree lies: along the axis of its robots, which is the first, or the second of an actuator's memory. What
        has no such axis is everywhere."""

        def spec(path: tuple[Any, ...], leaf: Any) -> PartitionSpec:
            axis = 1 if any(getattr(step, "name", None) == "memory" for step in path) else 0
            shape = getattr(leaf, "shape", ())
            along = len(shape) > axis and shape[axis] == self.num_envs
            return PartitionSpec(*[None] * axis, ROBOTS) if along else PartitionSpec()

        return jax.tree_util.tree_map_with_path(spec, tree)


def _joined(returned: Any) -> Any:
    """What a device returns, with the means over all devices' robots in the place of those over its own."""

    def joined(value: Any) -> Any:
        if not isinstance(value, Transition):
            return value
        ended = value.log["episodes"]
        count = jax.lax.psum(ended, ROBOTS)
        log = {name: jax.lax.psum(mean * ended, ROBOTS) / jnp.maximum(count, 1) for name, mean in value.log.items()}
        return dataclasses.replace(value, log={**log, "episodes": count})

    return jax.tree.map(joined, returned, is_leaf=lambda value: isinstance(value, Transition))


def spread_over(count: int, first: jax.Device, num_envs: int, impl: str) -> Spread | None:
    """Robots on ``count`` devices of the platform of ``first``, beginning with it; None for one.

    Raises ValueError for more devices than there are, for robots that they cannot share equally, and for Warp, whose kernels are
    made for one device.
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
            f"devices={count}: impl='warp' makes its kernels' arrays for one: use impl='jax', or one process a GPU"
        )
    if num_envs % count:
        raise ValueError(
            f"devices={count}: num_envs={num_envs} is no multiple of that, and each device has as many robots"
        )
    return Spread(Mesh(np.array(there[:count]), (ROBOTS,)), num_envs)
