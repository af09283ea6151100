"""Two motions have the same check sum if they are the same, and not if a bit differs."""

from __future__ import annotations

import numpy as np

from locoenvs.evidence.failures import trace


def summed(motion: np.ndarray) -> np.ndarray:
    sums = trace.begun(motion.shape[1])
    for where in motion:
        sums = trace.gone_on(sums, where)
    return sums


def test_one_bit_anywhere_shows_and_each_robot_is_for_itself() -> None:
    motion = np.random.default_rng(0).normal(size=(5, 3, 4)).astype(np.float32)
    sums = summed(motion)
    np.testing.assert_array_equal(summed(motion[:, [2, 0]]), sums[[2, 0]])
    assert len(set(sums.tolist())) == 3
    for step, robot, column in np.ndindex(motion.shape):
        other = motion.copy()
        other[step, robot, column] = np.nextafter(other[step, robot, column], np.float32(np.inf))
        np.testing.assert_array_equal(summed(other) != sums, np.arange(3) == robot)


def test_the_order_of_steps_counts_and_a_step_more_does() -> None:
    motion = np.random.default_rng(0).normal(size=(5, 1, 4)).astype(np.float32)
    assert summed(motion) != summed(motion[::-1]) and summed(motion) != summed(motion[:4])
