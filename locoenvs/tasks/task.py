"""The task: the whole MDP as a tree of frozen dataclasses.

A :class:`Task` says what a robot must do and nothing about how physics is computed or who learns. It survives a round
trip through JSON and has a content hash, which every recipe, ledger, panel and policy carries. Two recipes of the
values are built in, :func:`locoenvs.tasks.recipes.paper` and :func:`locoenvs.tasks.recipes.legged_gym`.

"The paper" is Rudin et al., *Learning to Walk in Minutes Using Massively Parallel Deep Reinforcement Learning*, CoRL
2021; section numbers refer to it.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from locoenvs.tasks import documents, formats
from locoenvs.tasks.changes import apply, base_of, renamed
from locoenvs.tasks.documents import Entries
from locoenvs.tasks.entries import E, Entry, W, completed, missing
from locoenvs.tasks.parts.numbers import Count, Fraction, Height, Heights, Interval, Length, Range, Speeds, check_range
from locoenvs.tasks.parts.observations import PAPER_SLOTS, HeightScan, Observations
from locoenvs.tasks.parts.randomization import Pushes, Randomization, Start
from locoenvs.tasks.parts.rewards import PAPER_TERMS, PenaltySchedule, Rewards
from locoenvs.tasks.parts.terrain import Curriculum, Terrain
from locoenvs.tasks.robot import CONFIG, Angle, Name, NonNegative, Positive, Robot
from locoenvs.tasks.vocabulary import (
    OBSERVATION_SLOTS,
    RANDOMIZATIONS,
    REWARD_TERMS,
    TERMINATIONS,
    TILE_KINDS,
    Vocabulary,
)

__all__ = [
    "Commands",
    "Count",
    "Curriculum",
    "Fraction",
    "Height",
    "HeightScan",
    "Heights",
    "Interval",
    "LSTMActuator",
    "Length",
    "Observations",
    "PAPER_SLOTS",
    "PAPER_TERMS",
    "PDActuator",
    "PenaltySchedule",
    "Pushes",
    "Randomization",
    "Range",
    "Rewards",
    "Speeds",
    "Start",
    "Task",
    "Terrain",
    "Timing",
    "hash_of",
]
"""Parts in files of their own are found here too."""


@dataclass(frozen=True, config=CONFIG)
class Timing:
    """One control step is ``decimation`` physics steps of ``physics_dt`` s; an episode lasts ``episode_length`` s."""

    physics_dt: Annotated[float, Field(ge=1e-5, le=0.1)] = 0.005
    decimation: Annotated[int, Field(ge=1, le=1000)] = 4
    episode_length: Annotated[float, Field(gt=0, le=3600)] = 20.0

    def __post_init__(self) -> None:
        if self.episode_length < self.control_dt:
            raise ValueError(
                f"timing.episode_length {self.episode_length} s must hold one control step of {self.control_dt} s"
            )

    @property
    def control_dt(self) -> float:
        """Duration of a control step, s."""
        return self.physics_dt * self.decimation

    @property
    def max_episode_steps(self) -> int:
        """Control steps in an episode, rounded up as the last step begins before the time limit."""
        return math.ceil(round(self.episode_length / self.control_dt, 6))


@dataclass(frozen=True, config=CONFIG)
class Commands:
    """What the robot is asked to do: base velocity in the base frame and a heading or a yaw rate.

    ``forward`` and ``sideways`` in m/s, ``heading`` in rad, ``yaw_rate`` in rad/s. In mode "heading" the commanded yaw
    rate is clip(heading_gain * heading error, +-max_yaw_rate) at every step. A velocity whose norm is below
    ``minimum_speed`` is set to zero. ``resample_every`` s draws a new command within the episode, for each robot with
    ``resample_chance``; None keeps the first.
    """

    forward: Speeds = (-1.0, 1.0)
    sideways: Speeds = (-1.0, 1.0)
    mode: Literal["heading", "yaw_rate"] = "heading"
    heading: tuple[Angle, Angle] = (-math.pi, math.pi)
    yaw_rate: Speeds = (-1.0, 1.0)
    heading_gain: Positive = 0.5
    max_yaw_rate: Positive = 1.0
    minimum_speed: NonNegative = 0.2
    resample_every: Interval | None = None
    resample_chance: Fraction = 1.0

    def __post_init__(self) -> None:
        check_range(
            "commands", forward=self.forward, sideways=self.sideways, heading=self.heading, yaw_rate=self.yaw_rate
        )


@dataclass(frozen=True, config=CONFIG)
class PDActuator:
    """torque = clip(Kp (target - q) - Kd dq, +-limit) at every physics step, with each joint's gains and limit."""

    kind: Literal["pd"] = "pd"


@dataclass(frozen=True, config=CONFIG)
class LSTMActuator:
    """The drives' own dynamics, learned: a network of :mod:`locoenvs.tasks.drive` at every physics step, clipped at each
    joint's limit. ``network`` is its name in the suite or its file, ``hash`` that of its numbers. Gains play no part."""

    network: Annotated[str, Field(max_length=1000)]
    hash: Annotated[str, Field(max_length=200)]
    kind: Literal["lstm"] = "lstm"


@dataclass(frozen=True, config=CONFIG)
class Task:
    """The whole MDP. ``recipe`` names where the values come from; ``seed_families`` is F of :mod:`locoenvs.numerics.rng`.

    ``terminations`` say who fails, see :mod:`locoenvs.mdp.terminations`; broken physics always does. All names that the task holds
    have all their parameters, and stand in the order in which they were registered.
    """

    robot: Robot
    recipe: Name = "paper"
    timing: Timing = Timing()
    terrain: Terrain = Terrain()
    curriculum: Curriculum = Curriculum()
    commands: Commands = Commands()
    observations: Observations = Observations()
    rewards: Rewards = Rewards()
    terminations: Annotated[Mapping[Name, Entry], Field(max_length=100), AfterValidator(Entries)] = Entries(
        base_contact=Entry()
    )
    randomization: Randomization = Randomization()
    actuator: Annotated[PDActuator | LSTMActuator, Field(discriminator="kind")] = PDActuator()
    action_clip: Positive = 100.0
    seed_families: Annotated[int, Field(ge=1, le=2**20)] = 128
    format_version: Literal[2] = 2

    def __post_init__(self) -> None:
        self._complete()
        if self.curriculum.initial_level >= self.terrain.levels:
            raise ValueError(
                f"curriculum.initial_level {self.curriculum.initial_level} must be below terrain.levels {self.terrain.levels}"
            )
        pushes = self.randomization.pushes
        for name, interval in (
            ("commands.resample_every", self.commands.resample_every),
            ("randomization.pushes.interval", None if pushes is None else pushes.interval),
        ):
            if interval is not None and interval < self.timing.control_dt:
                raise ValueError(f"{name} {interval} s must be at least a control step of {self.timing.control_dt} s")
            if interval is not None and round(interval / self.timing.control_dt) >= 2**31:
                raise ValueError(
                    f"{name} {interval} s must be less than 2^31 control steps of {self.timing.control_dt} s"
                )
        if self.actuator.kind == "lstm":
            words = {name: RANDOMIZATIONS.find(name) for name in self.randomization.terms}
            if gains := [
                name for name, word in words.items() if word and {"stiffness", "damping"} & {*word.quantities}
            ]:
                raise ValueError(
                    f"randomization.terms.{gains[0]}: gains play no part in a learned drive: use the PD law, or leave it out"
                )
        if self.randomization.payload is not None:
            check_range("randomization", payload=self.randomization.payload)
            base = self.robot.bodies[0]
            if base.mass + self.randomization.payload[0] <= 0:
                raise ValueError(
                    f"randomization.payload {self.randomization.payload} kg would leave {base.name!r} ({base.mass} kg) no mass"
                )

    def _complete(self) -> None:
        """Give all names their parameters, in the order of their vocabulary."""
        terms = _completed(self.rewards.terms, REWARD_TERMS, "rewards.terms")
        slots = [
            completed(slot, slot.name, OBSERVATION_SLOTS, f"observations.slots.{slot.name}")
            for slot in self.observations.slots
        ]
        shares = [
            completed(share, share.kind, TILE_KINDS, f"terrain.shares.{share.kind}") for share in self.terrain.shares
        ]
        drawn = _completed(self.randomization.terms, RANDOMIZATIONS, "randomization.terms")
        for name, whole in (
            ("rewards", dataclasses.replace(self.rewards, terms=terms)),
            ("observations", dataclasses.replace(self.observations, slots=tuple(slots))),
            ("terrain", dataclasses.replace(self.terrain, shares=tuple(shares))),
            ("randomization", dataclasses.replace(self.randomization, terms=drawn)),
            ("terminations", Entries(_completed(self.terminations, TERMINATIONS, "terminations"))),
        ):
            object.__setattr__(self, name, whole)

    def missing(self) -> list[str]:
        """What is said of each name whose package is not here; empty for a task that can be made."""
        named: list[tuple[str, Entry, Vocabulary[Any]]]
        named = [(name, term, REWARD_TERMS) for name, term in self.rewards.terms.items() if term.weight]
        named += [(slot.name, slot, OBSERVATION_SLOTS) for slot in self.observations.slots]
        named += [(share.kind, share, TILE_KINDS) for share in self.terrain.shares if self.terrain.kind == "tiles"]
        named += [(name, entry, RANDOMIZATIONS) for name, entry in self.randomization.terms.items()]
        named += [(name, entry, TERMINATIONS) for name, entry in self.terminations.items()]
        return [said for name, entry, words in named if (said := missing(entry, name, words))]

    def with_(self, changes: Mapping[str, Any], recipe: str | None = None) -> Task:
        """The task with other values in the fields of these names, such as ``{"rewards.terms.action_rate.weight": -0.05}``.

        An entry that is not there is put in, one that is set to None is taken out. The recipe's name tells how many changes there
        are, unless another is given. Raises ValueError, with the nearest name, for a field that does not exist, and for a value
        that it cannot have.
        """
        if named := {"recipe", "format_version"} & {path.partition(".")[0] for path in changes}:
            raise ValueError(f"{named.pop()} is not changed by its name: it tells of the rest")
        document = documents.stored(self, whole=True)
        for path, value in changes.items():
            apply(document, path, value)
        document["recipe"] = recipe or (renamed(self.recipe, len(changes)) if changes else self.recipe)
        return documents.valid(_ADAPTER, document, "the task")

    @property
    def base_recipe(self) -> str:
        """The recipe without what was changed."""
        return base_of(self.recipe)

    def to_json(self) -> str:
        """The task as JSON, one field a line."""
        return json.dumps(documents.stored(self), indent=2)

    @staticmethod
    def from_json(text: str | bytes, name: str = "the task") -> Task:
        """The task of :meth:`to_json`; errors call it ``name``. Raises ValueError naming the first unknown, missing or
        out-of-range field."""
        return documents.valid(_ADAPTER, formats.upgraded(documents.parsed(text, name), name), name)

    @property
    def hash(self) -> str:
        """Twelve hex digits that change when any value of the task does, but for how the robot is drawn."""
        return hash_of(documents.stored(self))


def hash_of(values: Mapping[str, Any]) -> str:
    """:attr:`Task.hash` of a task as the dictionary that its JSON holds."""
    robot = {name: value for name, value in values["robot"].items() if name != "visuals"}
    return documents.digest({**formats.oldest(values), "robot": robot})


def _completed(entries: Mapping[str, E], words: Vocabulary[W], where: str) -> Mapping[str, E]:
    order = list(words)
    names = sorted(entries, key=lambda name: (order.index(name) if name in order else len(order), name))
    return {name: completed(entries[name], name, words, f"{where}.{name}") for name in names}


_ADAPTER: TypeAdapter[Task] = TypeAdapter(Task)
