"""Rows of trees of arrays: select and replace them, computing only what is needed.

A tree is an array, None, or a frozen dataclass of trees, whose arrays all lead with the robots.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from array_api_compat import array_namespace, is_jax_array

from locoenvs.numerics.arrays import Array

Tree = TypeVar("Tree")
Source = TypeVar("Source")


def map_arrays(function: Callable[..., Array], tree: Tree, *others: Tree) -> Tree:
    """A tree of ``function`` of the corresponding arrays of the trees."""
    names = getattr(tree, "__dataclass_fields__", None)
    if tree is None:
        return tree
    if names is None:
        return function(tree, *others)
    return type(tree)(
        **{
            name: map_arrays(function, getattr(tree, name), *[getattr(other, name) for other in others])
            for name in names
        }
    )


def named_arrays(tree: object, prefix: str = "") -> list[tuple[str, Array]]:
    """The arrays of a tree with the dotted names of their fields."""
    if tree is None:
        return []
    if not dataclasses.is_dataclass(tree):
        return [(prefix, tree)]
    parts = [(field.name, getattr(tree, field.name)) for field in dataclasses.fields(tree)]
    return [pair for name, part in parts for pair in named_arrays(part, f"{prefix}.{name}" if prefix else name)]


def from_named(tree: Tree, array: Callable[[str], Array]) -> Tree:
    """A tree like ``tree`` whose arrays are ``array`` of their dotted names."""
    names = iter(name for name, _ in named_arrays(tree))
    return map_arrays(lambda _: array(next(names)), tree)


def nobody(mask: Array) -> bool:
    """Whether ``mask`` (num_envs,) holds nowhere, as far as it can be known: False where it is traced or lives on an
    accelerator, which would have to be waited for."""
    return _in_reach(mask) and not bool(mask.any())


def _in_reach(mask: Array) -> bool:
    """Whether looking at the values waits for nothing."""
    return type(mask) is np.ndarray or not is_jax_array(mask) and getattr(mask.device, "type", "cpu") == "cpu"


def select(mask: Array, yes: Tree, no: Tree) -> Tree:
    """Rows of ``yes`` where ``mask`` (num_envs,) holds, rows of ``no`` elsewhere."""
    if nobody(mask):
        return no
    xp = array_namespace(mask)
    return map_arrays(lambda a, b: xp.where(xp.reshape(mask, mask.shape + (1,) * (a.ndim - 1)), a, b), yes, no)


def replace(mask: Array, old: Tree, function: Callable[[Source], Tree], source: Source) -> Tree:
    """``old`` with its rows where ``mask`` holds replaced by those of ``function(source)``.

    ``function`` maps rows to rows independently. Where arrays are traced or live on an accelerator it sees all rows,
    which needs no synchronization; on a CPU it sees only the rows that are wanted. ``old`` is never changed.
    """
    if not _in_reach(mask):
        return select(mask, function(source), old)
    if nobody(mask):
        return old
    xp = array_namespace(mask)
    index = xp.nonzero(mask)[0]
    if index.shape[0] == mask.shape[0]:
        return function(source)
    part = function(map_arrays(lambda a: a[index], source))

    def put(whole: Array, rows: Array) -> Array:
        whole = xp.asarray(whole, copy=True)
        whole[index] = rows
        return whole

    return map_arrays(put, old, part)
