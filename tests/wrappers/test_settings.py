"""Every setting of :class:`PPOConfig` reaches the place in each library that it is meant for: each has a value of its own."""

from __future__ import annotations

import importlib
import os
from typing import Any

os.environ.setdefault("NPROC", "8")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

import pytest

pytest.importorskip("torch")

import torch

from circle import Circle
from locoenvs.envs.registration import task
from locoenvs.wrappers.ppo import WALK_FLAT, WALK_ROUGH, PPOConfig, config

OWN = PPOConfig(
    num_envs=24,
    horizon=10,
    updates=7,
    epochs=3,
    minibatches=6,
    hidden=(20, 12),
    activation="relu",
    clip=0.15,
    entropy=0.03,
    discount=0.91,
    trace=0.83,
    learning_rate=0.004,
    max_learning_rate=0.008,
    desired_kl=0.013,
    max_gradient_norm=0.7,
    initial_std=0.6,
)


def made(library: str, module: str, kind: str) -> Any:
    pytest.importorskip(library)
    learner = getattr(importlib.import_module(f"locoenvs.wrappers.{module}"), kind)
    torch.manual_seed(0)
    return learner(Circle(learner.array), OWN, None, 0)


def widths(layers: Any) -> list[int]:
    return [len(bias) for _, bias in layers]


def test_rsl_rl() -> None:
    learner = made("rsl_rl", "rsl_rl.learner", "RslRlLearner")
    own = learner.algorithm
    assert own.storage.num_transitions_per_env == 10 and own.storage.num_envs == 24
    assert (own.num_learning_epochs, own.num_mini_batches, own.clip_param) == (3, 6, 0.15)
    assert (own.gamma, own.lam, own.entropy_coef, own.max_grad_norm) == (0.91, 0.83, 0.03, 0.7)
    assert (own.learning_rate, own.max_learning_rate, own.desired_kl, own.schedule) == (0.004, 0.008, 0.013, "adaptive")
    assert own.value_loss_coef == 1.0 and own.use_clipped_value_loss
    assert widths(learner.layers()) == [20, 12, 1] and float(
        own.actor.distribution.std_param.detach()[0]
    ) == pytest.approx(0.6)
    assert isinstance(own.actor.mlp[1], torch.nn.ReLU) and isinstance(own.critic.mlp[1], torch.nn.ReLU)


def test_skrl() -> None:
    learner = made("skrl", "skrl.learner", "SkrlLearner")
    check_skrl(learner)
    own = learner.agent
    assert own.optimizer.param_groups[0]["lr"] == 0.004
    assert own.scheduler.kl_threshold == 0.013
    assert (own.scheduler.min_lr, own.scheduler.max_lr) == (1e-5, 0.008)
    assert isinstance(own.policy.net[1], torch.nn.ReLU) and isinstance(own.value.net[1], torch.nn.ReLU)
    assert float(own.policy.log_std.detach().exp()[0]) == pytest.approx(0.6)


def test_skrl_jax() -> None:
    learner = made("flax", "skrl.with_jax", "SkrlJaxLearner")
    check_skrl(learner)
    assert learner.agent.policy_learning_rate == learner.agent.value_learning_rate == 0.004
    assert learner.agent.policy.activation == learner.agent.value.activation == "relu"
    assert float(learner._policy["log_std"][0]) == pytest.approx(-0.5108, abs=1e-3)


def check_skrl(learner: Any) -> None:
    own = learner.agent.cfg
    assert (own.rollouts, own.learning_epochs, own.mini_batches, own.ratio_clip) == (10, 3, 6, 0.15)
    assert (own.discount_factor, own.gae_lambda, own.entropy_loss_scale, own.grad_norm_clip) == (0.91, 0.83, 0.03, 0.7)
    assert own.value_loss_scale == 1.0 and widths(learner.layers()) == [20, 12, 1]
    kept = {"kl_threshold": 0.013, "min_lr": 1e-5, "max_lr": 0.008}
    scheduled = own.learning_rate_scheduler_kwargs
    assert all(each == kept for each in (scheduled if isinstance(scheduled, tuple | list) else [scheduled]))
    assert learner.agent.memory.memory_size == 10 and learner.agent.memory.num_envs == 24


def test_sb3() -> None:
    learner = made("stable_baselines3", "sb3.learner", "Sb3Learner")
    own = learner.model
    assert (own.n_steps, own.n_epochs, own.batch_size, own.n_envs) == (10, 3, 40, 24)
    assert (own.gamma, own.gae_lambda, own.ent_coef, own.max_grad_norm) == (0.91, 0.83, 0.03, 0.7)
    assert (own.clip_range(1.0), own.clip_range_vf, own.vf_coef) == (0.15, None, 1.0)
    assert (own.adaptive_rate, own.max_learning_rate, own.desired_kl) == (0.004, 0.008, 0.013)
    assert widths(learner.layers()) == [20, 12, 1]
    assert isinstance(own.policy.mlp_extractor.policy_net[1], torch.nn.ReLU)
    assert [layer.out_features for layer in own.policy.mlp_extractor.value_net[::2]] == [20, 12]
    assert float(own.policy.log_std.detach().exp()[0]) == pytest.approx(0.6)


def test_rl_games() -> None:
    learner = made("rl_games", "rl_games.learner", "RlGamesLearner")
    own = learner.agent
    assert (own.horizon_length, own.mini_epochs_num, own.minibatch_size, own.num_actors) == (10, 3, 40, 24)
    assert (own.gamma, own.tau, own.entropy_coef, own.grad_norm) == (0.91, 0.83, 0.03, 0.7)
    assert (own.e_clip, own.clip_value, own.critic_coef, own.truncate_grads) == (0.15, True, 2.0, True)
    assert (own.last_lr, own.scheduler.min_lr, own.scheduler.max_lr) == (0.004, 1e-5, 0.008)
    assert own.scheduler.kl_threshold == 0.013 and own.is_adaptive_lr and own.value_bootstrap
    assert own.normalize_advantage and not (own.normalize_input or own.normalize_value or own.clip_actions)
    assert widths(learner.layers()) == [20, 12, 1]
    network = own.model.a2c_network
    assert isinstance(network.actor_mlp[1], torch.nn.ReLU) and isinstance(network.critic_mlp[1], torch.nn.ReLU)
    assert float(network.sigma.detach().exp()[0]) == pytest.approx(0.6)


def test_brax() -> None:
    learner = made("brax", "brax.learner", "BraxLearner")
    own = learner.settings
    assert (own["unroll_length"], own["num_updates_per_batch"], own["num_minibatches"]) == (10, 3, 6)
    assert (own["num_envs"], own["batch_size"], own["num_timesteps"]) == (24, 4, 7 * 240)
    assert (own["discounting"], own["gae_lambda"], own["entropy_cost"]) == (0.91, 0.83, 0.03)
    assert own["clipping_epsilon"] == own["clipping_epsilon_value"] == 0.15 and own["max_grad_norm"] == 0.7
    assert (own["learning_rate"], own["desired_kl"], own["vf_loss_coefficient"]) == (0.004, 0.013, 2.0)
    assert own["learning_rate_schedule_min_lr"] == 1e-5 and own["learning_rate_schedule_max_lr"] == 0.008
    assert float(learner.optimizing[-1].hyperparams["learning_rate"]) == pytest.approx(0.004)
    assert widths(learner.layers()) == [20, 12, 1]
    assert float(learner._policy["log_std"][0]) == pytest.approx(-0.5108, abs=1e-3)


def test_brax_learns_by_its_own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loss of the update that is put together here; nothing is computed."""
    learner = made("brax", "brax.learner", "BraxLearner")
    jax, module = importlib.import_module("jax"), importlib.import_module("locoenvs.wrappers.brax.learner")
    asked: dict[str, Any] = {}
    loss = module.watched_loss
    monkeypatch.setattr(module, "watched_loss", lambda *parts, **named: asked.update(named) or loss(*parts, **named))
    rates: list[tuple[float, ...]] = []
    adapt = module.adaptive_kl_learning_rate
    monkeypatch.setattr(
        module, "adaptive_kl_learning_rate", lambda state, kl, *own: rates.append(own) or adapt(state, kl, *own)
    )
    _, data = jax.eval_shape(learner._rollout_of, learner.parameters, learner.state, learner.key)
    assert data.reward.shape == (24, 10)
    jax.eval_shape(learner._learned, learner.parameters, learner.optimizing, data, learner.key)
    assert (asked["discounting"], asked["gae_lambda"], asked["entropy_cost"]) == (0.91, 0.83, 0.03)
    assert asked["clipping_epsilon"] == asked["clipping_epsilon_value"] == 0.15 and asked["vf_coefficient"] == 2.0
    assert rates[0] == (0.013, 1e-5, 0.008)


def test_the_settings_of_the_recipes() -> None:
    rough, flat = (task(f"Loco/AnymalC-{ground}-v0") for ground in ("Rough", "Flat"))
    assert config(rough) == PPOConfig()
    assert (config(flat).hidden, config(flat).updates) == ((128, 64, 32), 300)
    walk = [config(task(f"Loco/AnymalC-{ground}-v0", recipe="walk")) for ground in ("Flat", "Rough")]
    assert walk == [WALK_FLAT, WALK_ROUGH]
