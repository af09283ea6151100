"""Learners: each folder holds one library's adapter of the environment, its PPO and what ``locoenvs train`` needs of it."""

import os

# Physics and networks take turns on the same cores. A thread of torch that waits for the next product by spinning keeps others
# off its core: where a machine has other work that made a training up to ten times slower. It sleeps after a few
# microseconds instead; read as torch is imported.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # GNU's OpenMP, in steps of the loop
os.environ.setdefault("KMP_BLOCKTIME", "1")  # LLVM's and Intel's, ms

# Of a connection that fails one line tells, without the stack of the library that made it; read as torch is imported, too.
if int(os.environ.get("WORLD_SIZE", "1")) > 1:
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "FATAL")
