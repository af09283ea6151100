from __future__ import annotations

import pytest

from locoenvs.tools.view.clock import Clock


def test_steps_come_when_they_are_due() -> None:
    clock = Clock(0.02)
    assert [clock.due(now) for now in (0.0, 0.01, 0.021, 0.03, 0.065)] == [1, 0, 1, 0, 2]
    assert clock.wait(0.065) == pytest.approx(0.015)
    assert (clock.steps, clock.dropped) == (4, 0)


def test_a_little_late_is_made_up_for_and_what_is_more_is_dropped() -> None:
    clock = Clock(0.02)
    clock.due(0.0)
    assert clock.due(0.101) == 5 and clock.dropped == 0
    assert clock.due(1.101) == 5 and clock.dropped == 45
    assert clock.dropped_share == 45 / 56
    assert clock.due(1.11) == 0 and clock.due(1.121) == 1


def test_slow_motion_has_fewer_steps() -> None:
    clock = Clock(0.02, speed=0.25)
    assert sum(clock.due(0.005 * index) for index in range(200)) == 13
    assert clock.dropped == 0


def test_nothing_is_due_in_a_pause_but_single_steps() -> None:
    clock = Clock(0.02)
    clock.due(0.0)
    clock.paused = True
    assert clock.due(5.0) == 0
    clock.single()
    clock.single(2)
    assert clock.due(5.1) == 3 and clock.due(5.2) == 0 and clock.paused
    clock.paused = False
    assert clock.due(9.0) == 1 and clock.dropped == 0


def test_time_that_building_took_is_not_dropped() -> None:
    clock = Clock(0.02)
    clock.due(0.0)
    clock.restart()
    assert clock.due(3.0) == 1 and clock.dropped == 0


def test_the_rate_is_that_of_the_last_seconds() -> None:
    clock = Clock(0.02)
    for index in range(1000):
        clock.due(0.02 * index + 0.001)
    assert clock.rate == pytest.approx(50.0, rel=0.01)
    clock.paused = True
    for index in range(1000, 1400):
        clock.due(0.02 * index)
    assert clock.rate == 0.0
