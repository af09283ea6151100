"""Comparing training runs bit by bit."""

from __future__ import annotations

from typing import Any

import torch

MEASURED = ("seconds", "elapsed_seconds", "samples_per_second", "memory_mb", "device_memory_mb")
"""What differs from one run of the same thing to the next, in a ledger's line."""


def same(a: Any, b: Any) -> bool:
    """Whether two trees of tensors and values are equal bit by bit."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b
