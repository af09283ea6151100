"""Networks of flax, as :mod:`locoenvs.wrappers.networks` has them of torch; and trees of jax arrays in a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from flax import linen

from locoenvs.mdp.symmetry import Mirror, images
from locoenvs.policies.policy import Layer
from locoenvs.wrappers.networks import mirror_image

Side = tuple[tuple[int, ...], tuple[float, ...]]
"""A mirror image of a vector as (index, sign) in plain, hashable values."""

ACTIVATIONS = {"elu": linen.elu, "relu": linen.relu, "tanh": linen.tanh}


class MLP(linen.Module):
    """Linear layers with ``activation`` between them; with ``sides``, layers that map mirror images to mirror images.

    ``sides`` are the images of the input, the hidden layers and the output, of :func:`sides`.
    """

    hidden: tuple[int, ...]
    outputs: int
    activation: str
    sides: tuple[Side, ...] | None = None

    @linen.compact
    def __call__(self, values: jax.Array) -> jax.Array:
        variance = 1 / 3 if self.sides is None else 2 / 3  # a projection averages two independent weights
        uniform = jax.nn.initializers.variance_scaling(variance, "fan_in", "uniform")  # torch's: +-1 / sqrt(inputs)
        for index, width in enumerate((*self.hidden, self.outputs)):
            kernel = self.param(f"kernel_{index}", uniform, (values.shape[-1], width))
            bias = self.param(f"bias_{index}", jax.nn.initializers.zeros, (width,))
            kernel, bias = _projected(kernel, bias, self.sides, index)
            values = values @ kernel + bias
            if index < len(self.hidden):
                values = ACTIVATIONS[self.activation](values)
        return values


def sides(mirror: Mirror | None, hidden: Sequence[int], outputs: int) -> tuple[Side, ...] | None:
    """The images that make an :class:`MLP` symmetric; None without a mirror."""
    if mirror is None:
        return None
    found = images(mirror, hidden, outputs)
    return tuple((tuple(map(int, index)), tuple(map(float, sign))) for index, sign in found)


def _projected(kernel: Any, bias: Any, sides: tuple[Side, ...] | None, index: int) -> tuple[Any, Any]:
    """The kernel and the bias that a layer applies: averaged with their mirror images."""
    if sides is None:
        return kernel, bias
    here, there = ((np.array(where), np.array(sign, dtype=np.float32)) for where, sign in sides[index : index + 2])
    weight, image = mirror_image(kernel.T, bias, here, there)
    return (kernel + weight.T) / 2, (bias + image) / 2


def layers(parameters: dict[str, Any], sides: tuple[Side, ...] | None) -> list[Layer]:
    """The layers of an :class:`MLP` as numbers."""
    count = len(parameters) // 2
    pairs = (_projected(parameters[f"kernel_{i}"], parameters[f"bias_{i}"], sides, i) for i in range(count))
    return [(np.array(kernel).T, np.array(bias)) for kernel, bias in pairs]


def from_layers(weights: Sequence[Layer]) -> dict[str, jax.Array]:
    """The parameters of an :class:`MLP` whose layers are these."""
    kernels = {f"kernel_{index}": jnp.asarray(weight.T) for index, (weight, _) in enumerate(weights)}
    return {**kernels, **{f"bias_{index}": jnp.asarray(bias) for index, (_, bias) in enumerate(weights)}}


def to_tensors(tree: Any) -> list[torch.Tensor]:
    """The leaves of a tree of arrays, as a checkpoint can hold them."""
    leaves = (np.array(leaf) for leaf in jax.tree_util.tree_leaves(tree))
    return [torch.from_numpy(leaf.astype(np.int64) if leaf.dtype == np.uint32 else leaf) for leaf in leaves]


def from_tensors(like: Any, saved: list[torch.Tensor]) -> Any:
    """The tree that :func:`to_tensors` took apart, in the shape of ``like``."""
    leaves, structure = jax.tree_util.tree_flatten(like)
    arrays = [jnp.asarray(value.numpy(), dtype=leaf.dtype) for leaf, value in zip(leaves, saved, strict=True)]
    return jax.tree_util.tree_unflatten(structure, arrays)
