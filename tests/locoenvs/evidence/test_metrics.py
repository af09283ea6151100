"""The confidence intervals of metrics. What the metrics are is in test_evaluate.py, on robots whose motion is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from locoenvs.evidence.metrics import bootstrap, metrics_of, wilson
from locoenvs.evidence.record import Record


def test_wilson_interval() -> None:
    """E. B. Wilson's formula, computed by hand for 8 of 10 and for none of 10."""
    some, none = wilson(8, 10), wilson(0, 10)
    assert (some.low, some.value, some.high) == pytest.approx((0.4902, 0.8, 0.9433), abs=1e-4)
    assert (none.low, none.value, none.high) == pytest.approx((0.0, 0.0, 0.2775), abs=1e-4)


def test_bootstrap_covers_the_standard_error_of_a_mean() -> None:
    values = np.random.default_rng(1).normal(3.0, 2.0, 400)
    found = bootstrap(values, np.ones(400))
    assert found.value == pytest.approx(values.mean())
    error = 1.96 * values.std() / math.sqrt(400)
    assert found.low == pytest.approx(values.mean() - error, abs=0.03)
    assert found.high == pytest.approx(values.mean() + error, abs=0.03)
    assert bootstrap(np.array([2.0]), np.array([4.0])).low is None
    assert bootstrap(np.array([1.0, 3.0]), np.array([1.0, 1.0])).value == 2.0


def test_the_bootstrap_is_of_the_ratio_of_sums() -> None:
    """Two robots whose denominators differ: 10 of 1 and 0 of 9 are 1, not 5; the interval goes from one to the other."""
    found = bootstrap(np.array([10.0, 0.0]), np.array([1.0, 9.0]))
    assert (found.low, found.value, found.high, found.count) == (0.0, 1.0, 10.0, 2)
    assert bootstrap(np.array([3.0, 0.0]), np.array([1.0, 0.0])).value == 3.0  # a robot of which nothing was seen


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_is_none_is_told_by_its_metric_and_its_robot(value: float) -> None:
    names = ("speed", "power", "moved", "slip", "contacts", "base_height")
    series = {name: np.ones((5, 4)) for name in names}
    record = Record(
        alive=np.ones((5, 4), bool),
        series=series,
        fell_at=np.zeros((5, 4), bool),
        succeeded=np.ones(4, bool),
        reset_reason=np.ones(4, int),
        weight=np.ones(4),
        level=np.zeros(4, int),
        kind=np.array(["plane"] * 4),
        drawn={},
        dt=0.02,
    )
    some = np.ones((5, 4), bool)
    some[:, 0] = False
    assert metrics_of(record, some, True)["speed"].value == 1
    series["speed"][2, 3] = value
    with pytest.raises(
        ValueError, match=rf"metric speed of robot 3 is {value}, not a finite number \(1 robots in all\)"
    ):
        metrics_of(record, some, True)
    series["speed"][2, 3], series["slip"][4, 1] = 1, value
    with pytest.raises(ValueError, match="metric foot_slip of robot 1 is"):
        metrics_of(record, some, True)
