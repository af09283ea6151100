"""Each audit passes what is sound and finds what is not."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import array_api_compat.numpy as xp
import numpy as np
import pytest

from fake import BIPED, FakeSimulator
from locoenvs.envs import backends
from locoenvs.evidence.audit import audit_result
from locoenvs.evidence.evaluate import evaluate
from locoenvs.evidence.metrics import Estimate, tiles_of
from locoenvs.evidence.panel import Panel, Stratum, load_panel, panel_of
from locoenvs.evidence.result import Result
from locoenvs.evidence.robots import Robots
from locoenvs.mdp.layout import layout
from locoenvs.policies.policy import POLICIES, Policy, load_policy, save_policy
from locoenvs.tasks.task import Curriculum, Task, Terrain, Timing

SOUND = {"commanded_speed": 0.8, "speed": 0.7, "action_clip_rate": 0.0}


def result(broken: int = 0, **changes: float) -> Result:
    return Result(
        panel="p",
        panel_hash="0",
        task_hash="0",
        policy_sha256=None,
        backend="mujoco",
        num_robots=100,
        episode_seconds=20.0,
        metrics={name: Estimate(value, None, None, 100) for name, value in {**SOUND, **changes}.items()},
        reset_reasons={"time_limit": 100 - broken, "base_contact": 0, "broken_physics": broken},
        strata={},
        versions={},
        wall_seconds=1.0,
    )


def failed(findings: Any) -> list[str]:
    return [finding.name for finding in findings if not finding.passed]


@pytest.mark.parametrize(
    ("found", "names"),
    [
        (result(), []),
        (result(speed=0.1), ["moves"]),
        (result(speed=0.0, commanded_speed=0.0), []),
        (result(action_clip_rate=0.2), ["actions within the clip"]),
        (result(broken=1), ["physics holds"]),
    ],
)
def test_evaluations(found: Result, names: list[str]) -> None:
    assert failed(audit_result(found)) == names


def test_what_a_result_does_not_tell_is_not_checked() -> None:
    told = {name: estimate for name, estimate in result().metrics.items() if name == "action_clip_rate"}
    found = audit_result(dataclasses.replace(result(), metrics=told, reset_reasons={"time_limit": 100}))
    assert [finding.name for finding in found] == ["actions within the clip"]


@pytest.mark.parametrize("reason", ["base_contact", "broken_physics", "map_edge"])
@pytest.mark.parametrize(("together", "names"), [(50, []), (51, ["ends spread"])])
def test_robots_that_end_together_are_found(together: int, names: list[str], reason: str) -> None:
    """Fifty of a hundred within half a second is what a push may do; one more is not."""
    seconds = [10.0 + 0.01 * index for index in range(together)] + [0.2 * index for index in range(100 - together)]
    fell = [True] * together + [index % 2 == 0 for index in range(100 - together)]
    robots = Robots(
        kind=["plane"] * 100,
        level=[0] * 100,
        drawn={},
        groups={},
        succeeded=[not each for each in fell],
        fell=fell,
        seconds=seconds,
        reset_reason=[reason if each else "time_limit" for each in fell],
        numerators={},
        denominators={},
    )
    found = audit_result(dataclasses.replace(result(), robots=robots))
    assert failed(found) == names
    if names:
        assert f"51 of 100 robots ended between 10 and 10.5 s, 51 by {reason}" in [finding.message for finding in found]


@pytest.mark.parametrize(("falls", "names"), [(9, ["ends spread"]), (8, [])])
def test_an_evaluation_in_which_robots_fell_together_is_found(
    falls: int, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many of sixteen fall at the hundredth step, on whatever they walk."""
    simulator = FakeSimulator(xp, 16)
    simulator.close = lambda: None  # type: ignore[attr-defined]
    monkeypatch.setattr(backends, "load", lambda name: lambda task, ground, count, device=None: simulator)
    base, steps = BIPED.contact_bodies.index("base"), itertools.count(1)

    def idle(observation: np.ndarray) -> np.ndarray:
        simulator.forces[:falls, base, 2] = 9.0 if next(steps) == 100 else 0.0
        return np.zeros((16, 2), np.float32)

    task = Task(
        BIPED, timing=Timing(episode_length=3.0), terrain=Terrain(kind="plane"), curriculum=Curriculum(enabled=False)
    )
    panel = Panel(name="p", description="", task=task, seed=0, num_robots=16, strata=())
    findings = [each for each in audit_result(evaluate(idle, panel)) if each.name == "ends spread"]
    assert failed(findings) == names
    assert findings[0].message.startswith(
        "9 of 16 robots ended between 2 and 2.5 s, 9 by base_contact" if names else "at most 8 of 16 robots ended"
    )


def test_the_message_says_what_was_found() -> None:
    assert (
        audit_result(dataclasses.replace(result(speed=0.1)))[0].message == "mean speed 0.10 m/s of 0.80 m/s commanded"
    )


@pytest.mark.parametrize(
    ("found", "names"),
    [
        (result(speed=0.4), []),  # half of what was asked for, 0.8 m/s, still moves
        (result(speed=0.39), ["moves"]),
        (result(action_clip_rate=0.01), []),
        (result(action_clip_rate=0.011), ["actions within the clip"]),
    ],
)
def test_evaluations_at_the_limit_of_what_is_sound(found: Result, names: list[str]) -> None:
    assert failed(audit_result(found)) == names


@pytest.mark.parametrize(
    ("name", "most"), [("torque_saturation", 0.05), ("velocity_saturation", 0.01), ("joint_limit_rate", 0.05)]
)
def test_drives_at_their_limits(name: str, most: float) -> None:
    said = f"{name.removesuffix('_rate').replace('_', ' ')} is rare"
    assert failed(audit_result(result(**{name: most}))) == []
    assert failed(audit_result(result(**{name: most + 0.001}))) == [said]


@pytest.mark.parametrize(("error", "names"), [(0.29, []), (0.375, []), (0.376, ["turns"]), (0.8, ["turns"])])
def test_robots_that_do_not_turn(error: float, names: list[str]) -> None:
    """The shipped policies are off by 0.20 to 0.29 rad/s where 0.75 or more are commanded, one that never turns by 0.75 at least."""
    metrics = {"yaw_rate_error": Estimate(error, None, None, 100)}
    found = dataclasses.replace(result(), strata={"commanded_yaw_rate": {"turning": metrics, "spinning": metrics}})
    findings = [each for each in audit_result(found, load_panel("flat")) if each.name != "groups have robots"]
    assert failed(findings) == names
    assert findings[-1].message == f"off by {error:.2f} rad/s where 0.75 rad/s or more are commanded"
    assert "turns" not in [each.name for each in audit_result(found, load_panel("rough"))]


def test_a_policy_that_never_turns_follows_its_velocity_and_is_found() -> None:
    """The shipped policy, to whom it is never told that it shall turn: all succeed, as success on a plane is of the velocity."""
    policy = load_policy(POLICIES / "anymal_c_flat")
    told = next(part for part in layout(policy.task) if part.name == "command_yaw_rate").start

    def straight(observation: np.ndarray) -> np.ndarray:
        observation = observation.copy()
        observation[:, told] = 0.0
        return policy(observation)

    whole = panel_of(policy.task)
    timing = dataclasses.replace(whole.task.timing, episode_length=3.0)
    panel = dataclasses.replace(whole, num_robots=8, task=dataclasses.replace(whole.task, timing=timing))
    for acts, turns in ((policy, True), (straight, False)):
        found = evaluate(acts, panel, "mujoco", options={"threads": 1})
        assert found.metrics["success_rate"].value == 1.0
        assert {each.name: each.passed for each in audit_result(found, panel)}["turns"] == turns


def test_groups_that_nobody_is_in() -> None:
    panel = load_panel("flat")
    whole = {stratum.quantity: {group.label: SOUND for group in stratum.groups} for stratum in panel.strata}
    made = {name: {label: result().metrics for label in groups} for name, groups in whole.items()}
    assert failed(audit_result(dataclasses.replace(result(), strata=made), panel)) == []
    del made["friction"]["low"]
    finding = audit_result(dataclasses.replace(result(), strata=made), panel)[-1]
    assert not finding.passed and finding.message == "nobody was in friction: low"


@pytest.mark.parametrize("quantity", ["level", "terrain_and_level", "terrain"])
def test_tiles_that_nobody_is_on(quantity: str) -> None:
    panel = load_panel("rough")
    panel = dataclasses.replace(panel, strata=(Stratum(quantity),))
    every = {label: result().metrics for label in tiles_of(panel.task.terrain, quantity)}
    found = dataclasses.replace(result(), strata={quantity: every})
    assert failed(audit_result(found, panel)) == []
    gone = list(every)[:9]
    few = {label: metrics for label, metrics in every.items() if label not in gone}
    finding = audit_result(dataclasses.replace(found, strata={quantity: few}), panel)[-1]
    assert not finding.passed and f"nobody was in {quantity.replace('_', ' ')}: {gone[0]}; " in finding.message
    assert finding.message.endswith(" and 1 more") == (len(gone) == 9)  # there are seven kinds


def stale(folder: Path, std: float) -> Policy:
    """The shipped policy of flat ground with a normalization by ``std`` that its first layer undoes: it acts as before."""
    policy = load_policy(POLICIES / "anymal_c_flat")
    network = policy._network
    (weight, bias), *rest = network.layers
    size = weight.shape[1]
    layers = [(weight * np.float32(std), bias), *rest]
    save_policy(folder, policy.task, layers, mean=np.zeros(size), std=np.full(size, std), provenance={})
    return load_policy(folder)


@pytest.mark.parametrize(("std", "names"), [(1.0, []), (0.02, ["normalization fits"])])
def test_a_stale_normalization_is_found_though_the_robots_walk(std: float, names: list[str], tmp_path: Path) -> None:
    policy = stale(tmp_path / "policy", std)
    timing = dataclasses.replace(policy.task.timing, episode_length=2.0)
    panel = panel_of(policy.task)
    panel = dataclasses.replace(panel, num_robots=8, task=dataclasses.replace(panel.task, timing=timing), strata=())
    found = evaluate(policy, panel, "mujoco", options={"threads": 1})
    assert found.metrics["fall_rate"].value == 0.0
    assert failed(audit_result(found)) == names
    assert Result.from_json(found.to_json()) == found
