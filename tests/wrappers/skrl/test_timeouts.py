"""SKRL's critic, on torch and on JAX, finds the known value of an MDP that only time-outs cut, see :mod:`circle`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("skrl")

import torch
from skrl.agents.torch.ppo import PPO
from skrl.memories.torch import RandomMemory

from circle import GAMMA, PHASES, ROBOTS, SMALL, Circle, error, true_values
from locoenvs.wrappers.skrl import Actor, Critic, SkrlEnv, TimeoutPPO, skrl_config
from locoenvs.wrappers.skrl.learner import rollout

CONSTANT: dict[str, Any] = {"learning_rate_scheduler": None, "learning_rate_scheduler_kwargs": {}}


def built(kind: type[PPO], env: SkrlEnv, **cfg: Any) -> PPO:
    torch.manual_seed(0)
    agent = kind(
        models={"policy": Actor(env, SMALL), "value": Critic(env, SMALL)},
        memory=RandomMemory(memory_size=SMALL.horizon, num_envs=ROBOTS, device="cpu", replacement=False),
        observation_space=env.observation_space,
        state_space=env.state_space,
        action_space=env.action_space,
        device="cpu",
        cfg={**skrl_config(SMALL), **CONSTANT, **cfg},
    )
    agent.init()
    agent.enable_training_mode(True)
    return agent


def learned_values(kind: type[PPO], time_outs: bool = True, **cfg: Any) -> np.ndarray:
    """The critic's value of each phase after training."""
    env = SkrlEnv(Circle("torch", time_outs))
    agent = built(kind, env, **cfg)
    for update in range(120):
        agent.optimizer.param_groups[0]["lr"] = 0.02 * 0.96**update
        rollout(env, agent, SMALL.horizon)
        agent.tracking_data.clear()
    with torch.no_grad():
        return agent.value.act({"observations": torch.eye(PHASES)}, role="value")[0].numpy()


def test_the_critic_finds_the_known_value() -> None:
    assert error(learned_values(TimeoutPPO)) < 0.05


@pytest.mark.parametrize("bootstrap", [False, True])
def test_left_alone_skrl_does_not_find_it(bootstrap: bool) -> None:
    assert error(learned_values(PPO, time_limit_bootstrap=bootstrap)) > 0.1


def test_without_time_outs_it_is_not_found() -> None:
    values = learned_values(TimeoutPPO, time_outs=False)
    assert error(values) > 0.3 and bool((values[:, 0] < true_values()).all())


def test_only_robots_whose_time_ran_out_get_the_value_of_their_final_observation() -> None:
    env = SkrlEnv(Circle("torch"))
    agent = built(TimeoutPPO, env, rewards_shaper=lambda rewards, *_: 10 * rewards)
    observations, _ = env.reset()
    actions, _ = agent.act(observations, None, timestep=0, timesteps=1)
    following, rewards, terminated, truncated, infos = env.step(actions)
    given, final = rewards.clone(), infos["final_observations"]
    assert rewards.shape == terminated.shape == truncated.shape == (ROBOTS, 1) and not terminated.any()
    with torch.no_grad():
        expected = 10 * rewards + GAMMA * truncated * agent.value.act({"observations": final}, role="value")[0]
    agent.record_transition(
        observations=observations,
        states=None,
        actions=actions,
        rewards=rewards,
        next_observations=following,
        next_states=None,
        terminated=terminated,
        truncated=truncated,
        infos=infos,
        timestep=0,
        timesteps=1,
    )
    stored = {name: agent.memory.get_tensor_by_name(name)[0] for name in ("rewards", "terminated", "truncated")}
    torch.testing.assert_close(stored["rewards"], expected)
    assert torch.equal(rewards, given), "the environment's rewards were changed"
    assert torch.equal(stored["terminated"], truncated) and not stored["truncated"].any()
    assert torch.equal(env.reset()[0], following)  # a trainer that resets loses nothing


@pytest.mark.parametrize("log", [False, True])
def test_the_log_is_there_if_it_is_asked_for(log: bool) -> None:
    *_, infos = SkrlEnv(Circle("torch"), log=log).step(torch.zeros(ROBOTS, 1))
    assert ("log" in infos) is log


def jax_values(time_outs: bool) -> np.ndarray:
    """The critic's value of each phase after training on JAX."""
    jax = pytest.importorskip("jax")
    pytest.importorskip("flax")
    from skrl import config
    from skrl.memories.jax import RandomMemory as JaxMemory

    from locoenvs.wrappers.skrl import with_jax

    config.jax.key = jax.random.PRNGKey(0)
    np.random.seed(0)
    env = with_jax.SkrlJaxEnv(Circle("jax", time_outs))
    agent = with_jax.TimeoutPPO(
        models=with_jax.models(env, SMALL),
        memory=JaxMemory(memory_size=SMALL.horizon, num_envs=ROBOTS, device=env.device, replacement=False),
        observation_space=env.observation_space,
        state_space=env.state_space,
        action_space=env.action_space,
        device=env.device,
        cfg={**skrl_config(SMALL, with_jax.KLAdaptiveLR), "learning_rate_scheduler_kwargs": {"kl_threshold": 0.0}},
    )
    agent.init()
    agent.enable_training_mode(True)
    for update in range(80):
        agent.value_scheduler = agent.policy_scheduler = lambda *_, lr, kl, rate=0.03 * 0.94**update: rate
        rollout(env, agent, SMALL.horizon)
        agent.tracking_data.clear()
    return np.asarray(agent.value.act({"observations": jax.numpy.eye(PHASES)}, role="value")[0])


def test_on_jax_the_critic_finds_the_known_value() -> None:
    assert error(jax_values(time_outs=True)) < 0.05


def test_on_jax_without_time_outs_it_is_not_found() -> None:
    assert error(jax_values(time_outs=False)) > 0.3


class Scaled:
    """Something that SKRL puts before a network: a third of what it is given, and three times of it the other way."""

    def __call__(self, values: Any, *, train: bool = False, inverse: bool = False, **_: Any) -> Any:
        return None if values is None else values * 3 if inverse else values / 3


def test_final_observations_and_values_go_through_skrls_own_scaling() -> None:
    env = SkrlEnv(Circle("torch"))
    scaling = {"observation_preprocessor": Scaled, "state_preprocessor": Scaled, "value_preprocessor": Scaled}
    agent = built(TimeoutPPO, env, **scaling)
    final = torch.rand(ROBOTS, PHASES)
    with torch.no_grad():
        expected = 3 * agent.value.act({"observations": final / 3}, role="value")[0]
    torch.testing.assert_close(agent._values({"final_observations": final}, slice(None)), expected)
