"""Where compiled programs are kept, and what is told about compiling."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("jax")
pytest.importorskip("mujoco.mjx")

import contextlib
import dataclasses

import jax
import jax.numpy as jnp

from locoenvs.backends.mjx import device
from locoenvs.backends.mjx.compiled import Compiled, cache_folder
from locoenvs.backends.mjx.trees import arrays_of


@dataclasses.dataclass(frozen=True)
class Numbers:
    """As the task made ready: arrays, and what is none."""

    name: str
    weights: Any


def test_programs_are_kept_where_the_user_says_or_in_the_users_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = jax.config.jax_compilation_cache_dir
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    try:
        jax.config.update("jax_compilation_cache_dir", None)
        assert cache_folder() == tmp_path / "locoenvs" / "jax"
        jax.config.update("jax_compilation_cache_dir", "/chosen")
        assert cache_folder() == Path("/chosen")
        monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "/elsewhere")
        assert cache_folder() == Path("/elsewhere")
    finally:
        jax.config.update("jax_compilation_cache_dir", before)


def test_compiling_is_told_once_and_arrays_are_no_constants(capsys: pytest.CaptureFixture[str]) -> None:
    numbers = Numbers("a", jnp.arange(1000.0))
    engine = SimpleNamespace(spread=None, constants={"own": jnp.ones(1000)}, using=lambda own: contextlib.nullcontext())

    def scaled(numbers: Numbers, engine: Any, x: Any, *, twice: bool = False) -> Any:
        return numbers.weights * x * (2 if twice else 1)

    program = Compiled(scaled, numbers, engine, static=("twice",))  # type: ignore[arg-type]
    assert arrays_of(numbers).keys() == {"weights"}  # type: ignore[arg-type]
    first = program(jnp.float32(3))
    told = capsys.readouterr().err
    assert told.startswith("locoenvs: compiling scaled, kept in ") and "locoenvs: compiled scaled in " in told
    assert float(first[10]) == 30.0 and program.compilations == 1
    program(jnp.float32(4))
    assert capsys.readouterr().err == "" and program.compilations == 1
    assert float(program(jnp.float32(3), twice=True)[10]) == 60.0 and program.compilations == 2
    text = program._jit.lower(program._constants, jnp.float32(3)).as_text()
    assert len(text) < 2000, "a thousand numbers written out take more"


def test_inside_a_program_of_the_users_own_nothing_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    engine = SimpleNamespace(spread=None, constants={}, using=lambda own: contextlib.nullcontext())
    program = Compiled(lambda numbers, engine, x: x + 1, Numbers("a", None), engine)  # type: ignore[arg-type]
    assert float(jax.jit(lambda x: program(x) * 2)(jnp.float32(1))) == 4.0
    assert capsys.readouterr().err == ""


def test_the_memory_that_is_left_is_known_on_this_machine() -> None:
    free = device.free_bytes(device.find("cpu"))
    assert free is None or 2**20 < free < 2**50
    assert device.find(None) in jax.devices() and device.find("cpu:0").platform == "cpu"
