"""Rows of trees: only those that are meant, and never in place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import array_api_compat.numpy as xp
import array_api_compat.torch as torch_xp
import numpy as np
import pytest

from locoenvs.numerics import rows
from locoenvs.numerics.arrays import convert


@dataclass(frozen=True)
class Inner:
    b: Any  # (N, 2, 3)


@dataclass(frozen=True)
class Tree:
    a: Any  # (N,)
    inner: Inner


def tree(offset: float, ns: Any = xp) -> Tree:
    a, b = np.arange(4.0), np.arange(24.0).reshape(4, 2, 3)
    return Tree(ns.asarray(a + offset), Inner(ns.asarray(b + offset)))


def numbers(made: Tree) -> list[np.ndarray]:
    return [convert(array, "numpy") for _, array in rows.named_arrays(made)]


@pytest.mark.parametrize("ns", [xp, torch_xp], ids=["numpy", "torch"])
@pytest.mark.parametrize("chosen", [[], [2], [0, 3], [0, 1, 2, 3]], ids=str)
def test_rows_are_replaced_where_the_mask_holds_and_computed_only_there(chosen: list[int], ns: Any) -> None:
    old, mask = tree(0, ns), ns.asarray(np.isin(np.arange(4), chosen))
    kept, seen = numbers(tree(0)), []

    def function(source: Tree) -> Tree:
        seen.append(len(source.a))
        return rows.map_arrays(lambda array: array * 10, source)

    made = rows.replace(mask, old, function, tree(1, ns))
    for new, before, source in zip(numbers(made), kept, numbers(tree(1))):
        np.testing.assert_array_equal(new[chosen], source[chosen] * 10)
        others = np.setdiff1d(np.arange(4), chosen)
        np.testing.assert_array_equal(new[others], before[others])
    assert seen == ([len(chosen)] if chosen else [])
    for array, before in zip(numbers(old), kept):
        np.testing.assert_array_equal(array, before)


def test_rows_are_selected_by_the_mask() -> None:
    made = rows.select(np.array([True, False, False, True]), tree(100), tree(0))
    assert made.a.tolist() == [100, 1, 2, 103]
    np.testing.assert_array_equal(made.inner.b[[0, 3]], tree(100).inner.b[[0, 3]])
    np.testing.assert_array_equal(made.inner.b[[1, 2]], tree(0).inner.b[[1, 2]])


def test_arrays_go_by_the_dotted_names_of_their_fields() -> None:
    named = dict(rows.named_arrays(tree(5)))
    assert list(named) == ["a", "inner.b"]
    again = rows.from_named(tree(0), named.__getitem__)
    np.testing.assert_array_equal(again.a, tree(5).a)
    np.testing.assert_array_equal(again.inner.b, tree(5).inner.b)
