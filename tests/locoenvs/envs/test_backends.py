"""Backends by name, and what is said when one cannot be had."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from fake import BIPED
from locoenvs.envs import backends
from locoenvs.envs.registration import task as task_of
from locoenvs.install import line
from locoenvs.mdp.terrain import build
from locoenvs.tasks.task import Task, Terrain

TASK = Task(BIPED, terrain=Terrain(kind="plane"))
GROUND = build(TASK.terrain)


def install(monkeypatch: pytest.MonkeyPatch, **found: Callable[[], Any]) -> None:
    monkeypatch.setattr(backends, "installed", lambda: found)


def missing(name: str) -> Callable[[], Any]:
    def load() -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    return load


@pytest.fixture(autouse=True)
def forget() -> Any:
    """What this machine has is found out anew for each test."""
    for remembered in (backends.best, backends._say):
        remembered.cache_clear()
    yield
    for remembered in (backends.best, backends._say):
        remembered.cache_clear()


@pytest.mark.parametrize(
    ("gpu", "packages", "platforms", "name", "why"),
    [
        (None, "jax mujoco-mjx warp-lang jax-cuda13-plugin", None, "mujoco", "no NVIDIA GPU here"),
        ("H200", "jax mujoco-mjx warp-lang jax-cuda13-plugin", None, "mjx", "MuJoCo Warp on H200"),
        ("H200", "jax mujoco-mjx warp-lang jax-cuda12-plugin", None, "mjx", "MuJoCo Warp on H200"),
        ("H200", "jax mujoco-mjx warp-lang", None, "mujoco", "there is H200, but not what uses it: pip install"),
        ("H200", "jax warp-lang jax-cuda13-plugin", None, "mujoco", "there is H200, but not what uses it: pip install"),
        ("H200", "jax mujoco-mjx warp-lang jax-cuda13-plugin", "cpu", "mujoco", "JAX_PLATFORMS=cpu keeps jax off"),
    ],
)
def test_auto_is_mjx_on_an_nvidia_gpu_with_what_uses_it(
    monkeypatch: pytest.MonkeyPatch, gpu: str | None, packages: str, platforms: str | None, name: str, why: str
) -> None:
    monkeypatch.setattr(backends, "_nvidia_gpu", lambda: gpu)
    monkeypatch.setattr(backends, "_is_installed", lambda package: package in packages.split())
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    if platforms is not None:
        monkeypatch.setenv("JAX_PLATFORMS", platforms)
    chosen, because = backends.best()
    assert chosen == backends.resolve("auto") == name and because.startswith(why)
    assert backends.resolve("other") == "other"


def test_auto_says_once_what_it_takes_and_why(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(backends, "_nvidia_gpu", lambda: None)
    install(monkeypatch, mujoco=lambda: lambda task, height_map, num_envs, *, device=None: "made")
    backends.build("mujoco", TASK, GROUND, 1, None, {})
    assert capsys.readouterr().err == ""
    for _ in range(3):
        assert backends.build("auto", TASK, GROUND, 1, None, {}) == "made"
    assert capsys.readouterr().err == "locoenvs: backend mujoco (no NVIDIA GPU here)\n"


def test_no_gpu_is_looked_for_where_the_user_hides_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for hidden in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
        assert backends._nvidia_gpu() is None


def test_native_mujoco_is_installed_and_the_default_on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "_nvidia_gpu", lambda: None)
    assert "mujoco" in backends.installed() and backends.resolve("auto") == "mujoco"
    assert backends.resolve("mujoco") == "mujoco" and backends.load("auto") is backends.load("mujoco")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"randomization.terms.link_mass": {}, "randomization.terms.gains": {}, "randomization.terms.imu_bias": {}},
            "cannot vary drive, mass, which the task does; it can vary friction: take out of the task what does, "
            "--set randomization.terms.link_mass=null --set randomization.terms.gains=null, or take another backend",
        ),
        (
            {"randomization.payload": (0.0, 1.0)},
            "cannot vary payload, which the task does; it can vary friction: take out of the task what does, "
            "--set randomization.payload=null, or take another backend",
        ),
    ],
)
def test_what_a_backend_cannot_vary_is_told_with_what_to_take_out(
    changes: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And without it the backend takes the task."""
    made = SimpleNamespace(close=lambda: None, randomizes={"friction"})
    install(monkeypatch, toy=lambda: lambda task, height_map, num_envs, *, device=None: made)
    with pytest.raises(ValueError) as error:
        backends.build("toy", TASK.with_(changes), GROUND, 1, None, {})
    assert str(error.value) == f"backend 'toy' {message}"
    fields = [word.rstrip(",").removesuffix("=null") for word in message.split() if word.endswith(("=null", "=null,"))]
    taken_out = TASK.with_(changes).with_({field: None for field in fields})
    assert backends.build("toy", taken_out, GROUND, 1, None, {}) is made


def test_an_actuator_that_a_backend_does_not_run_is_told_with_what_to_take(monkeypatch: pytest.MonkeyPatch) -> None:
    made = SimpleNamespace(close=lambda: None, randomizes={"friction"})
    install(monkeypatch, toy=lambda: lambda task, height_map, num_envs, *, device=None: made)
    with pytest.raises(
        ValueError, match="it runs pd: take that by --actuator, actuator= in Python, or another backend$"
    ):
        backends.build("toy", task_of("Loco/AnymalC-Flat-v0"), GROUND, 1, None, {})


def test_an_unknown_name_is_answered_with_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, mujoco=missing("mujoco"), other=missing("other"))
    with pytest.raises(ValueError, match="unknown backend 'mojoco'; did you mean 'mujoco'.* auto, mujoco, other"):
        backends.load("mojoco")


def test_a_missing_engine_is_named_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, mujoco=missing("mujoco"), other=missing("engine"))
    with pytest.raises(ImportError) as error:
        backends.load("mujoco")
    assert str(error.value) == (
        f"backend 'mujoco' needs mujoco, which is not installed: {line()}. Installed backends: mujoco, other"
    )
    with pytest.raises(ImportError, match="'other' needs engine, .* see the package that provides 'other'"):
        backends.load("other")


def test_options_reach_the_backend_and_unknown_ones_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def strict(task: Task, height_map: object, num_envs: int, *, device: str | None = None, threads: int = 0) -> Any:
        return task, height_map, num_envs, device, threads

    def open_(task: Task, height_map: object, num_envs: int, *, device: str | None = None, **options: object) -> Any:
        return options

    install(monkeypatch, strict=lambda: strict, open=lambda: open_)
    assert backends.build("strict", TASK, GROUND, 3, "cpu", {"threads": 2}) == (TASK, GROUND, 3, "cpu", 2)
    with pytest.raises(ValueError, match="unknown option of backend 'strict' 'thraeds'; did you mean 'threads'"):
        backends.build("strict", TASK, GROUND, 3, None, {"thraeds": 2})
    install(monkeypatch, bare=lambda: lambda task, height_map, num_envs, *, device=None: "made")
    with pytest.raises(ValueError, match="unknown option of backend 'bare' 'threads': there are none$"):
        backends.build("bare", TASK, GROUND, 3, None, {"threads": 2})
    install(monkeypatch, strict=lambda: strict, open=lambda: open_)
    with pytest.raises(ValueError, match="unknown option of backend 'strict' 'device'"):
        backends.build("strict", TASK, GROUND, 3, None, {"device": "cpu"})
    assert backends.build("open", TASK, GROUND, 3, None, {"anything": 2}) == {"anything": 2}
