"""Several tests run at once, one a core: each computes on one thread, or they would wait for each other's.

Set before anything that makes threads is imported; the programs that tests start inherit it.
"""

import os
import sys

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("NPROC", "8")  # jax can deadlock on two cores with fewer
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # rsl-rl must not need a git binary

from pathlib import Path  # noqa: E402

# Compiling is most of the time of a test with JAX. Without XLA's newer way to write fused loops and without LLVM's costly passes it
# takes a third, and what is compiled is kept for the other processes and the next time. Rounding may differ; the fixture `optimized`
# compiles as users do.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ["XLA_FLAGS"] = " ".join((os.environ.get("XLA_FLAGS", ""), "--xla_cpu_use_fusion_emitters=false")).strip()
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".pytest_cache" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

from collections.abc import Iterator  # noqa: E402

import pytest  # noqa: E402

SLOW = (
    "backends/isaaclab",
    "backends/mjx",
    "backends/mujoco/test_render.py",
    "backends/mujoco/test_sphere_on_grid.py",
    "backends/test_mujoco_engine.py",
    "benchmarks",
    "locoenvs/cli",
    "locoenvs/envs/test_gymnasium_tools.py",
    "locoenvs/policies/test_shipped.py",
    "locoenvs/test_install.py",
    "locoenvs/testing",
    "test_docs.py",
    "test_examples.py",
    "test_extras.py",
    "test_living_files.py",
    "test_notebooks.py",
    "test_packaging.py",
    "test_site.py",
    "test_tutorial.py",
    "wrappers",
)
"""Folders and files whose tests train, compile for JAX, start other programs or look at every shipped policy."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        place = item.path.relative_to(here).as_posix() if item.path.is_relative_to(here) else ""
        if place.startswith(SLOW):
            item.add_marker("slow")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """rl_games' Runner gives torch more threads, and all tests after it in the process would wait for them."""
    yield
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(1)


@pytest.fixture
def optimized() -> Iterator[None]:
    """What JAX compiles within the test is optimized as a user's programs are."""
    jax = pytest.importorskip("jax")
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", before)
