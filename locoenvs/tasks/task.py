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
from locoenvs.tasks.entries import E, Entry, SlotSpec, Term, TileShare, W, completed, missing
from locoenvs.tasks.robot import CONFIG, Angle, Name, NonNegative, Number, Place, Positive, Robot
from locoenvs.tasks.vocabulary import (
    OBSERVATION_SLOTS,
    RANDOMIZATIONS,
    REWARD_TERMS,
    TERMINATIONS,
    TILE_KINDS,
    Vocabulary,
)

Range = tuple[Number, Number]
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, lt=2**31)]
Interval = Annotated[float, Field(gt=0, le=1e5)]
Length = Annotated[float, Field(gt=0, le=1e3)]
Height = Annotated[float, Field(ge=0, le=10)]
Heights = tuple[Height, Height]
Speeds = tuple[Place, Place]


def _check_range(owner: str, **ranges: Range) -> None:
    for name, (low, high) in ranges.items():
        if low > high:
            raise ValueError(f"{owner}.{name}: the lower end {low} must not exceed the upper end {high}")


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
class Terrain:
    """A plane, or a grid of ``levels`` x ``columns`` square tiles inside a flat border (section 3.1, figures 2 and 3).

    A column holds one kind of tile, a row one level of difficulty. Lengths in m. ``shares`` are the kinds of tile with their
    parameters, see :mod:`locoenvs.mdp.tiles`. ``platform`` is the side of the flat square at a tile's center, where robots start.
    ``border`` is the least width of the border: a map is wider where an episode's commands lead farther. ``cell`` is the
    distance of the ground's heights, and so the depth of the face of a step: the smaller, the steeper.
    """

    kind: Literal["plane", "tiles"] = "tiles"
    levels: Annotated[int, Field(ge=1, le=100)] = 10
    columns: Annotated[int, Field(ge=1, le=1000)] = 20
    tile: Annotated[float, Field(ge=0.01, le=100)] = 8.0
    border: Length = 20.0
    cell: Annotated[float, Field(ge=0.01, le=10)] = 0.1
    platform: Length = 2.5
    shares: Annotated[tuple[TileShare, ...], Field(max_length=100)] = (
        TileShare("flat", 0.2),
        TileShare("slope_up", 0.1),
        TileShare("slope_down", 0.1),
        TileShare("rough", 0.2),
        TileShare("obstacles", 0.2),
        TileShare("stairs_up", 0.1),
        TileShare("stairs_down", 0.1),
    )
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0

    def __post_init__(self) -> None:
        total = sum(share.share for share in self.shares)
        if self.kind == "tiles" and abs(total - 1) > 1e-6:
            raise ValueError(f"terrain.shares must sum to 1, got {total:g}")
        for name, length in (("tile", self.tile), ("border", self.border)):
            if abs(length / self.cell - round(length / self.cell)) > 1e-6:
                raise ValueError(f"terrain.{name} {length} m must be a whole number of cells of {self.cell} m")
        if self.levels * self.columns > 2000:
            raise ValueError(
                f"terrain.levels {self.levels} times terrain.columns {self.columns} must be at most 2000 tiles"
            )
        if self.platform >= self.tile:
            raise ValueError(f"terrain.platform {self.platform} m must be smaller than the tile, {self.tile} m")


@dataclass(frozen=True, config=CONFIG)
class Curriculum:
    """The game-inspired curriculum (section 3.1): who moves a level up or down when an episode ends.

    ``promote``: "border" moves up a robot that left its tile, "radius" one that is farther than half a tile from its
    center. ``demote``: "commanded" moves down a robot that moved less than ``demote_fraction`` of the distance that its
    commands asked for over the episode's actual length; "last_command" compares with the last command times the full
    episode length, as the released code does. Robots start at a random level up to ``initial_level``; one that solves
    the last level goes to a random one. Off, robot i stays on
    the tile of level ``i // columns % levels`` in column ``i % columns``.
    """

    enabled: bool = True
    initial_level: Annotated[int, Field(ge=0, lt=100)] = 0
    promote: Literal["border", "radius"] = "border"
    demote: Literal["commanded", "last_command"] = "commanded"
    demote_fraction: Fraction = 0.5


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
        _check_range(
            "commands", forward=self.forward, sideways=self.sideways, heading=self.heading, yaw_rate=self.yaw_rate
        )


@dataclass(frozen=True, config=CONFIG)
class HeightScan:
    """Heights of the ground at points around the base, on a grid that turns with its heading.

    ``length`` x ``width`` m centered on the base, ``rows`` x ``columns`` points, rows along the base's forward axis.
    A sample is clip(base height - offset - ground height, +-clip), m.
    """

    rows: Annotated[int, Field(ge=1, le=100)] = 12
    columns: Annotated[int, Field(ge=1, le=100)] = 9
    length: Annotated[float, Field(gt=0, le=100)] = 1.6
    width: Annotated[float, Field(gt=0, le=100)] = 1.0
    offset: Place = 0.5
    clip: Positive = 1.0

    @property
    def size(self) -> int:
        return self.rows * self.columns


PAPER_SLOTS = (
    SlotSpec("base_linear_velocity", 2.0, 0.1),
    SlotSpec("base_angular_velocity", 0.25, 0.2),
    SlotSpec("projected_gravity", 1.0, 0.05),
    SlotSpec("command_linear_velocity", 2.0),
    SlotSpec("command_yaw_rate", 0.25),
    SlotSpec("joint_position", 1.0, 0.01),
    SlotSpec("joint_velocity", 0.05, 1.5),
    SlotSpec("last_action"),
    SlotSpec("heights", 5.0, 0.1),
)
"""The observation of the paper, with the noise of its appendix."""


@dataclass(frozen=True, config=CONFIG)
class Observations:
    """What the policy sees: ``slots``, one after another, clipped at ``clip``. See :mod:`locoenvs.mdp.slots`."""

    slots: Annotated[tuple[SlotSpec, ...], Field(min_length=1, max_length=100)] = PAPER_SLOTS
    clip: Positive = 100.0

    def __post_init__(self) -> None:
        names = [slot.name for slot in self.slots]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"observations.slots names {sorted(twice)} twice")

    @staticmethod
    def paper(heights: HeightScan | None = HeightScan(), noise: bool = True) -> Observations:
        """What the paper's policies see: with another scan or none, and with sensors that are perfect unless ``noise``."""
        slots = [slot for slot in PAPER_SLOTS if slot.name != "heights"]
        if heights is not None:
            slots.append(dataclasses.replace(PAPER_SLOTS[-1], parameters=vars(heights)))
        seen = Observations(tuple(slots))
        return seen if noise else seen.perfect()

    def perfect(self) -> Observations:
        """The same without noise."""
        return dataclasses.replace(self, slots=tuple(dataclasses.replace(slot, noise=None) for slot in self.slots))

    @property
    def heights(self) -> HeightScan | None:
        """The height scan; None is blind."""
        found = [slot for slot in self.slots if slot.name == "heights"]
        return HeightScan(**found[0].parameters) if found else None


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


@dataclass(frozen=True, config=CONFIG)
class Pushes:
    """Every ``interval`` s the base's horizontal velocity is changed ("add") or replaced ("set") by U(+-velocity) m/s."""

    interval: Interval = 10.0
    velocity: Annotated[float, Field(ge=0, le=100)] = 1.0
    mode: Literal["add", "set"] = "add"


@dataclass(frozen=True, config=CONFIG)
class Start:
    """Where an episode starts: around the tile's center.

    ``position`` m: half width in x and y; ``joint_scale``: factor of the default pose; ``velocity``: half width of the
    base's linear (m/s) and angular (rad/s) velocity; ``random_heading``: any heading, or facing x.
    """

    position: Annotated[float, Field(ge=0, le=100)] = 1.0
    joint_scale: tuple[Place, Place] = (0.5, 1.5)
    velocity: Annotated[float, Field(ge=0, le=100)] = 0.5
    random_heading: bool = True

    def __post_init__(self) -> None:
        _check_range("randomization.start", joint_scale=self.joint_scale)


@dataclass(frozen=True, config=CONFIG)
class Randomization:
    """What differs between robots and episodes.

    ``friction`` is the effective coefficient of foot on ground, per robot; ``payload`` kg is added to the base. ``terms`` are
    others, by name: see :mod:`locoenvs.mdp.randomizations`.
    """

    friction: Heights = (0.5, 1.25)
    payload: tuple[Place, Place] | None = None
    pushes: Pushes | None = Pushes()
    start: Start = Start()
    terms: Annotated[Mapping[Name, Entry], Field(max_length=100), AfterValidator(Entries)] = documents.later(Entries())

    def __post_init__(self) -> None:
        _check_range("randomization", friction=self.friction)


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
            _check_range("randomization", payload=self.randomization.payload)
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
