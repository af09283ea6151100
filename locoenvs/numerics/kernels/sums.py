"""Sums in numpy's order."""

from __future__ import annotations

import numpy as np

from locoenvs.numerics.kernels.kernel import ZERO, Kernel


@Kernel
def squared_norm(vectors: np.ndarray) -> np.ndarray:
    """The sums (N,) of the squares of rows (N, K), added up as numpy does: in eight sums, then those in pairs."""
    count, size = vectors.shape
    norms = np.empty(count, np.float32)
    whole = size - size % 8
    for row in range(count):
        total = ZERO
        if whole:
            s0, s1, s2, s3, s4, s5, s6, s7 = ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO
            for k in range(0, whole, 8):
                s0 += vectors[row, k] * vectors[row, k]
                s1 += vectors[row, k + 1] * vectors[row, k + 1]
                s2 += vectors[row, k + 2] * vectors[row, k + 2]
                s3 += vectors[row, k + 3] * vectors[row, k + 3]
                s4 += vectors[row, k + 4] * vectors[row, k + 4]
                s5 += vectors[row, k + 5] * vectors[row, k + 5]
                s6 += vectors[row, k + 6] * vectors[row, k + 6]
                s7 += vectors[row, k + 7] * vectors[row, k + 7]
            total = ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))
        for k in range(whole, size):
            total += vectors[row, k] * vectors[row, k]
        norms[row] = total
    return norms
