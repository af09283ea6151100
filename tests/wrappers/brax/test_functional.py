"""Brax over the pure functions of MJX: its steps are those of the environment, and a run of it is saved and gone on with."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("brax")
pytest.importorskip("mujoco.mjx")
pytest.importorskip("warp")
pytest.importorskip("onnxruntime")

import jax
import torch

from locoenvs.envs.registration import task
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.policies.policy import load_policy
from locoenvs.training.run import Run
from locoenvs.training.settings import TrainSettings
from locoenvs.wrappers.brax import BraxEnv, train
from locoenvs.wrappers.brax.learner import BraxLearner
from locoenvs.wrappers.learner import Update
from locoenvs.wrappers.ppo import PPOConfig

FLAT = "Loco/AnymalC-Flat-v0"
ROBOTS = 2


def short() -> Any:
    flat = task(FLAT)
    return dataclasses.replace(flat, timing=dataclasses.replace(flat.timing, episode_length=0.06))


def test_its_steps_are_those_of_the_environment() -> None:
    made = LocoVectorEnv(short(), ROBOTS, backend="mjx", privileged=True)
    env = BraxEnv(made, seed=5)
    assert env.pure is not None and env.backend == "functional"
    state = jax.device_put(env.reset(jax.random.split(jax.random.PRNGKey(0), ROBOTS)), made.simulator.device)
    expected, _ = made.reset(seed=5)
    np.testing.assert_allclose(state.obs["state"], expected["policy"], rtol=0, atol=1e-6)
    step, timed_out = jax.jit(env.step), 0
    for count in range(4):
        action = np.full((ROBOTS, 12), 0.1 * count, np.float32)
        state = step(state, action)
        expected, reward, terminated, truncated, info = made.step(action)
        np.testing.assert_allclose(state.obs["state"], expected["policy"], rtol=0, atol=1e-5)
        np.testing.assert_allclose(state.obs["privileged_state"], expected["critic"], rtol=0, atol=1e-5)
        np.testing.assert_allclose(state.obs["final_state"], info["final_obs"]["policy"], rtol=0, atol=1e-5)
        np.testing.assert_allclose(state.reward, reward, rtol=0, atol=1e-6)
        assert np.array_equal(state.done, terminated | truncated)
        assert np.array_equal(state.info["truncation"], info["time_outs"])
        timed_out += int(info["time_outs"].sum())
    assert timed_out > 0


@pytest.mark.timeout(900)  # it compiles the whole training
def test_a_run_on_the_device_is_recorded_and_resumed_bit_by_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All updates, of whichever run, are done by a program that was compiled once."""
    update, compiled = BraxLearner.update, list[int]()

    def counted(self: BraxLearner) -> Update:
        done = update(self)
        compiled.append(self._rollout._cache_size() + self._learn._cache_size())
        return done

    monkeypatch.setattr(BraxLearner, "update", counted)
    ppo = PPOConfig(num_envs=ROBOTS, horizon=4, updates=2, epochs=1, minibatches=1, hidden=(8,))

    def trained(name: str, updates: int, resume: str | None = None) -> Run:
        settings = TrainSettings(FLAT, backend="mjx", updates=updates, run=str(tmp_path / name), resume=resume)
        return Run(train(FLAT, settings, short(), ppo))

    whole, half = trained("whole", 2), trained("half", 1)
    trained("half", 2, str(half.folder))
    ours, theirs = (torch.load(run.checkpoint, weights_only=True) for run in (whole, half))
    for name, tensors in ours["algorithm"].items():
        assert all(torch.equal(a, b) for a, b in zip(tensors, theirs["algorithm"][name], strict=True)), name
    assert all(torch.equal(value, theirs["env"][name]) for name, value in ours["env"].items())
    assert compiled == [2] * 4
    lines = [line for line in whole.records() if line["kind"] == "update"]
    assert sum(lines[0]["resets"].values()) > 0 and "linear_velocity_tracking" in lines[0]["terms_per_second"]
    assert lines[0]["seconds"]["environment"] > 0 and load_policy(whole.policy).provenance["backend"] == "mjx"
