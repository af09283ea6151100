"""The tally of a training's steps, on robots whose every number is known."""

from __future__ import annotations

from typing import Any

import array_api_compat.numpy as xp
import numpy as np
import pytest

from fake import BIPED, FakeSimulator
from locoenvs.envs import backends
from locoenvs.tasks.entries import Term, TileShare
from locoenvs.tasks.task import (
    Curriculum,
    Observations,
    Randomization,
    Rewards,
    Start,
    Task,
    Terrain,
    Timing,
)
from locoenvs.wrappers.metered import MeteredEnv

TASK = Task(
    BIPED,
    timing=Timing(episode_length=0.06),
    terrain=Terrain(levels=3, columns=3, shares=(TileShare("flat", 0.35), TileShare("rough", 0.65))),
    curriculum=Curriculum(enabled=False),
    observations=Observations.paper(heights=None, noise=False),
    rewards=Rewards({"action_rate": Term(-2.0), "termination": Term(-5.0)}, clip_at_zero=True),
    randomization=Randomization(pushes=None, start=Start(velocity=0.0)),
    action_clip=3.0,
)


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch) -> MeteredEnv:
    monkeypatch.setattr(
        backends, "installed", lambda: {"fake": lambda: lambda t, h, n, *, device=None: FakeSimulator(xp, n)}
    )
    made = MeteredEnv(TASK, 4, backend="fake", stagger=False)
    made.reset(seed=0)
    made.clear()
    return made


def act(env: Any, *values: float, falls: int | None = None) -> None:
    """The same action for both joints of each robot."""
    env.simulator.forces[:] = 0
    if falls is not None:
        env.simulator.forces[falls, 0, 2] = 9.0
    env.step(np.repeat(np.float32(values)[:, None], 2, axis=1))


def test_it_adds_up_rewards_terms_ends_and_clipped_actions(env: MeteredEnv) -> None:
    """Per second of robot time: a term is the mean over robots and steps divided by the control step."""
    act(env, 1, 0, 0, 0)
    act(env, 1, 0, 0, 2, falls=1)
    act(env, 1, 0, 3, 2)  # 3 is the clip; robots 0, 2 and 3 run out of time
    line = env.tally()
    changes = 2 * (1**2 + 2**2 + 3**2)
    assert line["terms_per_second"] == pytest.approx({"action_rate": -2 * changes / 12, "termination": -5 / 12})
    assert line["reward_per_second"] == pytest.approx(-5 / 12)  # the cost of the actions is clipped at zero
    assert {name: count for name, count in line["resets"].items() if count} == {"time_limit": 3, "base_contact": 1}
    assert line["action_clip_rate"] == pytest.approx(1 / 12)
    assert line["levels"] == {"flat": 0.5, "rough": 0.0}  # robots 0 and 3 of levels 0 and 1, robots 1 and 2 of level 0


def test_a_new_tally_knows_nothing_of_the_one_before(env: MeteredEnv) -> None:
    act(env, 5, 5, 5, 5, falls=0)
    assert env.tally()["action_clip_rate"] == 1.0 and env.seconds > 0 and env.steps == 1
    env.clear()
    assert (env.seconds, env.steps) == (0.0, 0)
    act(env, 0, 0, 0, 0)
    line = env.tally()
    assert line["action_clip_rate"] == 0.0 and line["resets"]["base_contact"] == 0


def test_steps_that_are_counted_together_count_as_one_by_one(env: MeteredEnv) -> None:
    """As of a rollout that was one compiled program: arrays lead with robots and steps."""
    draw = np.random.default_rng(0)
    actions, rewards = draw.normal(size=(5, 4, 2)) * 3, draw.normal(size=(5, 4))
    reasons = draw.integers(0, 4, size=(5, 4)).astype(np.int32)
    env.count(5, actions, rewards, {"action_rate": rewards * 2}, reasons)
    whole = env.tally()
    env.clear()
    for action, reward, reason in zip(actions, rewards, reasons):
        env.count(1, action, reward, {"action_rate": reward * 2}, reason)
    each = env.tally()
    assert whole["resets"] == each["resets"] and sum(whole["resets"].values()) == int((reasons > 0).sum())
    for name in ("reward_per_second", "action_clip_rate", "terms_per_second"):
        assert whole[name] == pytest.approx(each[name]), name
