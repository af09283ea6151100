"""What an environment cannot be made with is refused in words."""

from __future__ import annotations

from typing import Any

import pytest

from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.tasks.recipes import task as recipe_task
from locoenvs.tasks.robots import ROBOTS

FLAT = recipe_task(ROBOTS["AnymalC"], "flat")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_envs": 0}, "num_envs must be an integer of at least 1, got 0"),
        ({"num_envs": -3}, "num_envs must be an integer of at least 1, got -3"),
        ({"num_envs": 2.0}, "num_envs must be an integer of at least 1, got 2.0"),
        ({"array": "trch"}, "unknown array 'trch'; did you mean 'torch'"),
        ({"array": 3}, "unknown array '3'. There are: jax, numpy, torch"),
        ({"split": "pannel"}, "unknown split 'pannel'; did you mean 'panel'"),
        ({"autoreset_mode": "same-step"}, "unknown autoreset_mode 'same-step'; did you mean 'same_step'"),
        ({"render_mode": "rgb_aray"}, "unknown render_mode 'rgb_aray'; did you mean 'rgb_array'"),
        ({"backend": "mujco"}, "unknown backend 'mujco'; did you mean 'mujoco'"),
        ({"options": {"thread": 2}}, "unknown option of backend 'mujoco' 'thread'; did you mean 'threads'"),
        (
            {"options": {"devices": 2}, "array": "torch"},
            "devices=2: array='torch' has its arrays on one: use locoenvs.functional, or one process a GPU",
        ),
        (
            {"options": {"devices": 2}, "first_robot": 4},
            "devices=2: first_robot=4 is a part of the robots: use locoenvs.functional, or one process a GPU",
        ),
        ({"device": "cuda"}, "runs on the CPU, got device='cuda': use device=None"),
    ],
)
def test_errors_name_the_value_and_what_comes_nearest(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as error:
        LocoVectorEnv(FLAT, **options)
    assert message in str(error.value)


def test_an_array_library_that_is_missing_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    def missing(name: str) -> Any:
        raise ImportError(name=name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(ImportError, match="array='jax' needs jax, which is not installed: pip install jax"):
        LocoVectorEnv(FLAT, array="jax")
