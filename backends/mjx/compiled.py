"""Functions of the task compiled whole, with the cache that keeps what was compiled."""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from locoenvs.backends.mjx.trees import arrays_of
from locoenvs.mdp.mdp import Mdp
from locoenvs.numerics.arrays import is_traced


def cache_folder() -> Path:
    """Where compiled programs are kept: JAX_COMPILATION_CACHE_DIR, or locoenvs/jax in the user's cache."""
    given = os.environ.get("JAX_COMPILATION_CACHE_DIR") or jax.config.jax_compilation_cache_dir
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(given) if given else Path(cache) / "locoenvs" / "jax"


def keep_programs() -> Path:
    """Turn on JAX's persistent cache, unless the user chose one; the folder."""
    folder = cache_folder()
    if not jax.config.jax_compilation_cache_dir:
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 1.0)
    return folder


class Compiled:
    """``function(mdp, simulator, *arguments)`` as one program of the arguments; says when it compiles, and how long it took.

    The arrays of the task and of the engine go in as arguments, as constants they would be written into the program.

    Args:
        donate: whether the program may reuse the memory of its first argument, which is gone afterwards.
        static: names of the function's arguments that are plain values, each of which is a program of its own.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        mdp: Mdp,
        simulator: Any,
        *,
        donate: bool = False,
        static: tuple[str, ...] = (),
    ) -> None:
        self._name = getattr(function, "__name__", "function")
        # As a flat list: a tree of MJX's models takes longer to take apart than a step takes to start.
        self._constants, tree = jax.tree.flatten((arrays_of(mdp), simulator.constants))

        def program(constants: list[jax.Array], *arguments: Any, **options: Any) -> Any:
            def all_robots(constants: list[jax.Array], *arguments: Any) -> Any:
                arrays, own = tree.unflatten(constants)
                with simulator.using(own):
                    return function(dataclasses.replace(mdp, **arrays), simulator, *arguments, **options)

            def of_a_device(constants: list[jax.Array], *arguments: Any) -> Any:
                with simulator.in_part():
                    return all_robots(constants, *arguments)

            if simulator.spread is None:
                return all_robots(constants, *arguments)
            return simulator.spread.mapped(all_robots, of_a_device, constants, arguments)

        self._jit = jax.jit(program, donate_argnums=(1,) if donate else (), static_argnames=static)

    @property
    def compilations(self) -> int:
        """How often it was compiled."""
        return self._jit._cache_size()

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        if self.compilations or is_traced(jnp.zeros(())):  # within a program of the user's own, that is what compiles
            return self._jit(self._constants, *arguments, **options)
        print(f"locoenvs: compiling {self._name.strip('_')}, kept in {cache_folder()}", file=sys.stderr, flush=True)
        begun = time.perf_counter()
        result = jax.block_until_ready(self._jit(self._constants, *arguments, **options))
        print(
            f"locoenvs: compiled {self._name.strip('_')} in {time.perf_counter() - begun:.1f} s",
            file=sys.stderr,
            flush=True,
        )
        return result
