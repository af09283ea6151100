"""A kernel works with its cache, without one and with a broken one, and its cache is renewed whenever it must be."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import Any

import pytest
from numba.core.dispatcher import Dispatcher

from locoenvs.numerics import kernels
from locoenvs.numerics.kernels import kernel


def test_a_kernel_does_without_a_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def njit(*, cache: bool = False, **options: Any) -> Callable[..., Any]:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: function

    monkeypatch.setattr(kernel, "njit", njit)
    assert kernel.Kernel(lambda x: 2 * x)(3) == 6


def test_a_kernel_does_with_a_broken_cache() -> None:
    made = kernel.Kernel(lambda x: 2 * x)

    def broken(*arguments: Any) -> Any:
        raise EOFError

    made._compiled = broken
    assert made(3) == 6 and made(4) == 8


@pytest.mark.parametrize("name", [module.name for module in pkgutil.iter_modules(kernels.__path__)])
def test_a_kernel_calls_nothing_compiled_of_another_file(name: str) -> None:
    """numba's cache of a kernel is renewed when its own file changes, and looks at no other."""
    module = importlib.import_module(f"locoenvs.numerics.kernels.{name}")
    functions = [each._function for each in vars(module).values() if isinstance(each, kernel.Kernel)]
    functions += [each.py_func for each in vars(module).values() if isinstance(each, Dispatcher)]
    assert functions or name == "kernel"
    assert {function.__module__ for function in functions} <= {module.__name__}
