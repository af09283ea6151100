"""Every adapter takes the bare environment only, and says why and what to do."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import gymnasium
import pytest

import locoenvs
from circle import Circle
from locoenvs.wrappers.adapter import bare

FLAT = "Loco/AnymalC-Flat-v0"
ADAPTERS = {
    "rsl_rl": ("rsl_rl", "RslRlVecEnv"),
    "skrl": ("skrl", "SkrlEnv"),
    "skrl.with_jax": ("flax", "SkrlJaxEnv"),
    "sb3": ("stable_baselines3", "Sb3VecEnv"),
    "rl_games": ("rl_games", "RlGamesVecEnv"),
    "brax": ("brax", "BraxEnv"),
}


@pytest.fixture(params=sorted(ADAPTERS))
def adapter(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    library, name = ADAPTERS[request.param]
    pytest.importorskip(library)
    return getattr(importlib.import_module(f"locoenvs.wrappers.{request.param}"), name)


def test_everything_but_the_bare_environment_is_refused(adapter: Callable[[Any], Any]) -> None:
    one = {"options": {"threads": 1}}
    wrapped = [
        gymnasium.wrappers.TimeLimit(gymnasium.make(FLAT, num_envs=2, **one), 10),
        gymnasium.wrappers.vector.RecordEpisodeStatistics(Circle()),
        gymnasium.wrappers.vector.NumpyToTorch(Circle()),
    ]
    for env in wrapped:
        with pytest.raises(TypeError, match=rf"{type(env).__name__}.*breaks batches.*env\.unwrapped"):
            adapter(env)
    for single in (gymnasium.make(FLAT, **one), gymnasium.wrappers.TimeLimit(gymnasium.make(FLAT, **one), 10)):
        with pytest.raises(TypeError, match=rf"num_envs=N\) itself, got {type(single).__name__}: .*no batch of robots"):
            adapter(single)
    with pytest.raises(TypeError, match="SyncVectorEnv: a vector of single robots, of autoreset mode SameStep"):
        adapter(
            gymnasium.vector.SyncVectorEnv(
                [lambda: gymnasium.make(FLAT, **one)], autoreset_mode=gymnasium.vector.AutoresetMode.SAME_STEP
            )
        )


@pytest.mark.parametrize("mode", ["next_step", "disabled"])
def test_another_autoreset_mode_is_refused(adapter: Callable[[Any], Any], mode: str) -> None:
    env = gymnasium.make_vec(FLAT, 2, autoreset_mode=mode, options={"threads": 1})
    with pytest.raises(TypeError, match=rf"autoreset_mode='{mode}'.*make it with autoreset_mode='same_step'"):
        adapter(env)


def test_no_learner_sees_the_streams_of_held_out_panels(adapter: Callable[[Any], Any]) -> None:
    env = gymnasium.make(FLAT, num_envs=2, split="panel", options={"threads": 1})
    with pytest.raises(
        ValueError, match="split='panel', which is held out.* is for training: make it with split='train'"
    ):
        adapter(env)
    for split in ("train", "test"):
        adapter(gymnasium.make(FLAT, num_envs=2, split=split, options={"threads": 1}))


def test_nor_do_the_pure_functions() -> None:
    pytest.importorskip("brax")
    from locoenvs.wrappers.brax import BraxEnv

    with pytest.raises(ValueError, match="split='panel', which is held out, and BraxEnv is for training"):
        BraxEnv(locoenvs.functional(FLAT, num_envs=2, backend="mjx", split="panel"))
    with pytest.raises(ValueError, match="unknown split 'pannel'; did you mean 'panel'"):
        locoenvs.functional(FLAT, num_envs=2, backend="mjx", split="pannel")


def test_the_bare_environment_is_taken_as_it_is() -> None:
    env = Circle()
    assert bare(env, "Any") is env
