"""The comparison of backends: native MuJoCo with itself is no difference at all, and a difference is seen."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from locoenvs.benchmarks.parity import FLAT, STAIRS, Driver, Trace, compared, forces, parity, scene, standing, swinging
from locoenvs.evidence.panel import panel_of
from locoenvs.policies.policy import POLICIES, load_policy


def test_native_mujoco_agrees_with_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    driver, again = (Driver("mujoco", FLAT, 3, None) for _ in range(2))
    start, targets = scene("plane", FLAT, 3)
    assert targets.shape == (100, 3, 12)
    one, two = driver.rollout(start, targets[:40]), again.rollout(start, targets[:40])
    found = compared(one, two)
    assert found["largest_rad"] == 0 and found["first_apart"] is None and found["never_apart"] == 3


def test_when_joints_come_apart() -> None:
    begin = standing(FLAT, np.zeros((2, 3)))
    steps = [dataclasses.replace(begin, joint_position=begin.joint_position.copy()) for _ in range(5)]
    other = [dataclasses.replace(step, joint_position=step.joint_position.copy()) for step in steps]
    other[1].joint_position[0, 3] += 5e-4
    other[3].joint_position[0, 3] -= 2e-3
    other[4].joint_position[0, 7] += 0.5
    found = compared(Trace(begin, steps), Trace(begin, other))
    assert (found["first_apart"], found["median_apart"], found["never_apart"]) == (3, 4, 1)
    assert found["largest_rad"] == pytest.approx(0.5, rel=1e-5) and found["after_one_control_step_rad"] == 0


def test_a_standing_robot_weighs_what_it_weighs() -> None:
    driver = Driver("mujoco", FLAT, 2, None)
    found = forces(FLAT, driver.rollout(*scene("standing", FLAT, 2)))
    assert found["all_contacts"][2] == pytest.approx(found["weight"], rel=2e-3)
    assert sum(found["each_foot_up"]) == pytest.approx(found["weight"], rel=2e-3)


def test_on_stairs_robots_start_above_the_ground_and_stand() -> None:
    """Buried ones would be thrown out, and compare nothing."""
    driver = Driver("mujoco", STAIRS, 8, None)
    start, targets = scene("stairs", STAIRS, 8)
    trace = driver.rollout(start, targets[:25])
    height = trace.series("base_position")[..., 2] - start.base_position[:, 2]
    assert (height < 0).all() and not trace.steps[-1].broken.any(), "none is thrown up"
    assert np.abs(trace.steps[0].contact_force).max() < STAIRS.robot.mass * 9.81
    up = 1 - 2 * (trace.series("base_quaternion")[..., 1:3] ** 2).sum(axis=-1)
    assert (up.min(axis=0) > 0.5).all(), "none falls on its side"
    assert (height[-1] > -0.7).all()


def test_targets_rest_first_and_differ_between_robots() -> None:
    targets = swinging(FLAT, 3, 30, 0.2, rest=10)
    default = [joint.default for joint in FLAT.robot.joints]
    np.testing.assert_allclose(targets[:10], np.broadcast_to(default, (10, 3, 12)), atol=1e-6)
    assert np.abs(targets[10:] - default).max() == pytest.approx(0.2, abs=0.01)
    assert not np.array_equal(targets[20, 0], targets[20, 1])


def test_results_are_kept_and_what_is_there_is_not_done_again(tmp_path: Path) -> None:
    out = tmp_path / "parity.json"
    first = parity(("mujoco",), ("panel",), panel_robots=4, out=out)
    assert set(first["parts"]["panel"]) == {"mujoco"} and first["parts"]["panel"]["mujoco"]["robots"] == 4
    document = json.loads(out.read_text())
    document["parts"]["panel"]["mujoco"]["robots"] = 99
    out.write_text(json.dumps(document))
    assert parity(("mujoco",), ("panel",), panel_robots=4, out=out)["parts"]["panel"]["mujoco"]["robots"] == 99
    both = parity(("mujoco",), ("panel", "rough_panel"), panel_robots=4, out=out)["parts"]
    rough = load_policy(POLICIES / "anymal_c_rough_lstm").task
    asked = dataclasses.replace(panel_of(rough), num_robots=4)
    assert both["rough_panel"]["mujoco"]["panel"] == asked.hash and "success_rate" in both["rough_panel"]["mujoco"]
