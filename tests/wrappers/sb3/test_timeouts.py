"""Stable-Baselines3's critic finds the known value of an MDP that only time-outs cut, see :mod:`circle`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

import torch
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.vec_env import VecMonitor, VecNormalize

from circle import GAMMA, PHASES, ROBOTS, Circle, error, true_values
from locoenvs.wrappers.ppo import PPOConfig
from locoenvs.wrappers.sb3 import BatchedBootstrap, Sb3VecEnv, TimeoutPPO, sb3_config

UPDATES, HORIZON = 120, 6


def built(kind: type[PPO], env: Any, **settings: Any) -> PPO:
    return kind(
        "MlpPolicy",
        env,
        n_steps=HORIZON,
        batch_size=HORIZON * ROBOTS // 2,
        n_epochs=4,
        gamma=GAMMA,
        gae_lambda=0.9,
        vf_coef=1.0,
        learning_rate=lambda left: 0.02 * 0.96 ** (UPDATES * (1 - left)),
        policy_kwargs={"net_arch": [16]},
        seed=0,
        device="cpu",
        **settings,
    )


def learned_values(model: PPO, callback: Any = None) -> np.ndarray:
    """The critic's value of each phase after training."""
    model.learn(UPDATES * HORIZON * ROBOTS, callback=callback)
    with torch.no_grad():
        return model.policy.predict_values(torch.eye(PHASES)).numpy()


def test_the_critic_finds_the_known_value() -> None:
    assert error(learned_values(built(TimeoutPPO, Sb3VecEnv(Circle())))) < 0.05


def test_the_callback_alone_does_for_their_own_ppo() -> None:
    model = built(PPO, Sb3VecEnv(Circle("torch")))
    assert error(learned_values(model, BatchedBootstrap())) < 0.05


def test_without_time_outs_it_is_not_found() -> None:
    values = learned_values(built(TimeoutPPO, Sb3VecEnv(Circle(time_outs=False))))
    assert error(values) > 0.3
    assert bool((values[:, 0] < true_values()).all())  # every cut loses what comes after it


def test_callbacks_may_be_functions_as_in_their_own() -> None:
    called: list[int] = []
    model = TimeoutPPO(env=Sb3VecEnv(Circle()), device="cpu", **sb3_config(PPOConfig(num_envs=ROBOTS, minibatches=1)))
    model.learn(ROBOTS, callback=[lambda *_: called.append(1) is None])
    assert called


class Once(BatchedBootstrap):
    """Keeps the rewards before and after."""

    def _on_step(self) -> bool:
        self.before = self.locals["rewards"].copy()
        self.truncated = [info.get("TimeLimit.truncated") for info in self.locals["infos"]]
        going_on = super()._on_step()
        self.after = self.locals["rewards"].copy()
        return going_on


def test_one_call_gives_what_they_give_robot_by_robot() -> None:
    rewards = []
    for callback in (None, once := Once()):
        model = built(PPO, Sb3VecEnv(Circle()))
        model.learn(HORIZON * ROBOTS, callback=callback)
        rewards.append(model.rollout_buffer.rewards.copy())
    np.testing.assert_allclose(rewards[0], rewards[1], rtol=0, atol=1e-6)
    timed_out = np.array([bool(flag) for flag in once.truncated])
    assert timed_out.sum() == ROBOTS // 2
    assert bool((once.after[~timed_out] == once.before[~timed_out]).all())
    assert bool((once.after[timed_out] != once.before[timed_out]).all())


@pytest.mark.parametrize("wrapper", [VecNormalize, VecMonitor])
def test_their_wrappers_still_work(wrapper: Any) -> None:
    env = wrapper(Sb3VecEnv(Circle()), **({"norm_reward": False} if wrapper is VecNormalize else {}))
    model = built(TimeoutPPO, env)
    model.learn(UPDATES * HORIZON * ROBOTS)
    if wrapper is VecMonitor:
        assert model.ep_info_buffer
        assert {(info["l"], round(float(info["r"]), 1)) for info in model.ep_info_buffer} <= {(3, 1.2), (3, 0.3)}
        phases = np.eye(PHASES, dtype=np.float32)
    else:
        phases = env.normalize_obs(np.eye(PHASES, dtype=np.float32))
    with torch.no_grad():
        assert error(model.policy.predict_values(torch.as_tensor(phases))) < 0.05


def test_the_callback_is_refused_where_it_would_be_wrong() -> None:
    model = SAC(
        "MlpPolicy", Sb3VecEnv(Circle(), action_limit=1.0), device="cpu", learning_starts=10_000, buffer_size=100
    )
    with pytest.raises(TypeError, match="SAC keeps time-outs apart in its replay buffer by itself"):
        model.learn(1, callback=BatchedBootstrap())


def test_the_learning_rate_follows_the_kl_divergence_within_its_bounds() -> None:
    model = built(TimeoutPPO, Sb3VecEnv(Circle()), desired_kl=0.01, max_learning_rate=0.03)
    rates = [model.adaptive_rate]
    for kl in (0.021, 0.02, 0.005, 0.0049, 0.0, 0.001, 0.001):
        model._adapt(kl)
        rates.append(model.adaptive_rate)
    faster = 0.02 / 1.5
    assert rates == pytest.approx([0.02, faster, faster, faster, 0.02, 0.02, 0.03, 0.03])
    model.learn(HORIZON * ROBOTS)
    assert model.policy.optimizer.param_groups[0]["lr"] <= 0.03 and model.n_epochs == 4


def test_the_learning_rate_does_not_fall_to_nothing() -> None:
    model = built(TimeoutPPO, Sb3VecEnv(Circle()), desired_kl=0.01)
    for _ in range(40):
        model._adapt(1.0)
    assert model.adaptive_rate == 1e-5
