"""Backends by name, and what is said when one cannot be had."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fake import BIPED
from locoenvs import engines
from locoenvs.task import Task, Terrain
from locoenvs.terrain import build

TASK = Task(BIPED, terrain=Terrain(kind="plane"))
GROUND = build(TASK.terrain)


def install(monkeypatch: pytest.MonkeyPatch, **backends: Callable[[], Any]) -> None:
    monkeypatch.setattr(engines, "installed", lambda: backends)


def missing(name: str) -> Callable[[], Any]:
    def load() -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    return load


def test_native_mujoco_is_installed_and_the_default_on_a_cpu() -> None:
    assert "mujoco" in engines.installed() and engines.resolve("auto") == "mujoco"
    assert engines.resolve("mujoco") == "mujoco" and engines.load("auto") is engines.load("mujoco")


def test_an_unknown_name_is_answered_with_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, mujoco=missing("mujoco"), other=missing("other"))
    with pytest.raises(ValueError, match="unknown backend 'mojoco'; did you mean 'mujoco'.* auto, mujoco, other"):
        engines.load("mojoco")


def test_a_missing_engine_is_named_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, mujoco=missing("mujoco"), other=missing("engine"))
    with pytest.raises(ImportError) as error:
        engines.load("mujoco")
    assert str(error.value) == (
        "backend 'mujoco' needs mujoco, which is not installed: pip install locoenvs. Installed backends: mujoco, other"
    )
    with pytest.raises(ImportError, match="'other' needs engine, .* see the package that provides 'other'"):
        engines.load("other")


def test_options_reach_the_backend_and_unknown_ones_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def strict(task: Task, height_map: object, num_envs: int, *, device: str | None = None, threads: int = 0) -> Any:
        return task, height_map, num_envs, device, threads

    def open_(task: Task, height_map: object, num_envs: int, *, device: str | None = None, **options: object) -> Any:
        return options

    install(monkeypatch, strict=lambda: strict, open=lambda: open_)
    assert engines.build("strict", TASK, GROUND, 3, "cpu", {"threads": 2}) == (TASK, GROUND, 3, "cpu", 2)
    with pytest.raises(ValueError, match="unknown option of backend 'strict' 'thraeds'; did you mean 'threads'"):
        engines.build("strict", TASK, GROUND, 3, None, {"thraeds": 2})
    with pytest.raises(ValueError, match="unknown option of backend 'strict' 'device'"):
        engines.build("strict", TASK, GROUND, 3, None, {"device": "cpu"})
    assert engines.build("open", TASK, GROUND, 3, None, {"anything": 2}) == {"anything": 2}
