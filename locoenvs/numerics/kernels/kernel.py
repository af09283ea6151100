"""How a kernel is compiled and kept.

numba renews the cache of compiled code when a kernel's own file changes, and looks at no other: what a kernel calls stands in
its own file.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit


class Kernel:
    """A compiled function, kept in numba's cache; compiled anew where that cannot be written to, or is broken."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        try:
            self._compiled = njit(nogil=True, cache=True, error_model="numpy")(function)
        except RuntimeError:  # no folder for the cache can be written to
            self._compiled = self._without_cache()

    def __call__(self, *arguments: Any) -> Any:
        try:
            return self._compiled(*arguments)
        except (OSError, EOFError, pickle.UnpicklingError):
            self._compiled = self._without_cache()
            return self._compiled(*arguments)

    def _without_cache(self) -> Any:
        return njit(nogil=True, error_model="numpy")(self._function)


part = njit(nogil=True, error_model="numpy", inline="never")
"""For what kernels call: it is compiled into each of them."""

ZERO, ONE, TWO, NAN = np.float32(0), np.float32(1), np.float32(2), np.float32(np.nan)
"""In float32, as a number of Python's would make a product float64."""
