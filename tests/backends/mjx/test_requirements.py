"""What is said when MJX cannot work: versions, devices, memory, options."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("jax")
pytest.importorskip("mujoco.mjx")

from locoenvs import install
from locoenvs.backends.mjx import device, requirements
from locoenvs.backends.mjx.requirements import check, problem
from locoenvs.envs import backends
from locoenvs.envs.vector import LocoVectorEnv
from mjx_physics import FLAT

GOOD = {"jax": "0.10.2", "jaxlib": "0.10.2", "mujoco": "3.17.0", "mujoco-mjx": "3.17.0", "warp-lang": "1.18.0"}


@pytest.mark.parametrize("jax", ["0.10.2", "0.11.2", "0.12.0.dev20270101", "1.0"])
def test_versions_that_work_together(jax: str) -> None:
    assert problem({**GOOD, "jax": jax, "jaxlib": jax}) is None
    assert problem({**GOOD, "warp-lang": "1.18.3"}) is None
    check()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"jax": None, "jaxlib": None}, "jax, jaxlib are not installed"),
        ({"warp-lang": None}, "warp-lang is not installed"),
        ({"jax": "0.9.9"}, "jax 0.9.9 is too old, it must be 0.10.2 or newer"),
        ({"mujoco-mjx": "3.16.1"}, "mujoco-mjx 3.16.1 and mujoco 3.17.0 must have the same version"),
        ({"warp-lang": "1.19.0"}, "warp-lang 1.19.0 does not fit mujoco-mjx 3.17.0, it must be 1.18"),
    ],
)
def test_what_is_missing_or_does_not_fit_is_named_with_the_line_that_installs_it(wrong: Any, message: str) -> None:
    found = {**GOOD, **wrong}
    with pytest.raises(ImportError) as error:
        check(found)
    text = str(error.value)
    assert text.startswith(f"backend 'mjx': {message}. Installed: jax ") and text.endswith(install.line("mjx"))
    assert all(f"{name} {version or 'missing'}" in text for name, version in found.items())


def test_the_message_reaches_the_user_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def load() -> Any:
        requirements.check({**GOOD, "warp-lang": None})

    monkeypatch.setattr(backends, "installed", lambda: {"mjx": load})
    with pytest.raises(ImportError, match="^backend 'mjx': warp-lang is not installed. Installed: "):
        backends.load("mjx")


@pytest.mark.parametrize("name", ["cuda", "cuda:1", "gpu"])
def test_a_gpu_that_is_not_there(name: str) -> None:
    if device.is_gpu(device.find(None)):
        pytest.skip("there is one")
    with pytest.raises(ValueError, match=rf"device='{name}': jax .* sees no GPU here, only cpu\. .*jax\[cuda13\]"):
        LocoVectorEnv(FLAT, 2, backend="mjx", device=name)


@pytest.mark.parametrize(
    ("name", "message"), [("tpu", "there are 'cpu', 'cuda'"), ("cpu:99", "there are 1, numbered from 0")]
)
def test_a_device_that_nobody_has(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"device='{name}': {message}"):
        device.find(name)


@pytest.mark.parametrize("impl", ["jax", "warp"])
def test_more_robots_than_memory_holds_are_refused_before_anything_is_allocated(impl: str) -> None:
    with pytest.raises(
        ValueError, match=r"num_envs=1000000000: at about \d+ KiB each .* It holds about \d+ robots"
    ) as error:
        LocoVectorEnv(FLAT, 10**9, backend="mjx", device="cpu", options={"impl": impl})
    kib = int(str(error.value).split(" KiB")[0].split()[-1])
    assert 10 < kib < 1000, "of the order of what a robot's contacts and constraints take"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"impl": "cuda"}, "impl='cuda': there are 'jax' and 'warp'"),
        ({"contact": "boxes"}, "contact='boxes': there are 'triangles' and 'mujoco'"),
        ({"cone": "round"}, "cone='round': there are 'elliptic' and 'pyramidal'"),
        ({"threads": 2}, "unknown option of backend 'mjx' 'threads'"),
    ],
)
def test_options_that_do_not_exist(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LocoVectorEnv(FLAT, 2, backend="mjx", device="cpu", options=options)
