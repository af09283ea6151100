from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import viewed
from locoenvs.numerics.rotation import heading, rotate
from locoenvs.policies.policy import POLICIES, Policy, load_policy
from locoenvs.tools.view.commands import Order
from locoenvs.tools.view.gamepad import Gamepad
from locoenvs.tools.view.keys import actions
from locoenvs.tools.view.session import Session
from locoenvs.tools.view.setup import Setup
from locoenvs.tools.view.viewer import MOST_ENDS, Viewer

pytest.importorskip("mujoco")
pytest.importorskip("onnxruntime")


@pytest.fixture
def viewer() -> Iterator[Viewer]:
    session = Session(viewed.flat().task, viewed.flat())
    yield Viewer(session)
    session.close()


def run(viewer: Viewer, seconds: float, begin: float = 0.0) -> None:
    """Tick as the loop does, on a clock of the test's own."""
    for index in range(round(seconds * 100)):
        viewer.tick(begin + index / 100 + 1e-6)


def test_steps_are_made_in_real_time_and_remembered(viewer: Viewer) -> None:
    run(viewer, 2.0)
    assert viewer.session.steps == 100 and viewer.time == pytest.approx(2.0)
    assert viewer.clock.dropped == 0
    table = viewer.rewards.table()
    assert table.shape == (1 + len(viewer.session.env.mdp.reward_terms), 20)
    tracking = 1 + viewer.rewards.names.index("linear_velocity_tracking")
    assert 0.5 < table[tracking, -1] <= 1.0  # per second, as the weights are


def test_pause_step_and_slow_motion(viewer: Viewer) -> None:
    run(viewer, 1.0)
    viewer.pause()
    run(viewer, 1.0, begin=1.0)
    assert viewer.session.steps == 50
    viewer.post(viewer.clock.single)
    run(viewer, 1.0, begin=2.0)
    assert viewer.session.steps == 51
    viewer.pause()
    viewer.clock.speed = 0.5
    run(viewer, 1.0, begin=3.0)
    assert viewer.session.steps == 51 + 25


def test_what_is_asked_for_happens_between_steps_and_what_goes_wrong_is_said(viewer: Viewer) -> None:
    viewer.post(lambda: viewer.session.change(Setup(friction=99.0)))
    viewer.tick(0.0)
    assert viewer.said == "friction 99.0: must be from 0 to 3" and viewer.session.steps == 1


def test_a_policy_that_diverges_pauses(viewer: Viewer) -> None:
    viewer.session.swap(viewed.Diverged())
    run(viewer, 0.1)
    assert viewer.clock.paused and "diverged" in viewer.said
    viewer.session.swap(viewed.flat())
    viewer.pause()
    run(viewer, 0.1, begin=1.0)
    assert viewer.session.steps > 0


def test_a_push_is_as_strong_as_it_says_and_goes_where_it_says(viewer: Viewer) -> None:
    def world() -> np.ndarray:
        readout = viewer.session.readout
        return rotate(readout.base_quaternion, readout.base_linear_velocity)[0, :2]

    before, angle = world(), heading(viewer.session.readout.base_quaternion)[0] + np.pi / 2
    viewer.push(0.7, 90.0)
    np.testing.assert_allclose(world() - before, 0.7 * np.array([np.cos(angle), np.sin(angle)]), atol=1e-6)
    before, place = world(), viewer.session.readout.base_position[0]
    viewer.click(place - (2.0, 0.0, -0.5), np.array([2.0, 0.0, -0.5]), 1.5)
    np.testing.assert_allclose(world() - before, [1.5, 0.0], atol=1e-6)


def test_why_episodes_ended_is_counted(viewer: Viewer) -> None:
    for count in range(12):
        while sum(viewer.counts.values()) == count:
            viewer.session.push((0.0, 5.0))
            viewer._remember(viewer.session.step())
        assert viewer.ends[0][0] == viewer.time
    assert sum(viewer.counts.values()) == 12 and len(viewer.ends) == MOST_ENDS


def test_keys_drive_push_and_stop(viewer: Viewer) -> None:
    keys = actions(viewer, lambda: 1.0)
    for key in ("I", "I", "K", "U", "J"):
        keys[key][1]()
    order = viewer.session.order
    assert (order.mode, order.forward, order.sideways, order.yaw_rate) == ("yaw rate", 0.1, 0.1, 0.1)
    keys["X"][1]()
    assert viewer.session.order == Order()
    keys["space"][1]()
    assert viewer.clock.paused
    keys["enter"][1]()
    assert viewer.tick(0.0) == 1 and viewer.tick(0.1) == 0
    keys["P"][1]()
    assert viewer.said == "pushed by 1 m/s"
    for key in ("R", "H"):
        keys[key][1]()
    assert {"W", "A", "S", "D", "Q", "E"}.isdisjoint(keys), "they move the camera"


class Newer:
    """What a training writes."""

    def __init__(self, *policies: Policy) -> None:
        self._policies = list(policies)

    def newer(self, now: float) -> Policy | None:
        return self._policies.pop(0) if self._policies else None


def test_a_newer_policy_takes_over_if_it_fits(viewer: Viewer) -> None:
    again = load_policy(POLICIES / "anymal_c_flat")
    viewer.source = Newer(again, viewed.rough())
    viewer.tick(0.0)
    assert viewer.session.policy is again and viewer.said == "newer policy, 1500 updates"
    viewer.tick(0.02)
    assert viewer.session.policy is again and "does not fit the task" in viewer.said


def test_a_gamepad_that_vanishes_stops_the_robots(viewer: Viewer, tmp_path: Path) -> None:
    device = tmp_path / "js0"
    os.mkfifo(device)
    kernel = os.open(device, os.O_RDWR)
    viewer.gamepad = Gamepad(device)
    viewer.tick(0.0)
    os.write(kernel, struct.pack("<IhBB", 0, -32767, 2, 1) + struct.pack("<IhBB", 0, 1, 1, 7))
    viewer.tick(0.02)
    assert viewer.session.order.forward == 1.0 and viewer.clock.paused
    os.close(kernel)
    viewer.tick(0.04)
    assert viewer.session.order == Order() and "is gone" in viewer.said
