"""Each reward term against a value computed by hand."""

from __future__ import annotations

import dataclasses
import math

import array_api_compat.numpy as xp
import numpy as np
import pytest

from fake import BIPED
from locoenvs.mdp import rewards
from locoenvs.mdp.mdp import Mdp, prepare
from locoenvs.mdp.rewards import Step, reward_terms
from locoenvs.mdp.state import Readout
from locoenvs.mdp.terrain import build
from locoenvs.tasks.entries import Term
from locoenvs.tasks.task import PAPER_TERMS, Observations, PenaltySchedule, Rewards, Task, Terrain

DT = 0.02


def mdp(config: Rewards = Rewards()) -> Mdp:
    task = Task(BIPED, terrain=Terrain(kind="plane"), observations=Observations.paper(heights=None), rewards=config)
    return prepare(task, build(task.terrain), xp)


def row(*values: float) -> np.ndarray:
    return np.array([values], dtype=np.float32)


def step(config: Rewards = Rewards(), **changes: object) -> Step:
    """One robot that stands still and level; ``changes`` set fields of the step or of its readout."""
    made = mdp(config)
    readout = Readout(
        base_position=row(0, 0, 0.5),
        base_quaternion=row(1, 0, 0, 0),
        base_linear_velocity=row(0, 0, 0),
        base_angular_velocity=row(0, 0, 0),
        joint_position=row(0.2, -0.2),
        joint_velocity=row(0, 0),
        joint_torque=row(0, 0),
        contact_force=np.zeros((1, 5, 3), np.float32),
        foot_velocity=np.zeros((1, 2, 3), np.float32),
        broken=np.array([False]),
    )
    fields = {field.name for field in dataclasses.fields(Readout)}
    readout = dataclasses.replace(readout, **{name: value for name, value in changes.items() if name in fields})
    whole = Step(
        mdp=made,
        readout=readout,
        command=row(0, 0, 0, 0),
        action=row(0, 0),
        last_action=row(0, 0),
        last_joint_velocity=row(0, 0),
        air_time=row(0, 0),
        first_contact=np.array([[False, False]]),
        foot_contact=np.array([[False, False]]),
        terminated=np.array([False]),
    )
    return dataclasses.replace(whole, **{name: value for name, value in changes.items() if name not in fields})


def with_weights(**weights: float) -> dict[str, Term]:
    return {**PAPER_TERMS, **{name: Term(weight) for name, weight in weights.items()}}


def forces(**on: tuple[float, float, float]) -> np.ndarray:
    bodies = list(BIPED.contact_bodies)
    made = np.zeros((1, len(bodies), 3), np.float32)
    for name, force in on.items():
        made[0, bodies.index(name)] = force
    return made


@pytest.mark.parametrize(
    ("term", "changes", "expected"),
    [
        ("linear_velocity_tracking", {"command": row(1, 0.5, 0, 0), "base_linear_velocity": row(0.7, 0.1, 9)}, math.exp(-(0.09 + 0.16) / 0.25)),
        ("angular_velocity_tracking", {"command": row(0, 0, 0.5, 0), "base_angular_velocity": row(9, 9, 0.1)}, math.exp(-0.16 / 0.25)),
        ("linear_velocity_penalty", {"base_linear_velocity": row(5, 5, -0.3)}, 0.09),
        ("angular_velocity_penalty", {"base_angular_velocity": row(0.3, -0.4, 7)}, 0.25),
        ("joint_motion", {"joint_velocity": row(1, 2), "last_joint_velocity": row(0.5, 4)}, (0.5 / DT) ** 2 + (2 / DT) ** 2),
        ("joint_torques", {"joint_torque": row(3, -4)}, 25),
        ("action_rate", {"action": row(1, 2), "last_action": row(0, 4)}, 5),
        ("collisions", {"contact_force": forces(left=(0, 0, 0.2), right=(0.05, 0, 0.05))}, 1),
        ("collisions", {"contact_force": forces(left_foot=(51, 0, 10), right_foot=(49, 0, 10))}, 1),
        ("collisions", {"contact_force": forces(left=(0, 1, 0), right=(1, 0, 0), left_foot=(0, -6, -1))}, 3),
        ("feet_air_time", {"command": row(0.2, 0, 0, 0), "air_time": row(0.7, 0.4), "first_contact": np.array([[True, True]])}, 0.2 - 0.1),
        ("feet_air_time", {"command": row(0.2, 0, 0, 0), "air_time": row(0.7, 0.4), "first_contact": np.array([[True, False]])}, 0.2),
        ("feet_air_time", {"command": row(0.05, 0, 0, 0), "air_time": row(0.7, 0.4), "first_contact": np.array([[True, True]])}, 0),
        ("orientation", {"base_quaternion": row(math.cos(0.1), math.sin(0.1), 0, 0)}, math.sin(0.2) ** 2),
        ("joint_limits", {"joint_position": row(1.3, -1.1)}, 0.4),
        ("termination", {"terminated": np.array([True])}, 1),
        ("single_foot", {"foot_contact": np.array([[True, False]])}, 1),
        ("single_foot", {"foot_contact": np.array([[True, True]])}, 0),
    ],
)  # fmt: skip
def test_term(term: str, changes: dict[str, object], expected: float) -> None:
    assert getattr(rewards, term)(step(**changes)) == pytest.approx([expected], rel=1e-5, abs=1e-7)


def test_soft_limits_begin_before_the_hard_ones() -> None:
    made = step(joint_position=row(0.95, 0.0))
    assert rewards.joint_limits(made, soft_limit=0.9) == pytest.approx([0.05], rel=1e-4)
    assert rewards.joint_limits(made) == 0


def test_weights_are_per_second_and_zero_weights_are_left_out() -> None:
    config = Rewards(with_weights(linear_velocity_tracking=2.0, action_rate=-0.5, collisions=0.0))
    terms = reward_terms(step(config, action=row(1, 0)), np.int32(0))
    assert "collisions" not in terms and "orientation" not in terms
    assert terms["linear_velocity_tracking"] == pytest.approx([2.0 * DT])
    assert terms["action_rate"] == pytest.approx([-0.5 * DT])


@pytest.mark.parametrize(("clock", "factor"), [(0, 0.2), (500, 0.6), (1000, 1.0), (5000, 1.0)])
def test_penalties_grow_and_rewards_do_not(clock: int, factor: float) -> None:
    config = Rewards(penalty_schedule=PenaltySchedule(start=0.2, control_steps=1000))
    terms = reward_terms(step(config, action=row(1, 0)), np.asarray(clock, dtype=np.int32))
    assert terms["action_rate"] == pytest.approx([-0.01 * DT * factor])
    assert terms["linear_velocity_tracking"] == pytest.approx([1.0 * DT])


@pytest.mark.parametrize(("clock", "counts"), [(0, False), (999, False), (1001, True)])
def test_the_termination_term_can_wait_until_the_penalties_have_grown(clock: int, counts: bool) -> None:
    schedule = PenaltySchedule(start=0.2, control_steps=1000, termination_last=True)
    config = Rewards(with_weights(termination=-50.0), penalty_schedule=schedule)
    made = dataclasses.replace(step(config), terminated=np.array([True]))
    terms = reward_terms(made, np.asarray(clock, dtype=np.int32))
    assert terms["termination"] == pytest.approx([-50.0 * DT * counts])


@pytest.mark.parametrize(
    ("term", "parameters", "changes", "expected"),
    [
        ("linear_velocity_tracking", {"width": 0.5}, {"command": row(0.3, 0.4, 0, 0)}, math.exp(-0.5)),
        ("angular_velocity_tracking", {"width": 0.5}, {"command": row(0, 0, 0.5, 0)}, math.exp(-0.5)),
        ("collisions", {"stumble_ratio": 2.0}, {"contact_force": forces(left_foot=(3, 0, 1), right_foot=(0, 1, 1))}, 1),
        ("collisions", {"force": 5.0}, {"contact_force": forces(left=(0, 6, 0), right=(0, 0, 4))}, 1),
        ("feet_air_time", {"target": 0.2}, {"command": row(0, 1, 0, 0), "air_time": row(0.5, 9), "first_contact": np.array([[True, False]])}, 0.3),
        ("feet_air_time", {"minimum_command": 0.6}, {"command": row(0.5, 0, 0, 0), "air_time": row(0.7, 0), "first_contact": np.array([[True, False]])}, 0),
        ("feet_air_time", {"minimum_command": 0.6}, {"command": row(0.5, 0.5, 0, 0), "air_time": row(0.7, 0), "first_contact": np.array([[True, False]])}, 0.2),
        ("feet_air_time", {"minimum_command": 0.6}, {"command": row(0, 0, 9, 9), "air_time": row(0.7, 0), "first_contact": np.array([[True, False]])}, 0),
        ("joint_limits", {"soft_limit": 0.5}, {"joint_position": row(-0.7, 0.6)}, 0.3),
        ("single_foot", {}, {"foot_contact": np.array([[False, False]])}, 0),
    ],
)  # fmt: skip
def test_the_numbers_of_a_term_are_the_tasks(
    term: str, parameters: dict[str, float], changes: dict[str, object], expected: float
) -> None:
    made = step(Rewards({term: Term(2.0, parameters=parameters)}), **changes)
    assert reward_terms(made, np.int32(0))[term] == pytest.approx([2.0 * DT * expected], rel=1e-5, abs=1e-7)


@pytest.mark.parametrize(("clock", "factor"), [(0, 0.2), (500, 0.6), (2000, 1.0)])
def test_disturbances_grow_with_the_penalties_only_if_asked_for(clock: int, factor: float) -> None:
    now = np.asarray(clock, dtype=np.int32)
    schedule = PenaltySchedule(start=0.2, control_steps=1000, disturbances=True)
    assert float(rewards.disturbance_factor(mdp(Rewards(penalty_schedule=schedule)), now)) == pytest.approx(factor)
    quiet = dataclasses.replace(schedule, disturbances=False)
    assert rewards.disturbance_factor(mdp(Rewards(penalty_schedule=quiet)), now) is None
    assert rewards.disturbance_factor(mdp(), now) is None
