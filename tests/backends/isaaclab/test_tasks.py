"""The suite's tasks in Isaac Lab's registry. That its scripts run them is checked in an environment that has it."""

from __future__ import annotations

import importlib
import sys
import types
from typing import Any

import gymnasium
import pytest

from locoenvs.backends.isaaclab import agents, requirements, tasks
from locoenvs.envs.registration import IDS


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


class Given:
    """Holds what it is given, as Isaac Lab's configurations do."""

    def __init__(self, **fields: Any) -> None:
        vars(self).update(fields)


class Model(Given):
    class GaussianDistributionCfg(Given):
        pass


@pytest.mark.parametrize("env_id", list(IDS))
def test_the_agents_are_the_papers(env_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    library = types.ModuleType("isaaclab_rl.rsl_rl")
    vars(library).update(RslRlMLPModelCfg=Model, RslRlOnPolicyRunnerCfg=Given, RslRlPpoAlgorithmCfg=Given)
    monkeypatch.setitem(sys.modules, "isaaclab_rl", types.ModuleType("isaaclab_rl"))
    monkeypatch.setitem(sys.modules, "isaaclab_rl.rsl_rl", library)
    monkeypatch.setattr(requirements, "device", lambda asked: "cpu")
    made, flat = agents.runner_cfg(env_id), IDS[env_id][1] == "flat"
    assert (made.num_steps_per_env, made.max_iterations) == (24, 300 if flat else 1500)
    for network in (made.actor, made.critic):
        assert network.hidden_dims == ([128, 64, 32] if flat else [512, 256, 128]) and network.activation == "elu"
    assert made.actor.distribution_cfg.init_std == 1.0
    assert vars(made.algorithm) == {
        "value_loss_coef": 1.0,
        "use_clipped_value_loss": True,
        "schedule": "adaptive",
        "num_learning_epochs": 5,
        "num_mini_batches": 4,
        "clip_param": 0.2,
        "entropy_coef": 0.01,
        "gamma": 0.99,
        "lam": 0.95,
        "learning_rate": 1e-3,
        "desired_kl": 0.01,
        "max_grad_norm": 1.0,
    }
