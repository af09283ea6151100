"""Several tests run at once, one a core: each computes on one thread, or they would wait for each other's.

Set before anything that makes threads is imported; the programs that tests start inherit it.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("NPROC", "8")  # jax can deadlock on two cores with fewer
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # rsl-rl must not need a git binary
