"""Who fails, and what the reset says of it: by terminations of one's own, by several, and by none."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import array_api_compat.numpy as xp
import numpy as np
import pytest

from fake import BIPED, FakeSimulator
from locoenvs.mdp.mdp import Mdp, prepare
from locoenvs.mdp.rewards import Step
from locoenvs.mdp.state import RESET_REASONS, EnvState, Transition
from locoenvs.mdp.step import initial, step
from locoenvs.mdp.terrain import build
from locoenvs.numerics.arrays import Array
from locoenvs.tasks.entries import Entry
from locoenvs.tasks.robot import Positive
from locoenvs.tasks.task import Curriculum, Observations, Randomization, Task, Terrain, Timing
from locoenvs.tasks.vocabulary import REWARD_TERMS, TERMINATIONS, reward_term, termination

TASK = Task(
    BIPED,
    timing=Timing(episode_length=0.06),
    terrain=Terrain(kind="plane"),
    curriculum=Curriculum(enabled=False),
    observations=Observations.paper(heights=None, noise=False),
    randomization=Randomization(pushes=None),
)


@pytest.fixture(autouse=True)
def own_words() -> Iterator[None]:
    @termination()
    def twisted(s: Step, angle: Positive = 1.0) -> Array:
        """A joint is farther than ``angle`` rad from zero."""
        return s.mdp.xp.any(s.mdp.xp.abs(s.readout.joint_position) > angle, axis=-1)

    @termination()
    def stamped(s: Step) -> Array:
        """A foot is on the ground."""
        return s.mdp.xp.any(s.foot_contact, axis=-1)

    @reward_term(after_clip=True)
    def alarm(s: Step) -> Array:
        """1 when the episode fails."""
        return s.mdp.xp.astype(s.terminated, s.mdp.xp.float32)

    yield
    for name in ("twisted", "stamped"):
        TERMINATIONS.remove(name)
    REWARD_TERMS.remove("alarm")


def one_step(
    task: Task, forces: dict[tuple[int, str], float], actions: dict[int, float] | None = None
) -> tuple[Mdp, Transition]:
    """Five robots do a step with upward forces on bodies, and with joint targets."""
    made, simulator = prepare(task, build(task.terrain), xp), FakeSimulator(xp, 5)
    state: EnvState = initial(made, simulator, seed=1, split=0)
    for (robot, body), force in forces.items():
        simulator.forces[robot, BIPED.contact_bodies.index(body), 2] = force
    action = np.zeros((5, 2), np.float32)
    for robot, value in (actions or {}).items():
        action[robot] = value
    return made, step(made, simulator, state, action)[1]


def reasons(made: Mdp, transition: Transition) -> list[str]:
    return [made.reset_reasons[index] for index in transition.reset_reason]


def test_each_failure_ends_an_episode_by_its_name() -> None:
    task = TASK.with_({"terminations.twisted": {}, "terminations.stamped": {}})
    made, transition = one_step(
        task, {(0, "base"): 5.0, (2, "left_foot"): 5.0, (4, "base"): 0.5}, {1: 3.0}
    )  # fmt: skip
    assert made.reset_reasons == (*RESET_REASONS, "twisted", "stamped")
    assert reasons(made, transition) == ["base_contact", "twisted", "stamped", "running", "running"]
    assert transition.terminated.tolist() == [True, True, True, False, False] and not transition.truncated.any()


def test_a_termination_has_the_numbers_of_the_task() -> None:
    task = TASK.with_({"terminations.twisted.parameters.angle": 2.0})
    made, transition = one_step(task, {}, {1: 3.0, 2: 4.0})  # 1.5 and 2 rad off the default pose of 0.2 and -0.2
    assert reasons(made, transition) == ["running", "running", "twisted", "running", "running"]


def test_of_several_failures_the_first_is_told() -> None:
    """In the order in which they are registered, wherever the task's document has them."""
    for names in (("twisted", "base_contact"), ("base_contact", "twisted")):
        task = dataclasses.replace(TASK, terminations={name: Entry() for name in names})
        made, transition = one_step(task, {(0, "base"): 5.0}, {0: 3.0})
        assert reasons(made, transition)[0] == "base_contact" and list(task.terminations) == ["base_contact", "twisted"]


def test_without_terminations_nobody_falls_and_broken_physics_still_fails() -> None:
    task = TASK.with_({"terminations.base_contact": None})
    made, simulator = prepare(task, build(task.terrain), xp), FakeSimulator(xp, 3)
    state = initial(made, simulator, seed=1, split=0)
    simulator.forces[:, 0, 2] = 9.0
    simulator.broken[1] = True
    _, transition = step(made, simulator, state, np.zeros((3, 2), np.float32))
    assert reasons(made, transition) == ["running", "broken_physics", "running"]
    assert transition.terminated.tolist() == [False, True, False]


def test_a_failure_in_the_last_step_is_no_time_limit() -> None:
    task = TASK.with_({"terminations.stamped": {}, "timing.episode_length": 0.02})
    made, transition = one_step(task, {(2, "right_foot"): 5.0})
    assert reasons(made, transition) == ["time_limit", "time_limit", "stamped", "time_limit", "time_limit"]
    assert transition.truncated.tolist() == [True, True, False, True, True]


def test_a_term_of_ones_own_may_survive_the_clip_at_zero() -> None:
    """Alone too, where nothing is left to be clipped."""
    task = TASK.with_({"terminations.stamped": {}, "rewards.terms.alarm.weight": -100.0})
    made, transition = one_step(task, {(2, "left_foot"): 5.0})
    others = sum(value for name, value in transition.reward_terms.items() if name != "alarm")
    np.testing.assert_allclose(transition.reward, np.maximum(others, 0) - [0, 0, 2, 0, 0], rtol=1e-6)
    alone = task.with_({"rewards.terms": {"alarm": {"weight": -100.0}}})
    made, transition = one_step(alone, {(2, "left_foot"): 5.0})
    assert transition.reward.tolist() == [0, 0, -2, 0, 0] and list(made.reward_terms) == ["alarm"]
