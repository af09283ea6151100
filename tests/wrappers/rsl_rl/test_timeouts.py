"""RSL-RL's critic finds the known value of an MDP that only time-outs cut, see :mod:`circle`."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("rsl_rl")

import torch
from rsl_rl.algorithms import PPO
from tensordict import TensorDict

from circle import GAMMA, JUMP, PHASES, ROBOTS, SMALL, Circle, error, true_values
from locoenvs.wrappers.rsl_rl import RslRlVecEnv, TimeoutPPO
from locoenvs.wrappers.rsl_rl.learner import RslRlLearner


def build(
    kind: type[PPO], recurrent: bool = False, time_outs: bool = True, **algorithm: Any
) -> tuple[RslRlVecEnv, PPO]:
    torch.manual_seed(0)
    env = RslRlVecEnv(Circle("torch", time_outs))
    network: dict[str, Any] = {"class_name": "MLPModel", "hidden_dims": [16], "activation": "tanh"}
    if recurrent:
        network |= {"class_name": "RNNModel", "rnn_type": "lstm", "rnn_hidden_dim": 8}
    gaussian = {"class_name": "GaussianDistribution", "init_std": 1.0, "std_type": "scalar"}
    settings = {
        "num_steps_per_env": 6,
        "obs_groups": {"actor": ["policy"], "critic": ["policy"]},
        "multi_gpu": None,
        "actor": {**network, "distribution_cfg": gaussian},
        "critic": dict(network),
        "algorithm": {
            "class_name": f"{kind.__module__}:{kind.__name__}",
            "gamma": GAMMA,
            "lam": 0.9,
            "schedule": "fixed",
            "num_learning_epochs": 4,
            "num_mini_batches": 2,
            "use_clipped_value_loss": False,
            **algorithm,
        },
    }
    with contextlib.redirect_stdout(io.StringIO()):
        made = kind.construct_algorithm(env.get_observations(), env, settings, "cpu")
    assert type(made) is kind
    made.train_mode()
    return env, made


def learned_values(kind: type[PPO], time_outs: bool = True) -> torch.Tensor:
    """The critic's value of each phase after training."""
    env, algorithm = build(kind, time_outs=time_outs)
    for update in range(120):
        for group in algorithm.optimizer.param_groups:
            group["lr"] = 0.02 * 0.96**update
        with torch.inference_mode():
            observation = env.get_observations()
            for _ in range(algorithm.storage.num_transitions_per_env):
                observation, reward, done, extras = env.step(algorithm.act(observation))
                algorithm.process_env_step(observation, reward, done, extras)
            algorithm.compute_returns(observation)
        algorithm.update()
    phases = TensorDict({"policy": torch.eye(PHASES)}, batch_size=[PHASES])
    with torch.inference_mode():
        return algorithm.critic(phases).squeeze(-1)


def test_the_values_that_a_time_out_could_be_confused_with_all_differ() -> None:
    values = true_values()
    for phase in range(PHASES):
        final, reset = (phase + 1) % PHASES, (phase + 1 + JUMP) % PHASES
        assert len({round(float(values[i]), 2) for i in (phase, final, reset)}) == 3


def test_the_critic_finds_the_known_value() -> None:
    assert error(learned_values(TimeoutPPO)) < 0.05


def test_left_alone_rsl_rl_does_not_find_it() -> None:
    assert error(learned_values(PPO)) > 0.1


def test_without_any_bootstrap_it_is_not_found() -> None:
    values = learned_values(TimeoutPPO, time_outs=False)
    assert error(values) > 0.3
    assert bool((values.numpy() < true_values()).all())  # every cut loses what comes after it


def stepped(recurrent: bool) -> tuple[PPO, dict[str, Any], torch.Tensor, torch.Tensor]:
    """One step in which robot 0 runs out of time, robot 1 fails and the others go on."""
    env, algorithm = build(TimeoutPPO, recurrent)
    with torch.inference_mode():
        if recurrent:  # so that the hidden state is not zero
            algorithm.act(env.get_observations())
        algorithm.act(env.get_observations())
        env.step(torch.zeros(ROBOTS, 1))
        done = torch.zeros(ROBOTS, dtype=torch.long)
        done[:2] = 1
        time_outs = torch.zeros(ROBOTS, dtype=torch.bool)
        time_outs[0] = True
        reward = torch.linspace(0.0, 1.0, ROBOTS)
        final = TensorDict({"policy": torch.randn(ROBOTS, PHASES)}, batch_size=[ROBOTS])
        extras = {"time_outs": time_outs, "final_observations": final, "more": 1}
        kept = {**extras, "time_outs": time_outs.clone(), "final_observations": final.clone()}
        hidden = algorithm.critic.get_hidden_state()
        expected = reward.clone()
        expected[0] += GAMMA * algorithm.critic(final)[0, 0]
        algorithm.critic.reset(hidden_state=hidden)
        given = reward.clone()
        algorithm.process_env_step(env.get_observations(), given, done, extras)
        assert torch.equal(given, reward), "the environment's rewards were changed"
        assert extras.keys() == kept.keys()
        assert torch.equal(extras["time_outs"], kept["time_outs"])
        assert torch.equal(extras["final_observations"]["policy"], kept["final_observations"]["policy"])
    return algorithm, extras, expected, algorithm.storage.rewards[0, :, 0]


@pytest.mark.parametrize("recurrent", [False, True])
def test_only_robots_whose_time_ran_out_get_the_value_of_their_final_observation(recurrent: bool) -> None:
    algorithm, _, expected, stored = stepped(recurrent)
    torch.testing.assert_close(stored, expected, rtol=0, atol=1e-6)
    assert abs(float(stored[0])) > 1e-3
    assert torch.equal(stored[1:], expected[1:])
    assert bool((algorithm.storage.dones[0, :2] == 1).all())


def test_looking_at_the_final_observation_leaves_the_critics_memory_as_it_is() -> None:
    algorithm, _, _, _ = stepped(recurrent=True)
    torch.manual_seed(0)
    env, other = build(TimeoutPPO, recurrent=True)
    with torch.inference_mode():
        other.act(env.get_observations())
        other.act(env.get_observations())
    for after, before in zip(algorithm.critic.get_hidden_state(), other.critic.get_hidden_state(), strict=True):
        assert torch.equal(after[:, 2:], before[:, 2:]) and bool((before[:, 2:] != 0).any())
        assert bool((after[:, :2] == 0).all())  # those episodes are over


def test_the_learning_rate_stays_below_its_bound() -> None:
    _, algorithm = build(TimeoutPPO, max_learning_rate=2e-3)
    algorithm.learning_rate = 1e-2
    assert algorithm.learning_rate == 2e-3
    algorithm.learning_rate = 1e-3
    assert algorithm.learning_rate == 1e-3


def test_the_learning_rate_goes_on_from_where_it_was_saved() -> None:
    first, second = (RslRlLearner(Circle("torch"), SMALL, None, seed) for seed in (0, 1))
    first.algorithm.learning_rate = 7e-4
    second.load(first.save(), second.env.get_observations()["policy"])
    assert second.algorithm.learning_rate == 7e-4
