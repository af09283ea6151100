"""What a study asks: ``study.toml`` as data, and the configurations that it is of."""

from __future__ import annotations

import itertools
import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass as plain
from dataclasses import field, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Discriminator, Field, Tag, TypeAdapter, model_validator
from pydantic.dataclasses import dataclass

from locoenvs.envs.registration import task as task_of
from locoenvs.evidence.paired import GOOD
from locoenvs.tasks import documents
from locoenvs.tasks.names import nearest
from locoenvs.tasks.recipes import ActuatorKind
from locoenvs.tasks.robot import CONFIG
from locoenvs.tasks.task import Task
from locoenvs.training.ppo import PPOConfig, changed_ppo, config
from locoenvs.training.settings import TrainSettings

BASE = "base"
"""The name of the configuration that changes nothing of what the file fixes."""

MOST = 1000
"""Configurations of a study: more than anybody trains."""

MOST_WHOLE = 2**53
"""The largest whole number that a range, or a budget in samples, has: beyond it not every one is a float."""

PACES = {"updates": "validate_every", "minutes": "validate_minutes", "samples": "validate_samples"}
"""What a budget may be in -> the field that says how often to validate, in the same."""

BUDGETS = ("ppo.updates",)
"""Fields that say how long it trains, which a study says of all of its trainings at once."""

Changes = dict[documents.Name, Any]


@dataclass(frozen=True, config=CONFIG)
class Range:
    """Numbers from ``low`` to ``high``, drawn evenly, or evenly in their logarithm; whole ones if ``whole``."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"low={self.low:g} must be less than high={self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"low={self.low:g}: a range that is drawn by its logarithm begins above 0")
        if self.whole and math.ceil(self.low) > math.floor(self.high):
            raise ValueError(f"low={self.low:g}, high={self.high:g}: no whole number is between them, leave whole out")
        if self.whole and max(-self.low, self.high) > MOST_WHOLE:
            raise ValueError(
                f"low={self.low:g}, high={self.high:g}: whole numbers are drawn from within {MOST_WHOLE:g} of 0"
            )

    def draw(self, random: np.random.Generator) -> float | int:
        """One of them; a whole one by its logarithm as often as the logarithm is between it and the next."""
        if self.whole:
            low, high = math.ceil(self.low), math.floor(self.high)
            if not self.log:
                return int(random.integers(low, high + 1))
            return min(max(math.floor(math.exp(random.uniform(math.log(low), math.log(high + 1)))), low), high)
        if self.log:
            value = math.exp(random.uniform(math.log(self.low), math.log(self.high)))
        else:
            value = random.uniform(self.low, self.high)
        return min(max(float(f"{value:.4g}"), self.low), self.high)


Values = Annotated[
    Annotated[list[Any], Tag("values")] | Annotated[Range, Tag("range")],
    Discriminator(lambda value: "values" if isinstance(value, list) else "range"),
]
"""What a field of the space has: values, or a range to draw from."""


@dataclass(frozen=True, config=CONFIG)
class Pruning:
    """Successive halving: after ``after`` updates (or minutes, or samples, as the budget is) one in ``factor`` goes on, after
    ``factor`` times as many one in ``factor`` of those, and so on."""

    after: Annotated[float, Field(gt=0)]
    factor: Annotated[int, Field(ge=2, le=100)] = 3


@dataclass(frozen=True, config=CONFIG, kw_only=True)
class Study:
    """A study. What has the name of an option of ``locoenvs train`` is that option, for all trainings.

    ``space`` is field -> list of values or :class:`Range`, ``points`` are configurations written out, ``set`` changes all of them;
    fields have the names that ``--set`` takes. Lists alone are a grid, of which every point is trained; with ``trials`` so many points are
    drawn, by ``draw_seed``. ``objective`` is the metric that validation decides by; ``base`` trains what changes nothing too.

    A budget in ``samples``, and ``validate_samples``, are as many updates of each configuration as come nearest, at least one.
    """

    env_id: documents.Name
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**63)], ...], Field(min_length=1, max_length=100)] = (0,)
    learner: documents.Name = "rsl_rl"
    backend: documents.Name = "auto"
    num_envs: int | None = None
    recipe: documents.Name | None = None
    actuator: ActuatorKind | None = None
    task: str | None = None
    start_from: str | None = None
    device: str | None = None
    options: dict[documents.Name, bool | int | float | str] = Field(default_factory=dict)
    set: Changes = Field(default_factory=dict)
    updates: int | None = None
    minutes: float | None = None
    samples: Annotated[int, Field(ge=1, le=MOST_WHOLE)] | None = None
    validate_every: int | None = None
    validate_minutes: float | None = None
    validate_samples: Annotated[int, Field(le=MOST_WHOLE)] | None = None
    validate_robots: int | None = None
    until_bar: bool = False
    space: dict[documents.Name, Values] = Field(default_factory=dict)
    points: tuple[Changes, ...] = ()
    trials: Annotated[int, Field(ge=1, le=MOST)] | None = None
    draw_seed: Annotated[int, Field(ge=0)] = 0
    objective: documents.Name = "success_rate"
    prune: Pruning | None = None
    base: bool = True
    panels: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Study:
        if len(dict.fromkeys(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds {list(self.seeds)}: each of them once")
        if sum(getattr(self, unit) is not None for unit in PACES) != 1:
            raise ValueError("updates, minutes, samples: give one of them, how long each training is")
        if self.objective not in GOOD:
            raise ValueError(nearest("objective", self.objective, list(GOOD)))
        if self.task is not None and (self.recipe or self.actuator):
            raise ValueError("task says all of the task: leave recipe and actuator out")
        self._check_space()
        self._check_pace()
        self.settings(self.seeds[0], samples_per_update=self.samples or 1)  # what they say of their other numbers
        if self.prune is not None:
            if self.prune.after >= self.budget:
                raise ValueError(
                    f"prune.after={amount(self.prune.after)}: must be less than {self.unit}={amount(self.budget)}"
                )
            if self.minutes is None and self.prune.after != int(self.prune.after):
                raise ValueError(f"prune.after={self.prune.after:g}: must be a whole number of {self.unit}")
        if not 0 < self.pace <= self.rungs[0]:
            first = amount(self.rungs[0])
            raise ValueError(
                f"{PACES[self.unit]}={amount(self.pace)}: must be more than 0 and at most {first}, as the first look is after "
                f"{first} {self.unit}"
            )
        return self

    def _check_pace(self) -> None:
        if self.samples is None and self.validate_samples is not None:
            raise ValueError(f"validate_samples: is for a budget in samples, this one is in {self.unit}: leave it out")
        if self.samples is not None and self.validate_every is not None:
            raise ValueError(
                "validate_every: is for a budget in updates, this one is in samples: give validate_samples"
            )
        if self.until_bar and self.prune is not None:
            raise ValueError("until_bar, prune: give one of them, as pruning compares trainings that are equally long")
        if self.until_bar and getattr(self, PACES[self.unit]) is None:
            raise ValueError(f"until_bar: say how often to look by {PACES[self.unit]}")

    def _check_space(self) -> None:
        if bool(self.space) == bool(self.points):
            raise ValueError("space, points: give one of them, what the trainings differ by")
        if empty := [name for name, values in self.space.items() if values == []]:
            raise ValueError(f"space.{empty[0]}: is empty, name its values")
        ranges = [name for name, values in self.space.items() if isinstance(values, Range)]
        if self.trials is None and ranges:
            raise ValueError(f"space.{ranges[0]}: is a range, so say by trials how many points to draw")
        if self.trials is not None and self.points:
            raise ValueError("trials: points are all trained, leave it out")
        if self.trials is None and math.prod(len(v) for v in self.space.values() if isinstance(v, list)) > MOST:
            raise ValueError(f"space: more than {MOST} points, say by trials how many to draw")
        if not all(self.points):
            raise ValueError("points: one changes nothing; base is that one")
        own = {"ppo.num_envs": self.num_envs}
        for name in [*self.space, *self.set, *itertools.chain(*self.points)]:
            if name in BUDGETS:
                raise ValueError(f"{name}: how long each training is says updates, minutes or samples")
            if own.get(name) is not None:
                raise ValueError(f"{name}: num_envs says it for all, give one of them")
        if both := [name for name in [*self.space, *itertools.chain(*self.points)] if name in self.set]:
            raise ValueError(f"{both[0]}: set fixes it for all, give one of them")

    @property
    def unit(self) -> str:
        """What the budget counts."""
        return next(unit for unit in PACES if getattr(self, unit) is not None)

    @property
    def budget(self) -> float:
        """How long each training is, in its unit."""
        return float(getattr(self, self.unit))

    @property
    def rungs(self) -> tuple[float, ...]:
        """How long those train that go on, in the unit of the budget, the whole of which is the last."""
        if self.prune is None:
            return (self.budget,)
        steps = (self.prune.after * self.prune.factor**rung for rung in itertools.count())
        return (*itertools.takewhile(lambda step: step < self.budget, steps), self.budget)

    @property
    def pace(self) -> float:
        """Between two validations, in the unit of the budget: what is until the first look unless the file says it."""
        own = getattr(self, PACES[self.unit])
        return self.rungs[0] if own is None else own

    def _in_updates(self, wanted: float, samples_per_update: int) -> int:
        """What is wanted, in the unit of a budget that is not in minutes, as updates."""
        return int(wanted) if self.samples is None else max(1, round(wanted / samples_per_update))

    def settings(
        self, seed: int, rung: int = -1, changes: Mapping[str, Any] | None = None, samples_per_update: int = 1
    ) -> TrainSettings:
        """What a training of that seed is asked for, until a rung; a budget in samples asks for so many ``samples_per_update``."""
        timed = self.minutes is not None
        return TrainSettings(
            self.env_id,
            backend=self.backend,
            num_envs=self.num_envs,
            seed=seed,
            updates=None if timed else self._in_updates(self.rungs[rung], samples_per_update),
            minutes=self.rungs[rung] if timed else None,
            start_from=self.start_from,
            recipe=self.recipe,
            actuator=self.actuator,
            device=self.device,
            options=self.options or None,
            validate_every=self.validate_every if timed else self._in_updates(self.pace, samples_per_update),
            validate_minutes=self.pace if timed else self.validate_minutes,
            validate_robots=self.validate_robots,
            until_bar=self.until_bar,
            changes=self.set | dict(changes or {}) or None,
            panels=self.panels,
        )

    def given_task(self) -> Task | None:
        """The task of the file that ``task`` names."""
        return None if self.task is None else Task.from_json(documents.read(Path(self.task)), self.task)

    def base_of(self) -> tuple[Task, PPOConfig]:
        """The task and PPO's settings that all configurations change. Raises ValueError, with the nearest name, for a field that there is not."""
        task = self.given_task() or task_of(self.env_id, self.recipe or "paper", self.actuator)
        own = {} if self.num_envs is None else {"ppo.num_envs": self.num_envs}
        return resolved((task, config(task)), own | self.set)


def amount(value: float) -> str:
    """A number of updates, minutes or samples for reading."""
    return f"{value:,.12g}"


def resolved(base: tuple[Task, PPOConfig], changes: Mapping[str, Any]) -> tuple[Task, PPOConfig]:
    """The base with changes, under its recipe's name: what comes to the same is the same."""
    task, ppo = base
    of_task = {name: value for name, value in changes.items() if not name.startswith("ppo.")}
    return task.with_(of_task, task.recipe) if of_task else task, changed_ppo(ppo, changes)


_ADAPTER: TypeAdapter[Study] = TypeAdapter(Study)


def parsed(content: bytes, name: str) -> tuple[Study, dict[str, Any]]:
    """The study of a file's content, and the file as it is. Raises ValueError naming file and field of what is wrong."""
    try:
        document = tomllib.loads(content.decode())
        json.dumps(document)
    except (ValueError, TypeError) as error:  # TypeError: a date
        raise ValueError(f"{name} is no study: {error}") from None
    for given in document:
        if given not in Study.__dataclass_fields__:
            raise ValueError(f"{name}: {nearest('field', given, list(Study.__dataclass_fields__))}")
    return documents.valid(_ADAPTER, document, name), document


@plain(frozen=True)
class Configuration:
    """What one training, or one for each seed, differs by from the base. ``digest`` is that of the task and PPO's settings that it comes to,
    ``samples_per_update`` follows from them; ``stands_for`` is the point that comes to the same as the base."""

    name: str
    changes: Mapping[str, Any]
    digest: str
    samples_per_update: int
    stands_for: Mapping[str, Any] = field(default_factory=dict)

    @property
    def values(self) -> Mapping[str, Any]:
        """The fields that the study is about, as far as they are told."""
        return self.changes or self.stands_for

    def run(self, seed: int) -> str:
        """The folder of its run of that seed, in the study's."""
        return f"{self.name}-seed-{seed}"


def configurations(study: Study) -> list[Configuration]:
    """The base, if it is asked for, and the points; each is checked. One that comes to the same as an earlier one is left out.

    Raises ValueError for a field that there is not, with the nearest name, and for a value that it cannot have.
    """
    by_digest: dict[str, Configuration] = {}
    base = study.base_of()
    base_hash = base[0].hash
    own = _digest(base_hash, base[1])
    if study.base:
        _check(study, *base)
        by_digest[own] = Configuration(BASE, {}, own, base[1].samples_per_update)
    points = _points(study)
    width = len(str(len(points)))
    for changes in points:
        task, ppo = resolved(base, changes)
        _check(study, task, ppo)
        digest = _digest(base_hash if task is base[0] else task.hash, ppo)
        if study.base and digest == own:
            by_digest[own] = replace(by_digest[own], stands_for=changes)
        number = len(by_digest) + (not study.base)
        name = f"trial-{number:0{width}d}"
        by_digest.setdefault(digest, Configuration(name, changes, digest, ppo.samples_per_update))
    if study.base and len(by_digest) == 1:
        raise ValueError("space, points: nothing in them differs from the base")
    return list(by_digest.values())


def _check(study: Study, task: Task, ppo: PPOConfig) -> None:
    """Raise ValueError for what a study cannot ask of such a task and such settings."""
    if study.until_bar and task.terrain.kind != "plane":
        raise ValueError("until_bar: the bar is one of flat ground, leave it out")
    study.settings(study.seeds[0], samples_per_update=ppo.samples_per_update)


def _digest(task_hash: str, ppo: PPOConfig) -> str:
    """What two configurations have in common that come to the same training."""
    return documents.digest({"task": task_hash, "ppo": documents.stored(ppo)})


def _points(study: Study) -> list[dict[str, Any]]:
    if study.points:
        return [dict(point) for point in study.points]
    if study.trials is None:
        values = [each for each in study.space.values() if isinstance(each, list)]
        return [dict(zip(study.space, point)) for point in itertools.product(*values)]
    random = np.random.default_rng(study.draw_seed)
    drawn = list[dict[str, Any]]()
    for _ in range(study.trials):
        drawn.append({name: _drawn(values, random) for name, values in study.space.items()})
    return drawn


def _drawn(values: list[Any] | Range, random: np.random.Generator) -> Any:
    return values.draw(random) if isinstance(values, Range) else values[int(random.integers(len(values)))]
