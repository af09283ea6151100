"""What pays, and how penalties grow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass

from locoenvs.tasks.documents import Entries
from locoenvs.tasks.entries import Term
from locoenvs.tasks.parts.numbers import Count, Fraction
from locoenvs.tasks.robot import CONFIG, Name, Positive

PAPER_TERMS: Mapping[str, Term] = Entries(
    linear_velocity_tracking=Term(1.0),
    angular_velocity_tracking=Term(0.5),
    linear_velocity_penalty=Term(-2.0),
    angular_velocity_penalty=Term(-0.05),
    joint_motion=Term(-2.5e-7),
    joint_torques=Term(-1e-5),
    action_rate=Term(-0.01),
    collisions=Term(-1.0),
    feet_air_time=Term(1.0),
    orientation=Term(0.0),
    joint_limits=Term(0.0),
    termination=Term(0.0),
    single_foot=Term(0.0),
)
"""The reward of the paper's table, and terms that are at hand with a weight of zero."""


@dataclass(frozen=True, config=CONFIG)
class PenaltySchedule:
    """Scales all penalties by a factor that grows linearly from ``start`` to 1 over ``control_steps`` control steps.

    After the curriculum of Hwangbo et al., *Learning agile and dynamic motor skills for legged robots*, Science Robotics
    2019: walking is found while it is cheap, then made graceful. With ``disturbances`` the factor also scales the pushes
    and is the chance that a due command changes; with ``termination_last`` the termination term counts only once the
    factor is 1, so that standing safely is not learned first.
    """

    start: Fraction
    control_steps: Count
    disturbances: bool = False
    termination_last: bool = False


@dataclass(frozen=True, config=CONFIG)
class Rewards:
    """The reward: weighted terms, multiplied by the control step, summed, and clipped at zero from below if asked.

    ``terms`` are functions of :mod:`locoenvs.mdp.rewards`, or of whoever registered one; a term with weight zero is not
    computed. A foot is on the ground when its vertical contact force exceeds ``foot_contact_force`` N.
    """

    terms: Annotated[Mapping[Name, Term], Field(max_length=100), AfterValidator(Entries)] = PAPER_TERMS
    clip_at_zero: bool = True
    foot_contact_force: Positive = 1.0
    penalty_schedule: PenaltySchedule | None = None

    def __post_init__(self) -> None:
        if not any(term.weight for term in self.terms.values()):
            raise ValueError("rewards.terms: at least one weight must not be zero")
