"""The suite's tasks in Isaac Lab's registry. That its scripts run them is checked in an environment that has it."""

from __future__ import annotations

import importlib
import sys

import gymnasium
import pytest

from locoenvs.backends.isaaclab import agents, tasks
from locoenvs.envs.registration import IDS
from locoenvs.envs.registration import task as task_of


def test_every_environment_is_registered_under_an_isaac_style_id() -> None:
    assert set(tasks.TASKS.values()) == set(IDS)
    assert tasks.TASKS["Isaac-Loco-AnymalC-Rough-v0"] == "Loco/AnymalC-Rough-v0"
    for name in tasks.TASKS:
        spec = gymnasium.spec(name)
        assert spec.entry_point == "locoenvs.backends.isaaclab.env:LocoDirectEnv"
        assert spec.max_episode_steps is None and spec.disable_env_checker and not spec.order_enforce


def test_the_callback_takes_none_of_the_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["train.py", "physics=newton_mjwarp"])
    assert tasks.register() == ["physics=newton_mjwarp"]


def test_every_entry_point_names_something_that_is_there() -> None:
    for name in tasks.TASKS:
        module, _, attribute = gymnasium.spec(name).kwargs["rsl_rl_cfg_entry_point"].partition(":")
        assert callable(getattr(importlib.import_module(module), attribute))
    with pytest.raises(AttributeError, match="NobodyPPORunnerCfg"):
        _ = agents.NobodyPPORunnerCfg


@pytest.mark.parametrize("env_id", list(IDS))
def test_the_agents_are_the_papers(env_id: str) -> None:
    pytest.importorskip("torch")
    from locoenvs.wrappers.ppo import config

    ppo, ground = config(task_of(env_id)), IDS[env_id][1]
    assert agents.STEPS == ppo.horizon
    assert agents.NETWORK[ground] == ppo.hidden and agents.UPDATES[ground] == ppo.updates
    assert agents.PPO == {
        "num_learning_epochs": ppo.epochs,
        "num_mini_batches": ppo.minibatches,
        "clip_param": ppo.clip,
        "entropy_coef": ppo.entropy,
        "gamma": ppo.discount,
        "lam": ppo.trace,
        "learning_rate": ppo.learning_rate,
        "desired_kl": ppo.desired_kl,
        "max_grad_norm": ppo.max_gradient_norm,
    }
