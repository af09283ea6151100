"""The published test vectors of the random streams, and what the streams promise."""

from __future__ import annotations

import array_api_compat.numpy as xp
import array_api_compat.torch as torch_xp
import numpy as np
import pytest

from locoenvs.numerics import rng

VECTORS = {
    # (seed, split, robot, episode, step, purpose) -> the first four draws, times 2^24; 128 seed families
    (0, 0, 0, 0, 0, 0): [9998070, 10073181, 15157311, 11233302],
    (1, 0, 0, 0, 0, 0): [14514231, 15920537, 11675314, 11876119],
    (0, 1, 0, 0, 0, 0): [3209566, 12984295, 8755660, 9042432],
    (0, 0, 4095, 7, 999, 10): [10511659, 12998051, 9979858, 1250056],
    (2**63 + 12345, 1, 128, 1, 2, 3): [15752897, 16151748, 9036809, 1499891],
}


@pytest.mark.parametrize("namespace", ["numpy", "torch", "jax"])
@pytest.mark.parametrize("words", VECTORS)
def test_vectors(words: tuple[int, ...], namespace: str) -> None:
    ns = {"numpy": xp, "torch": torch_xp}.get(namespace) or pytest.importorskip("jax.numpy")
    seed, split, robot, episode, step, purpose = words
    key = rng.robot_key(seed, split, ns.asarray([robot], dtype=ns.int32), families=128)
    counters = (ns.asarray([word], dtype=ns.int32) for word in (episode, step))
    draws = rng.uniform(key, *counters, rng.Purpose(purpose), 4)
    assert [int(value * 2**24) for value in draws[0]] == VECTORS[words]


def stream(seed: int = 0, split: int = 0, robots: int = 1000, purpose: rng.Purpose = rng.Purpose.PUSH) -> np.ndarray:
    robot = np.arange(robots, dtype=np.int32)
    return rng.uniform(rng.robot_key(seed, split, robot, 128), robot * 0, robot * 0, purpose, 64)


def test_a_robots_draws_do_not_depend_on_how_many_robots_there_are() -> None:
    assert np.array_equal(stream(robots=10), stream(robots=1000)[:10])


def test_seeds_splits_purposes_and_robots_have_streams_of_their_own() -> None:
    streams = [stream(), stream(seed=1), stream(seed=2**32), stream(split=1), stream(purpose=rng.Purpose.COMMAND)]
    values = np.concatenate([made.ravel() for made in streams])
    first_pairs = {tuple(row[:2]) for made in streams for row in made}
    assert len(first_pairs) == 5000
    for made in streams[1:]:
        assert abs(np.corrcoef(streams[0].ravel(), made.ravel())[0, 1]) < 0.02
    assert abs(values.mean() - 0.5) < 0.002 and abs(values.std() - 12**-0.5) < 0.002
    assert values.min() >= 0 and values.max() < 1


def test_between_stays_within_its_ends() -> None:
    made = rng.between(stream(), -1.0, 3.0)
    assert made.min() >= -1 and made.max() < 3 and abs(made.mean() - 1) < 0.01


def test_robots_of_a_family_have_streams_of_their_own_that_the_number_of_families_changes() -> None:
    robot = np.arange(64, dtype=np.int32)
    keys = {families: rng.robot_key(5, 0, robot, families) for families in (8, 128)}
    assert all(len(set(key.tolist())) == 64 for key in keys.values())
    same = (keys[8] == keys[128]).nonzero()[0]
    assert same.tolist() == list(range(8))  # robot modulo families is the same for those only


def test_each_step_episode_and_index_has_a_draw_of_its_own() -> None:
    key = rng.robot_key(0, 0, np.zeros(1, np.int32), 128)
    draws = [
        float(value)
        for episode in range(10)
        for step in range(10)
        for value in rng.uniform(key, np.int32([episode]), np.int32([step]), rng.Purpose.PUSH, 10)[0]
    ]
    assert len(set(draws)) == 1000
