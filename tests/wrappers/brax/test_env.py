"""The batched environment as Brax sees it: pure functions of a state, over an engine on the host."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("brax")

import jax
import jax.numpy as jnp

from circle import PHASES, ROBOTS, STEPS, Circle
from locoenvs.wrappers.brax import BraxEnv


def test_steps_under_jit_are_the_steps_of_the_environment() -> None:
    env, same = BraxEnv(Circle()), Circle()
    expected, _ = same.reset()
    state = jax.jit(env.reset)(jax.random.split(jax.random.PRNGKey(0), ROBOTS))
    assert np.array_equal(state.obs["state"], expected)

    def unroll(state: object, _: None) -> tuple[object, object]:
        following = env.step(state, jnp.zeros((ROBOTS, 1)))  # type: ignore[arg-type]
        return following, following

    _, states = jax.jit(lambda state: jax.lax.scan(unroll, state, None, length=2 * STEPS))(state)
    for step in range(2 * STEPS):
        observation, reward, terminated, truncated, info = same.step(np.zeros((ROBOTS, 1)))
        assert np.array_equal(states.obs["state"][step], observation)
        assert np.array_equal(states.obs["final_state"][step], info["final_obs"])
        assert np.array_equal(states.reward[step], reward)
        assert np.array_equal(states.done[step], truncated) and np.array_equal(
            states.info["truncation"][step], truncated
        )
    lengths, ended = states.info["episode_metrics"]["length"], np.asarray(states.done, dtype=bool)
    assert set(np.unique(np.asarray(lengths)[STEPS:][ended[STEPS:]])) == {STEPS}
    sums = np.asarray(states.info["episode_metrics"]["sum_reward"])[STEPS:][ended[STEPS:]]
    assert set(np.round(np.unique(sums), 2)) <= {np.float32(1.2), np.float32(0.3)}


def test_more_robots_than_there_are_is_told() -> None:
    env = BraxEnv(Circle())
    for keys in (jax.random.split(jax.random.PRNGKey(0), 2 * ROBOTS), jax.random.split(jax.random.key(0), 2 * ROBOTS)):
        with pytest.raises(ValueError, match=f"asks for {2 * ROBOTS} robots, but the environment has {ROBOTS}: set"):
            env.reset(keys)


def test_a_second_reset_before_a_step_is_the_same_beginning() -> None:
    env = BraxEnv(Circle())
    key = jax.random.split(jax.random.PRNGKey(0), ROBOTS)
    first = env.reset(key)
    following = env.step(env.reset(key[:2]), jnp.zeros((ROBOTS, 1)))
    assert not np.array_equal(following.obs["state"], first.obs["state"])
    assert np.array_equal(env.reset(key).obs["state"], first.obs["state"])
    assert env.observation_size == {"state": PHASES, "final_state": PHASES} and env.action_size == 1
