from __future__ import annotations

import numpy as np

from locoenvs.tools.view.history import History


def test_the_last_ten_seconds_in_a_hundred_points() -> None:
    history = History(("a", "b"), 0.02)
    for step in range(1000):
        history.add(0.02 * step, {"a": step, "b": -1.0})
    table = history.table()
    assert table.shape == (3, 100)
    np.testing.assert_allclose(np.diff(table[0]), 0.1)
    assert table[0, -1] - table[0, 0] < 10.0 and table[0, -1] == 0.02 * 999
    np.testing.assert_array_equal(table[1, -2:], [992.0, 997.0])  # means of five steps
    np.testing.assert_array_equal(table[2], -1.0)


def test_before_there_is_anything_it_is_zero() -> None:
    history = History(("a",), 0.02)
    assert history.table().shape == (2, 2) and not history.table()[1].any()
    history.add(0.0, {"a": 1.0})
    history.clear()
    assert not history.table()[1].any()
