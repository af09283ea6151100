"""A recurrent actor of RSL-RL, trained for an update on this suite, acts the same as a policy of this suite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("rsl_rl")
pytest.importorskip("onnxruntime")

from tensordict import TensorDict  # noqa: E402

from locoenvs.envs.registration import task  # noqa: E402
from locoenvs.envs.vector import LocoVectorEnv  # noqa: E402
from locoenvs.evidence.evaluate import evaluate  # noqa: E402
from locoenvs.evidence.panel import changed, panel_of  # noqa: E402
from locoenvs.policies.policy import load_policy  # noqa: E402
from locoenvs.wrappers.ppo import PPOConfig  # noqa: E402
from locoenvs.wrappers.rsl_rl import RslRlVecEnv, TimeoutPPO, rsl_rl_config, save_recurrent_policy  # noqa: E402


def actor_of(kind: str, **changes: Any) -> tuple[Any, LocoVectorEnv]:
    """An actor after an update of four robots, and their environment."""
    torch.manual_seed(0)
    env = LocoVectorEnv(
        task("Loco/AnymalC-Flat-v0", actuator="pd"), 4, privileged=True, options={"threads": 1}, array="torch"
    )
    wrapped = RslRlVecEnv(env, seed=0)
    settings = rsl_rl_config(PPOConfig(num_envs=4, horizon=4, epochs=1, minibatches=1, hidden=(8,), updates=1))
    recurrent = {"class_name": "RNNModel", "rnn_type": kind, "rnn_hidden_dim": 6, "rnn_num_layers": 2}
    settings["actor"] |= {**recurrent, "obs_normalization": True, **changes}
    settings["critic"] |= recurrent
    algorithm = TimeoutPPO.construct_algorithm(wrapped.get_observations(), wrapped, settings, "cpu")
    algorithm.train_mode()
    observation = wrapped.get_observations()
    with torch.inference_mode():
        for _ in range(4):
            observation, rewards, dones, extras = wrapped.step(algorithm.act(observation))
            algorithm.process_env_step(observation, rewards, dones, extras)
        algorithm.compute_returns(observation)
    algorithm.update()
    algorithm.eval_mode()
    return algorithm.get_policy(), env


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_an_actor_is_a_policy(kind: str, tmp_path: Path) -> None:
    actor, env = actor_of(kind)
    save_recurrent_policy(tmp_path, env.task, actor, {"learner": "rsl_rl"})
    policy = load_policy(tmp_path)
    assert policy.recurrent and policy.document["network"]["normalization"] is not None
    seen = torch.randn(5, 4, 48)
    actor.reset()
    with torch.inference_mode():
        expected = [actor(TensorDict({"policy": each, "critic": each}, [4])).numpy() for each in seen]
    np.testing.assert_allclose([policy(each.numpy()) for each in seen], expected, atol=1e-5)
    if kind == "gru":
        panel = changed(panel_of(env.task, "flat:smoke"), {"timing.episode_length": 0.5}, None)
        first, again = (evaluate(policy, panel).metrics for _ in range(2))
        assert first == again, "it forgets before each evaluation"


def test_an_actor_that_cannot_be_a_policy_is_refused(tmp_path: Path) -> None:
    actor, env = actor_of("gru", activation="selu")
    with pytest.raises(ValueError, match="an actor with SELU cannot be a policy: use elu, relu, tanh"):
        save_recurrent_policy(tmp_path, env.task, actor)
    actor, env = actor_of("gru")
    actor.distribution = torch.nn.Identity()
    with pytest.raises(ValueError, match="an actor with Identity cannot be a policy: use GaussianDistribution"):
        save_recurrent_policy(tmp_path, env.task, actor)
