"""The threads that compiled work on many rows is shared out to."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from locoenvs.machine import cores

_pool: tuple[int, ThreadPoolExecutor] | None = None  # of the process of that number: a fork has none of its threads


def in_parts(work: Callable[[int, int], None], count: int, size: int) -> None:
    """Call ``work(start, stop)`` for all of ``count`` rows, in parts of ``size`` on all cores, or here if that is one part.

    ``work`` must release Python's lock, and give a row the same numbers in whatever part it is.
    """
    global _pool
    if count <= size or cores() == 1:
        work(0, count)
        return
    if _pool is None or _pool[0] != os.getpid():
        _pool = os.getpid(), ThreadPoolExecutor(cores())
    starts = range(0, count, size)
    list(_pool[1].map(work, starts, [min(start + size, count) for start in starts]))
