"""Compiled kernels that give the same float32, bit by bit, as the numpy formula they stand in for (:mod:`locoenvs.numerics.compiled`).

So each operation is rounded to float32 as numpy rounds it, sums are added up in numpy's order, and what is no exact
operation (sines, exponentials) is left to numpy. ``min(max(x, low), high)``, in that order, leaves a NaN as it is. They release
Python's lock.
"""

from locoenvs.numerics.kernels.bodies import readout, rotate, sphere_centers
from locoenvs.numerics.kernels.draws import noisy, uniform
from locoenvs.numerics.kernels.ground import ground_height, height_samples
from locoenvs.numerics.kernels.lstm import drives
from locoenvs.numerics.kernels.sums import squared_norm

__all__ = [
    "drives",
    "ground_height",
    "height_samples",
    "noisy",
    "readout",
    "rotate",
    "sphere_centers",
    "squared_norm",
    "uniform",
]
