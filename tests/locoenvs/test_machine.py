"""What a number was measured on: GPUs are those of a library that is loaded, whose parts are stood in for here."""

from __future__ import annotations

import importlib.util
import sys
from types import SimpleNamespace

import pytest

from locoenvs import machine

CUDA = SimpleNamespace(
    is_available=lambda: True,
    is_initialized=lambda: True,
    device_count=lambda: 2,
    get_device_properties=lambda index: SimpleNamespace(name=f"card {index}", total_memory=2**30),
    max_memory_allocated=lambda index: (index + 1) * 2**20,
)


def device(kind: str) -> SimpleNamespace:
    return SimpleNamespace(device_kind=kind, memory_stats=lambda: {"peak_bytes_in_use": 2**20, "bytes_limit": 2**31})


def bridge(**clients: str) -> SimpleNamespace:
    made = {name: SimpleNamespace(local_devices=lambda kind=kind: [device(kind)]) for name, kind in clients.items()}
    return SimpleNamespace(_backends=made)


@pytest.fixture(autouse=True)
def none_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("torch", "jax._src.xla_bridge"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def test_without_a_library_there_is_no_gpu() -> None:
    found = machine.hardware()
    assert found["gpus"] == [] and found["cores"] >= 1 and (found["memory_mb"] or 0) > 100
    assert machine.device_memory() is None


def test_a_library_without_a_gpu_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: False)))
    monkeypatch.setitem(sys.modules, "jax._src.xla_bridge", bridge(cpu="cpu"))
    assert machine.hardware()["gpus"] == [] and machine.device_memory() is None


def test_gpus_of_torch_and_jax(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jax._src.xla_bridge", bridge(cpu="cpu", cuda="card of jax"))
    assert machine.hardware()["gpus"] == [{"name": "card of jax", "memory_mb": 2048.0}]
    assert machine.device_memory() == 2**20
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=CUDA))
    assert machine.hardware()["gpus"] == [{"name": f"card {index}", "memory_mb": 1024.0} for index in range(2)]
    assert machine.device_memory() == (1 + 2 + 1) * 2**20


def test_windows_has_no_resource_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file alone, as Windows would import it."""
    monkeypatch.setitem(sys.modules, "resource", None)
    monkeypatch.setattr(sys, "platform", "win32")
    spec = importlib.util.spec_from_file_location("machine_there", machine.__file__)
    assert spec is not None and spec.loader is not None
    there = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(there)
    assert there.memory() == 0
