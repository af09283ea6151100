"""Where numpy's formulas have compiled kernels in their place: the same numbers, bit by bit, in one pass over the robots.

A step's functions are formulas on any array namespace. Where the arrays are numpy's, the costly ones ask here for
:mod:`locoenvs.numerics.kernels`, and without them (no numba, or one that is told not to compile) go on with their formula.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import cache
from types import ModuleType

import numpy as np

from locoenvs.numerics.arrays import Array

_plain = False


def kernels(*arrays: Array) -> ModuleType | None:
    """:mod:`locoenvs.numerics.kernels` if all ``arrays`` are numpy's float32, int32 or bool and it is there, else None."""
    for array in arrays:
        if type(array) is not np.ndarray or array.dtype.char not in "fi?":
            return None
    return None if _plain else _kernels()


@cache
def _kernels() -> ModuleType | None:
    """numba is imported only where numpy's arrays are first computed with."""
    try:
        from numba import config

        from locoenvs.numerics import kernels
    except ImportError:
        return None
    return None if config.DISABLE_JIT else kernels


@contextlib.contextmanager
def plain() -> Iterator[None]:
    """Within it the formulas are used, as where there is no numba."""
    global _plain
    before, _plain = _plain, True
    try:
        yield
    finally:
        _plain = before
