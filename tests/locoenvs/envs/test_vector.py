"""The vector API: exact protocol on a counting environment, and on MuJoCo what only real physics can show."""

from __future__ import annotations

import copy
import dataclasses
import functools
import gc
import itertools
import pickle
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import array_api_compat.numpy as xp
import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.wrappers.vector import RecordEpisodeStatistics

from fake import BIPED, FakeSimulator
from locoenvs.envs import backends
from locoenvs.envs.registration import task as task_of
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.mdp.state import Readout
from locoenvs.numerics import rows
from locoenvs.tasks.entries import Term
from locoenvs.tasks.recipes import task as recipe_task
from locoenvs.tasks.robots import ROBOTS
from locoenvs.tasks.task import (
    Curriculum,
    Observations,
    PenaltySchedule,
    Rewards,
    Task,
    Terrain,
    Timing,
)

DT = 0.02
A1 = task_of("Loco/A1-Flat-v0")
FLAT = recipe_task(ROBOTS["AnymalC"], "flat")
SHORT = dataclasses.replace(FLAT, timing=Timing(episode_length=10 * DT))
COUNTING = Task(
    BIPED,
    terrain=Terrain(kind="plane"),
    timing=Timing(episode_length=3 * DT),
    curriculum=Curriculum(enabled=False),
    observations=Observations.paper(heights=None, noise=False),
    rewards=Rewards({"action_rate": Term(1.0)}, clip_at_zero=False),
)
"""With action t in call t, ``last_action`` tells which call an observation is of (0: a new episode), and the reward
0.02 * 2 joints * (t - previous action)^2 whether the episode went on (1 call later) or began (previous action 0)."""


class Counting(FakeSimulator):
    """A simulator without an engine that counts what it is asked for."""

    def __init__(self, num_envs: int) -> None:
        super().__init__(xp, num_envs)
        self.closed = 0

    def close(self) -> None:
        self.closed += 1

    def save(self, physics: object) -> dict[str, np.ndarray]:
        assert isinstance(physics, Readout)
        return {name: np.array(value) for name, value in rows.named_arrays(physics)}

    def restore(self, saved: dict[str, np.ndarray]) -> object:
        template = Readout(**{field.name: np.zeros(0) for field in dataclasses.fields(Readout)})
        return rows.from_named(template, lambda name: np.array(saved[name]))

    def render(self, physics: object, robot: int, size: tuple[int, int] = (640, 480)) -> np.ndarray:
        return np.full((4, 6, 3), robot, np.uint8)


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Callable[..., LocoVectorEnv]:
    monkeypatch.setattr(
        backends, "installed", lambda: {"counting": lambda: lambda t, h, n, *, device=None: Counting(n)}
    )

    def make(num_envs: int = 3, task: Task = COUNTING, **options: Any) -> LocoVectorEnv:
        return LocoVectorEnv(task, num_envs, backend="counting", **{"stagger": False, **options})

    return make


def last_action(env: LocoVectorEnv, observation: np.ndarray) -> list[float]:
    slot = next(slot for slot in env.observation_layout if slot.name == "last_action")
    return observation[:, slot.start].tolist()


def reward(*changes: int) -> Any:
    """What changes of the action earn in the counting environment."""
    return pytest.approx([DT * 2 * change**2 for change in changes], rel=1e-6)


def roll(env: LocoVectorEnv, calls: int, falls: dict[int, int]) -> Iterator[tuple[Any, ...]]:
    """Action t in call t; robot ``falls[t]`` falls in call t."""
    for t in range(1, calls + 1):
        env.simulator.forces[:] = 0
        if t in falls:
            env.simulator.forces[falls[t], 0] = (0, 0, 9)
        yield env.step(np.full((env.num_envs, 2), t, np.float32))
    env.simulator.forces[:] = 0


def flatten(tree: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """All arrays in what an environment returns, with their names."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from flatten(value, f"{prefix}.{key}")
    elif isinstance(tree, tuple | list):
        for index, value in enumerate(tree):
            yield from flatten(value, f"{prefix}.{index}")
    else:
        yield prefix, tree


def assert_equal(a: Any, b: Any) -> None:
    pairs = list(zip(flatten(a), flatten(b), strict=True))
    for (name, ours), (other, theirs) in pairs:
        assert name == other
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs), err_msg=name)


def act(num_envs: int, t: int, size: float = 0.3) -> np.ndarray:
    """Actions of each robot at each step, whatever the number of robots."""
    robot, joint = np.arange(num_envs)[:, None], np.arange(12)
    return (size * np.sin(1.7 * robot + 0.9 * joint + 0.35 * t)).astype(np.float32)


# Autoreset


def test_same_step_begins_the_next_episode_at_once(counting: Callable[..., LocoVectorEnv]) -> None:
    env = counting()
    observation, info = env.reset(seed=0)
    assert last_action(env, observation) == [0, 0, 0] and info == {}
    steps = list(roll(env, 7, falls={2: 1}))
    assert [last_action(env, step[0]) for step in steps] == [
        [1, 1, 1],
        [2, 0, 2],
        [0, 3, 0],
        [4, 4, 4],
        [5, 0, 5],
        [0, 6, 0],
        [7, 7, 7],
    ]
    assert [step[1].tolist() for step in steps] == [
        reward(1, 1, 1),
        reward(1, 1, 1),
        reward(1, 3, 1),
        reward(4, 1, 4),
        reward(1, 1, 1),
        reward(1, 6, 1),
        reward(7, 1, 7),
    ]
    no = [False] * 3
    assert [step[2].tolist() for step in steps] == [no, [False, True, False], no, no, no, no, no]
    truncated = [no, no, [True, False, True], no, [False, True, False], [True, False, True], no]
    assert [step[3].tolist() for step in steps] == truncated
    for t, (_, earned, terminated, truncation, info) in enumerate(steps, 1):
        assert last_action(env, info["final_obs"]) == [t, t, t]
        assert info["_final_obs"].tolist() == (terminated | truncation).tolist()
        assert info["time_outs"].tolist() == truncation.tolist()
        names = [env.reset_reasons[reason] for reason in info["reset_reason"]]
        expected = np.where(terminated, "base_contact", np.where(truncation, "time_limit", "running"))
        assert names == expected.tolist()
        np.testing.assert_array_equal(info["reward_terms"]["action_rate"], earned)
        assert info["log"]["episodes"] == (terminated | truncation).sum()
        assert "episode" not in info and "final_info" not in info
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert env.state.episodes.number.tolist() == [2, 2, 2] and env.state.episodes.step.tolist() == [1, 2, 1]


def test_next_step_resets_in_the_step_after_and_ignores_its_action(counting: Callable[..., LocoVectorEnv]) -> None:
    env = counting(autoreset_mode="next_step")
    env.reset(seed=0)
    steps = list(roll(env, 7, falls={2: 1, 3: 1}))  # the force on robot 1 in call 3, while it waits, counts for nothing
    assert [last_action(env, step[0]) for step in steps] == [
        [1, 1, 1],
        [2, 2, 2],
        [3, 0, 3],
        [0, 4, 0],
        [5, 5, 5],
        [6, 6, 6],
        [7, 0, 7],
    ]
    assert [step[1].tolist() for step in steps] == [
        reward(1, 1, 1),
        reward(1, 1, 1),
        reward(1, 0, 1),
        reward(0, 4, 0),
        reward(5, 1, 5),
        reward(1, 1, 1),
        reward(1, 0, 1),
    ]
    no = [False] * 3
    assert [step[2].tolist() for step in steps] == [no, [False, True, False], no, no, no, no, no]
    truncated = [no, no, [True, False, True], no, no, [False, True, False], [True, False, True]]
    assert [step[3].tolist() for step in steps] == truncated
    assert [step[4]["reset_reason"].tolist() for step in steps[:4]] == [[0, 0, 0], [0, 2, 0], [1, 0, 1], [0, 0, 0]]
    for observation, _, terminated, truncation, info in steps:
        assert info["_final_obs"].tolist() == (terminated | truncation).tolist()
        done = info["_final_obs"]
        np.testing.assert_array_equal(info["final_obs"][done], observation[done])
    assert env.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP


def test_disabled_resets_nothing_by_itself_and_refuses_to_step_robots_that_are_done(
    counting: Callable[..., LocoVectorEnv],
) -> None:
    env = counting(autoreset_mode="disabled")
    env.reset(seed=0)
    first, second = roll(env, 2, falls={2: 1})
    assert last_action(env, second[0]) == [2, 2, 2] and second[2].tolist() == [False, True, False]
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"robots 1 are done .*reset_mask"):
            env.step(np.zeros((3, 2), np.float32))
    env.reset(options={"reset_mask": np.array([True, False, False])})
    with pytest.raises(RuntimeError, match="robots 1 are done"):
        env.step(np.zeros((3, 2), np.float32))
    observation, info = env.reset(options={"reset_mask": np.array([False, True, False])})
    assert last_action(env, observation) == [0, 0, 2] and info == {}
    np.testing.assert_array_equal(observation[2], second[0][2])
    assert env.state.episodes.number.tolist() == [1, 1, 0]
    _, earned, terminated, truncated, _ = env.step(np.full((3, 2), 3, np.float32))
    assert earned.tolist() == reward(3, 3, 1)
    assert truncated.tolist() == [False, False, True] and not terminated.any()
    env.reset(seed=1)
    env.step(np.zeros((3, 2), np.float32))
    assert env.metadata["autoreset_mode"] is AutoresetMode.DISABLED


@pytest.mark.parametrize("mode", ["same_step", "next_step"])
def test_a_reset_mask_works_in_every_mode(counting: Callable[..., LocoVectorEnv], mode: str) -> None:
    env = counting(autoreset_mode=mode)
    env.reset(seed=0)
    list(roll(env, 2, falls={2: 1}))
    observation, _ = env.reset(options={"reset_mask": np.array([True, mode == "next_step", False])})
    assert last_action(env, observation) == [0, 0, 2]
    _, _, _, truncated, _ = env.step(np.full((3, 2), 3, np.float32))
    assert truncated.tolist() == [False, False, True] and env.state.episodes.step.tolist()[:2] == [1, 1]


@pytest.mark.parametrize("mode", AutoresetMode)
def test_gymnasiums_autoreset_modes_are_accepted(counting: Callable[..., LocoVectorEnv], mode: AutoresetMode) -> None:
    env = counting(autoreset_mode=mode)
    assert env.metadata["autoreset_mode"] is mode is counting(autoreset_mode=mode.name.lower()).autoreset_mode
    assert LocoVectorEnv.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP


def test_the_final_observation_is_what_is_seen_without_a_reset_and_costs_nothing() -> None:
    """On MuJoCo, with noise and pushes: stepping with and without autoreset gives the same bits."""
    task = dataclasses.replace(
        SHORT,
        randomization=dataclasses.replace(
            SHORT.randomization, pushes=dataclasses.replace(SHORT.randomization.pushes, interval=3 * DT)
        ),
    )
    auto, manual = (LocoVectorEnv(task, 8, autoreset_mode=mode) for mode in ("same_step", "disabled"))
    ours, _ = auto.reset(seed=5)
    theirs, _ = manual.reset(seed=5)
    np.testing.assert_array_equal(ours, theirs)
    resets = 0
    for t in range(35):
        ours, *outcome, info = auto.step(act(8, t))
        theirs, *expected, other = manual.step(act(8, t))
        assert_equal(outcome, expected)
        assert_equal(info, other)
        np.testing.assert_array_equal(info["final_obs"], theirs)
        done = info["_final_obs"]
        resets += int(done.sum())
        if done.any():
            assert (np.abs(ours[done] - theirs[done]).max(axis=1) > 0.1).all()
            theirs, _ = manual.reset(options={"reset_mask": done})
        np.testing.assert_array_equal(ours, theirs)
    assert resets >= 24
    auto.close()
    manual.close()


@pytest.mark.parametrize("mode", ["same_step", "next_step"])
def test_record_episode_statistics_counts_right(counting: Callable[..., LocoVectorEnv], mode: str) -> None:
    env = RecordEpisodeStatistics(counting(autoreset_mode=mode))
    env.reset(seed=0)
    found = []
    for t in range(1, 9):
        env.unwrapped.simulator.forces[1, 0, 2] = 9.0 * (t == 2)
        _, _, terminated, truncated, info = env.step(np.full((3, 2), t, np.float32))
        if (terminated | truncated).any():
            found.append((t, info["_episode"].tolist(), info["episode"]["l"].tolist(), info["episode"]["r"].tolist()))
    only, others = [False, True, False], [True, False, True]
    expected = {
        "same_step": [
            (2, only, [0, 2, 0], reward2(0, 2, 0)),
            (3, others, [3, 0, 3], reward2(3, 0, 3)),
            (5, only, [0, 3, 0], reward2(0, 9 + 2, 0)),
            (6, others, [3, 0, 3], reward2(16 + 2, 0, 16 + 2)),
            (8, only, [0, 3, 0], reward2(0, 36 + 2, 0)),
        ],
        "next_step": [
            (2, only, [0, 2, 0], reward2(0, 2, 0)),
            (3, others, [3, 0, 3], reward2(3, 0, 3)),
            (6, only, [0, 3, 0], reward2(0, 16 + 2, 0)),
            (7, others, [3, 0, 3], reward2(25 + 2, 0, 25 + 2)),
        ],
    }
    assert found == expected[mode]


def reward2(*squares: int) -> Any:
    return pytest.approx([DT * 2 * square for square in squares], rel=1e-5)


# Rewards and log


def test_reward_terms_sum_to_the_reward_before_the_clip() -> None:
    unclipped = dataclasses.replace(SHORT, rewards=dataclasses.replace(SHORT.rewards, clip_at_zero=False))
    env, other = LocoVectorEnv(SHORT, 16), LocoVectorEnv(unclipped, 16)
    env.reset(seed=0)
    other.reset(seed=0)
    negative = 0
    for t in range(12):
        _, clipped, *_, info = env.step(act(16, t, 1.0))
        _, total, *_, terms = other.step(act(16, t, 1.0))
        assert_equal(info["reward_terms"], terms["reward_terms"])
        np.testing.assert_allclose(sum(info["reward_terms"].values()), total, rtol=1e-5, atol=1e-7)
        np.testing.assert_array_equal(clipped, np.maximum(total, 0))
        negative += int((total < 0).sum())
    assert negative > 0
    assert tuple(info["reward_terms"]) == tuple(env.mdp.reward_terms)


def test_the_log_is_the_mean_over_the_episodes_that_ended(counting: Callable[..., LocoVectorEnv]) -> None:
    env = counting()
    env.reset(seed=0)
    logs = [step[4]["log"] for step in roll(env, 5, falls={2: 1})]
    assert [float(log["episodes"]) for log in logs] == [0, 1, 2, 0, 1]
    assert [float(log["episode_seconds"]) for log in logs] == pytest.approx([0, 2 * DT, 3 * DT, 0, 3 * DT])
    rate = DT * 2 / COUNTING.timing.episode_length
    assert [float(log["reward/action_rate"]) for log in logs] == pytest.approx([0, 2 * rate, 3 * rate, 0, 11 * rate])
    assert all(np.shape(value) == () for value in logs[0].values())


# Arrays


def scribble(tree: Any) -> None:
    """Overwrite every array of the tree."""
    for _, array in flatten(tree):
        array[...] = 1 if str(array.dtype).endswith("bool") else 77


@pytest.mark.parametrize("array", ["numpy", "torch"])
@pytest.mark.parametrize("noise", [True, False])
@pytest.mark.parametrize("mode", ["same_step", "next_step"])
def test_returned_arrays_belong_to_the_caller(array: str, noise: bool, mode: str) -> None:
    if array == "torch":
        pytest.importorskip("torch")
    task = SHORT if noise else dataclasses.replace(SHORT, observations=Observations.paper(heights=None, noise=False))
    make = functools.partial(LocoVectorEnv, task, 6, array=array, autoreset_mode=mode, privileged=True)
    twin, env = make(), make()
    actions = np.zeros((6, 12), np.float32)
    kept = []
    for t in range(-1, 25):
        actions[:] = act(6, t)
        given = actions if array == "numpy" else pytest.importorskip("torch").from_numpy(actions)
        expected = copy.deepcopy(twin.reset(seed=2) if t < 0 else twin.step(given))
        returned = env.reset(seed=2) if t < 0 else env.step(given)
        assert_equal(returned, expected)
        kept.append((copy.deepcopy(returned), returned))
        if t % 2:
            arrays = [(name, np.asarray(value)) for name, value in flatten(returned)]
            for (one, a), (other, b) in itertools.combinations(arrays, 2):
                assert not np.may_share_memory(a, b), f"{one} is {other}"
            scribble(returned)
            kept.pop()
        actions[:] = np.nan  # what the caller gave may be used again, too
    for copied, returned in kept:
        assert_equal(copied, returned)


def test_torch_in_and_out_shares_the_memory_of_numpy() -> None:
    torch = pytest.importorskip("torch")
    env, other = LocoVectorEnv(SHORT, 4, array="torch"), LocoVectorEnv(SHORT, 4)
    ours, theirs = env.reset(seed=1), other.reset(seed=1)
    for t in range(12):
        assert all(isinstance(value, torch.Tensor) for _, value in flatten(ours))
        assert_equal(ours, theirs)
        action = torch.from_numpy(act(4, t)).requires_grad_()
        ours, theirs = env.step(action), other.step(act(4, t))
    assert ours[0].dtype == ours[1].dtype == torch.float32 and ours[2].dtype == torch.bool
    assert ours[4]["log"]["episodes"].shape == ()


def test_jax_in_and_out() -> None:
    jax = pytest.importorskip("jax")
    env, other = LocoVectorEnv(SHORT, 4, array="jax", privileged=True), LocoVectorEnv(SHORT, 4, privileged=True)
    ours, theirs = env.reset(seed=1), other.reset(seed=1)
    for t in range(12):
        assert all(isinstance(value, jax.Array) for _, value in flatten(ours))
        assert_equal(ours, theirs)
        ours, theirs = env.step(jax.numpy.asarray(act(4, t))), other.step(act(4, t))


# Actions


def test_actions_are_checked(counting: Callable[..., LocoVectorEnv]) -> None:
    env = counting()
    good = np.zeros((3, 2), np.float32)
    with pytest.raises(RuntimeError, match=r"call reset\(\) first"):
        env.step(good)
    env.reset(seed=0)
    for shape in ((2,), (3,), (2, 2), (3, 3), (3, 2, 1)):
        with pytest.raises(ValueError, match=r"shape \(3, 2\).*got \(" + ", ".join(map(str, shape))):
            env.step(np.zeros(shape, np.float32))
    for dtype in (np.int64, np.int32, np.bool_, np.complex64):
        with pytest.raises(ValueError, match=f"floating point, got {np.dtype(dtype)}"):
            env.step(np.zeros((3, 2), dtype))
    for value in (np.nan, np.inf, -np.inf):
        bad = good.copy()
        bad[[0, 2], 1] = value
        with pytest.raises(ValueError, match="robots 0, 2 are NaN or infinite"):
            env.step(bad)
    assert env.state.episodes.step.tolist() == [0, 0, 0]  # nothing was stepped
    observation, *_ = env.step(np.full((3, 2), 0.25))
    assert observation.dtype == np.float32 and last_action(env, observation) == [0.25] * 3
    env.step([[0.0, 0.0]] * 3)
    many = counting(20)
    many.reset(seed=0)
    with pytest.raises(ValueError, match="robots 0, 1, 2, 3, 4, 5, 6, 7 and 12 more are NaN"):
        many.step(np.full((20, 2), np.nan))


def test_actions_beyond_the_clip_count_as_the_clip(counting: Callable[..., LocoVectorEnv]) -> None:
    env = counting()
    env.reset(seed=0)
    observation, *_ = env.step(np.full((3, 2), -1e30))
    assert last_action(env, observation) == [-COUNTING.action_clip] * 3


def test_torch_actions_are_checked() -> None:
    torch = pytest.importorskip("torch")
    env = LocoVectorEnv(FLAT, 2, array="torch")
    env.reset(seed=0)
    with pytest.raises(ValueError, match="robots 1 are NaN"):
        env.step(torch.tensor([[0.0] * 12, [float("nan")] * 12]))
    with pytest.raises(ValueError, match="floating point"):
        env.step(torch.zeros(2, 12, dtype=torch.int64))


# Seeds


def test_the_same_seed_gives_the_same_and_another_seed_another_episode() -> None:
    env, other = LocoVectorEnv(FLAT, 4), LocoVectorEnv(FLAT, 4)
    first, _ = env.reset(seed=123)
    assert env.observation_space.contains(first)
    state = env.np_random.bit_generator.state
    assert env.np_random_seed == 123
    again, _ = env.reset(seed=123)
    np.testing.assert_array_equal(first, again)
    assert env.np_random.bit_generator.state == state
    np.testing.assert_array_equal(first, other.reset(seed=np.int64(123))[0])
    different, _ = env.reset(seed=456)
    assert env.np_random.bit_generator.state != state
    assert (np.abs(first - different).max(axis=1) > 0.05).all()
    for a in range(4):
        for b in range(a):
            assert np.abs(first[a] - first[b]).max() > 0.05
    assert env.reset(seed=2**64 - 1)[0].shape == first.shape
    assert not np.array_equal(env.reset(seed=1)[0], env.reset(seed=1 + 2**32)[0])


def test_a_reset_without_a_seed_goes_on() -> None:
    env, other = LocoVectorEnv(FLAT, 2), LocoVectorEnv(FLAT, 2)
    first, _ = env.reset(seed=3)
    second, _ = env.reset()
    third, _ = env.reset(seed=None)
    assert not np.array_equal(first, second) and not np.array_equal(second, third)
    other.reset(seed=3)
    np.testing.assert_array_equal(other.reset()[0], second)
    np.testing.assert_array_equal(other.reset()[0], third)
    unseeded = [LocoVectorEnv(FLAT, 2).reset()[0] for _ in range(2)]
    assert not np.array_equal(*unseeded)


def test_splits_have_streams_of_their_own() -> None:
    seen = [LocoVectorEnv(FLAT, 2, split=split, stagger=False).reset(seed=0)[0] for split in ("train", "panel", "test")]
    assert not np.array_equal(seen[0], seen[1]) and not np.array_equal(seen[1], seen[2])


@pytest.mark.parametrize("seed", [[1, 2, 3], -1, 2**64, 1.5, "1"])
def test_other_seeds_are_refused(counting: Callable[..., LocoVectorEnv], seed: Any) -> None:
    with pytest.raises(ValueError, match=r"seed must be one integer in \[0, 2\^64\) for all robots, got"):
        counting().reset(seed=seed)


def test_reset_options_are_checked(counting: Callable[..., LocoVectorEnv]) -> None:
    env = counting()
    with pytest.raises(RuntimeError, match=r"call reset\(\) first"):
        env.reset(options={"reset_mask": np.ones(3, bool)})
    env.reset(seed=0)
    with pytest.raises(ValueError, match="unknown reset option 'reset_maks'; did you mean 'reset_mask'"):
        env.reset(options={"reset_maks": np.ones(3, bool)})
    with pytest.raises(ValueError, match=r"bool of shape \(3,\), got int64 of shape \(3,\)"):
        env.reset(options={"reset_mask": np.ones(3, np.int64)})
    with pytest.raises(ValueError, match=r"bool of shape \(3,\), got bool of shape \(2,\)"):
        env.reset(options={"reset_mask": np.ones(2, bool)})
    with pytest.raises(ValueError, match="not both"):
        env.reset(seed=1, options={"reset_mask": np.ones(3, bool)})
    env.reset(options={})
    env.reset(options={"reset_mask": None})
    assert env.state.episodes.number.tolist() == [0, 0, 0]


def trajectory(num_envs: int, steps: int, robots: int, task: Task, **options: Any) -> list[Any]:
    """What the first ``robots`` of ``num_envs`` robots see, earn and end with."""
    env = LocoVectorEnv(task, num_envs, **options)
    seen = [env.reset(seed=9)[0][:robots]]
    for t in range(steps):
        observation, earned, terminated, truncated, info = env.step(act(num_envs, t, 0.6))
        seen += [observation, earned, terminated, truncated, info["final_obs"], info["reset_reason"]]
        seen[-6:] = [array[:robots] for array in seen[-6:]]
    env.close()
    return seen


@pytest.mark.parametrize("num_envs", [64, pytest.param(512, marks=pytest.mark.slow)])
def test_a_robot_does_not_depend_on_how_many_others_there_are(num_envs: int) -> None:
    task = dataclasses.replace(FLAT, timing=Timing(episode_length=30 * DT))
    assert_equal(trajectory(1, 100, 1, task), trajectory(num_envs, 100, 1, task))


def test_robots_on_rough_ground_do_not_depend_on_others_or_threads() -> None:
    small = Terrain(levels=4, columns=7, border=4.0)
    task = dataclasses.replace(
        recipe_task(ROBOTS["AnymalC"], "rough"), terrain=small, timing=Timing(episode_length=20 * DT)
    )
    expected = trajectory(32, 50, 8, task, options={"threads": 1})
    assert_equal(expected, trajectory(8, 50, 8, task, options={"threads": 1}))
    assert_equal(expected, trajectory(32, 50, 8, task, options={"threads": 2}))
    assert any(reasons.any() for reasons in expected[6::6])


def test_training_staggers_the_first_time_limits_and_evaluation_does_not() -> None:
    train, panel = LocoVectorEnv(FLAT, 64), LocoVectorEnv(FLAT, 64, split="panel")
    for env in (train, panel):
        env.reset(seed=0)
    assert len(set(train.state.episodes.step.tolist())) > 50 and not panel.state.episodes.step.any()
    assert train.state.episodes.step.max() < FLAT.timing.max_episode_steps


# Observations


def test_the_privileged_critic_sees_no_noise() -> None:
    env, plain = LocoVectorEnv(FLAT, 5, privileged=True), LocoVectorEnv(FLAT, 5)
    perfect = LocoVectorEnv(dataclasses.replace(FLAT, observations=Observations.paper(heights=None, noise=False)), 5)
    seen, expected, clean = env.reset(seed=4)[0], plain.reset(seed=4)[0], perfect.reset(seed=4)[0]
    noise = plain.mdp.noise
    for t in range(6):
        assert set(seen) == {"policy", "critic"} and env.observation_space.contains(seen)
        np.testing.assert_array_equal(seen["policy"], expected)
        np.testing.assert_array_equal(seen["critic"], clean)
        difference = np.abs(expected - clean)
        assert (difference <= noise * (1 + 1e-5) + 1e-6).all() and (difference.max(axis=0) > 0.2 * noise)[
            noise > 0
        ].all()
        (seen, *_, info), (expected, *_), (clean, *_) = (e.step(act(5, t)) for e in (env, plain, perfect))
        assert env.observation_space.contains(info["final_obs"])
        assert env.single_observation_space["policy"] is not env.single_observation_space["critic"]


def test_the_layout_names_every_number_of_the_observation() -> None:
    for ground, size in (("flat", 48), ("rough", 48 + 108)):
        task = recipe_task(ROBOTS["AnymalC"], ground)
        env = LocoVectorEnv(dataclasses.replace(task, terrain=Terrain(kind="plane")), 1)
        slots = env.observation_layout
        assert env.single_observation_space.shape == (size,) and slots[0].start == 0 and slots[-1].stop == size
        assert all(a.stop == b.start for a, b in zip(slots, slots[1:]))
        scales = {slot.name: (slot.stop - slot.start, slot.unit, slot.scale, slot.noise) for slot in slots}
        assert scales | {"heights": None} == {
            "base_linear_velocity": (3, "m/s", 2.0, 0.1),
            "base_angular_velocity": (3, "rad/s", 0.25, 0.2),
            "projected_gravity": (3, "1", 1.0, 0.05),
            "command_linear_velocity": (2, "m/s", 2.0, 0.0),
            "command_yaw_rate": (1, "rad/s", 0.25, 0.0),
            "joint_position": (12, "rad", 1.0, 0.01),
            "joint_velocity": (12, "rad/s", 0.05, 1.5),
            "last_action": (12, "1", 1.0, 0.0),
            "heights": None,
        }
        assert scales.get("heights") == ((108, "m", 5.0, 0.1) if ground == "rough" else None)


# Saving


@pytest.mark.parametrize("mode", ["same_step", "next_step"])
def test_saved_robots_go_on_bit_by_bit(mode: str) -> None:
    env = LocoVectorEnv(SHORT, 6, autoreset_mode=mode)
    env.reset(seed=7)
    waits = False
    for t in range(40):
        _, _, terminated, truncated, _ = env.step(act(6, t))
        waits = mode == "same_step" or bool((terminated | truncated).any())
        if t > 10 and waits:
            break
    assert waits
    saved = env.save()
    copied = copy.deepcopy(saved)
    expected = [copy.deepcopy(env.step(act(6, t))) for t in range(100)]
    assert_equal(saved, copied)  # a later step changes nothing that was saved
    fresh = LocoVectorEnv(SHORT, 6, autoreset_mode=mode)
    fresh.reset(seed=99)
    random = fresh.np_random.bit_generator.state
    for other in (fresh, env):
        other.restore(saved)
        assert_equal([other.step(act(6, t)) for t in range(100)], expected)
    assert fresh.np_random.bit_generator.state == random
    with pytest.raises(ValueError, match="6 robots, this environment 5"):
        LocoVectorEnv(SHORT, 5).restore(saved)


def test_restoring_returns_the_observation_to_act_on() -> None:
    env = LocoVectorEnv(SHORT, 3)
    env.reset(seed=7)
    seen, *_ = env.step(act(3, 0))
    np.testing.assert_array_equal(LocoVectorEnv(SHORT, 3).restore(env.save()), seen)


def test_robots_that_wait_are_saved(counting: Callable[..., LocoVectorEnv]) -> None:
    env = counting(autoreset_mode="disabled")
    env.reset(seed=0)
    list(roll(env, 1, falls={1: 2}))
    other = counting(autoreset_mode="disabled")
    other.restore(env.save())
    with pytest.raises(RuntimeError, match="robots 2 are done"):
        other.step(np.zeros((3, 2), np.float32))


# Pictures, and the end


def test_rendering(counting: Callable[..., LocoVectorEnv], monkeypatch: pytest.MonkeyPatch) -> None:
    env = counting(render_mode="rgb_array", render_robot=2)
    with pytest.raises(RuntimeError, match=r"call reset\(\) first"):
        env.render()
    env.reset(seed=0)
    pictures = env.render()
    assert isinstance(pictures, tuple) and len(pictures) == 1
    assert pictures[0].shape == (4, 6, 3) and (pictures[0] == 2).all()
    assert env.metadata["render_fps"] == 50
    plain = counting()
    plain.reset(seed=0)
    assert plain.render() is None
    with pytest.raises(ValueError, match=r"render_robot must be in \[0, 3\).*got 3"):
        counting(render_mode="rgb_array", render_robot=3)
    with pytest.raises(ValueError, match="'human': this backend opens no window; use render_mode='rgb_array'"):
        counting(render_mode="human")
    shown: list[int] = []
    monkeypatch.setattr(Counting, "show", lambda self, physics, robot: shown.append(robot), raising=False)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(ValueError, match="no display to open a window on; use render_mode='rgb_array'"):
        counting(render_mode="human")
    monkeypatch.setenv("DISPLAY", ":0")
    human = counting(render_mode="human", render_robot=1)
    human.reset(seed=0)
    human.step(np.zeros((3, 2), np.float32))
    assert shown == [1, 1] and human.render() is None


def test_metadata_is_each_environments_own(
    counting: Callable[..., LocoVectorEnv], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    one, other = counting(), counting(autoreset_mode="disabled")
    one.metadata["render_modes"].append("mine")
    one.metadata["render_fps"] = 1
    assert other.metadata["render_modes"] == ["rgb_array", "human"] == LocoVectorEnv.metadata["render_modes"]
    assert other.metadata["render_fps"] == 50 and one.autoreset_mode is not other.autoreset_mode


def test_closing_frees_the_engine(counting: Callable[..., LocoVectorEnv]) -> None:
    env = counting()
    env.reset(seed=0)
    simulator = env.simulator
    freed = weakref.ref(simulator)
    env.close()
    env.close()
    assert simulator.closed == 1 and env.closed
    for use in (lambda: env.step(np.zeros((3, 2), np.float32)), env.reset, env.save, lambda: env.state):
        with pytest.raises(RuntimeError, match="closed: make a new one"):
            use()
    del simulator
    gc.collect()
    assert freed() is None


# What is asked for


def test_it_is_a_vector_environment_and_an_environment(counting: Callable[..., LocoVectorEnv]) -> None:
    env = counting()
    assert isinstance(env, VectorEnv) and isinstance(env, gymnasium.Env) and env.unwrapped is env
    assert env.observation_space.shape == (3, 18) and env.action_space.shape == (3, 2)
    assert env.single_observation_space.shape == (18,) and env.single_action_space.shape == (2,)
    env.reset(seed=0)
    env.step(env.action_space.sample())


# Copies, and numbers that all robots share


@pytest.mark.parametrize("way", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))], ids=["copy", "pickle"])
@pytest.mark.parametrize("mode", ["same_step", "next_step", "disabled"])
def test_a_copy_goes_on_as_the_original(way: Callable[[Any], Any], mode: Any) -> None:
    pytest.importorskip("mujoco")
    short = dataclasses.replace(A1, timing=Timing(episode_length=0.12))
    env = LocoVectorEnv(short, 4, autoreset_mode=mode, privileged=True, stagger=False, backend="mujoco")
    env.reset(seed=3)
    action = np.full((4, 12), 0.2, np.float32)
    env.step(action)
    other = way(env)
    for _ in range(9):
        ours, theirs = env.step(action), other.step(action)
        np.testing.assert_equal(theirs, ours)
        done = ours[2] | ours[3]
        if mode == "disabled" and done.any():
            for each in (env, other):
                each.reset(options={"reset_mask": done})
    np.testing.assert_equal(other.reset(), env.reset())  # the next seed of its own generator, too
    fresh, closed = way(LocoVectorEnv(short, 2, backend="mujoco")), LocoVectorEnv(short, 2, backend="mujoco")
    with pytest.raises(RuntimeError, match=r"call reset\(\) first"):
        fresh.step(action[:2])
    closed.close()
    with pytest.raises(RuntimeError, match="closed"):
        way(closed).reset()


def test_a_number_of_all_robots_is_a_scalar_that_gymnasium_can_count(counting: Callable[..., LocoVectorEnv]) -> None:
    env = counting()
    env.reset(seed=0)
    *_, info = env.step(np.zeros((3, 2), np.float32))
    value = info["log"]["episodes"]
    assert value.shape == () and float(value) == value + 0.0 and len(value) == 3 and list(value) == [value] * 3
    assert len(pickle.loads(pickle.dumps(np.array([1.0, 2.0]).view(type(value))))) == 2


def test_pictures_of_all_robots_or_of_one(counting: Callable[..., LocoVectorEnv]) -> None:
    env = counting(render_mode="rgb_array")
    env.reset(seed=0)
    pictures = env.render()
    assert pictures is not None and [int(picture[0, 0, 0]) for picture in pictures] == [0, 1, 2]
    with pytest.raises(
        ValueError, match="draws every robot, and 17 are too many: name the one to draw, render_robot=0"
    ):
        LocoVectorEnv(A1, 17, backend="mujoco", render_mode="rgb_array")
    for size in ({"width": 0}, {"height": 5000}, {"width": 1.5}):
        with pytest.raises(ValueError, match="must be from 1 to .* pixels"):
            counting(render_mode="rgb_array", **size)


@pytest.mark.slow
def test_stepping_in_a_forked_process(tmp_path: Path) -> None:
    """The engine's threads are its parent's: the child makes its own, and goes on bit by bit."""
    script = """
import multiprocessing, sys
import numpy as np
from locoenvs.envs.registration import make, task

drive = sys.argv[1]
robots = 400 if drive == "lstm" else 8
env = make("Loco/AnymalC-Flat-v0", num_envs=robots, actuator=drive, backend="mujoco", options={"threads": 2})
env.reset(seed=0)
action = np.zeros((robots, 12), np.float32)
env.step(action)

def child(pipe):
    pipe.send([env.step(action)[0] for _ in range(3)])

ours, theirs = multiprocessing.Pipe()
process = multiprocessing.get_context("fork").Process(target=child, args=(theirs,))
process.start()
assert ours.poll(60), "it hangs"
received = ours.recv()
process.join(30)
assert process.exitcode == 0
assert all(np.array_equal(seen, env.step(action)[0]) for seen in received)
"""
    for drive in ("pd", "lstm"):
        command = [sys.executable, "-W", "ignore", "-c", script, drive]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert ran.returncode == 0, ran.stderr[-2000:]


def test_spaces_and_frame_rate_are_the_tasks(counting: Callable[..., LocoVectorEnv]) -> None:
    seen = dataclasses.replace(COUNTING.observations, clip=7.0)
    task = dataclasses.replace(COUNTING, action_clip=3.0, observations=seen, timing=Timing(decimation=8))
    env = counting(2, task, privileged=True)
    for name in ("policy", "critic"):
        space = env.single_observation_space[name]  # type: ignore[index]
        assert (space.low.min(), space.low.max(), space.high.min(), space.high.max()) == (-7, -7, 7, 7)
    action = env.single_action_space
    assert (action.low.tolist(), action.high.tolist()) == ([-3, -3], [3, 3])
    assert env.metadata["render_fps"] == 25 and env.action_space.shape == (2, 2)


def test_the_clock_of_training_is_saved_and_goes_on(counting: Callable[..., LocoVectorEnv]) -> None:
    """Penalties that grow in training go on from where they were, also when all robots begin new episodes."""
    schedule = PenaltySchedule(start=0.5, control_steps=10)
    rewards = Rewards({"action_rate": Term(-1.0)}, clip_at_zero=False, penalty_schedule=schedule)
    env = counting(1, dataclasses.replace(COUNTING, rewards=rewards))
    env.reset(seed=0)
    for _ in range(4):
        env.step(np.zeros((1, 2), np.float32))
    saved = env.save()
    env.reset(seed=0)
    assert int(env.state.clock) == 0
    env.restore(saved)
    assert int(env.state.clock) == 4
    _, paid, *_ = env.step(np.ones((1, 2), np.float32))
    assert paid == pytest.approx([-DT * 2 * 0.7])
