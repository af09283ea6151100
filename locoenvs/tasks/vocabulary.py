"""The open vocabulary: what a task names, this package's words and those that anyone registers.

A task holds names and numbers, never code. What a name does is a function that somebody registered: this package for its own words,
a script by a decorator, another package by an entry point of the group ``locoenvs.plugins`` that names the module whose import
registers them. A function's keyword parameters, with their types and defaults, are those that a task may give it::

    @reward_term()
    def foot_clearance(s: Step, target: Positive = 0.08) -> Array: ...

    {"foot_clearance": {"weight": -0.5, "parameters": {"target": 0.1}, "package": "my_terms"}}
"""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
import typing
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, PydanticUserError, TypeAdapter, ValidationError, create_model

from locoenvs.install import NAME, plugins
from locoenvs.tasks import documents
from locoenvs.tasks.names import nearest

GROUP = "locoenvs.plugins"
"""The entry points of other packages: name = module, whose import registers words and environments."""


@functools.cache
def load_plugins() -> None:
    """Import what other packages add to the suite, once."""
    for point in plugins(GROUP).values():
        try:
            importlib.import_module(point.value)
        except Exception as error:  # whatever another package raises must not keep everybody's tasks away
            warnings.warn(f"plugin {point.name!r} of {point.value} is left out: {error}", stacklevel=2)


Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Word:
    """A name with the function that gives it its meaning.

    ``version`` is raised when the formula changes: a task keeps the version that it was made with, and refuses another.
    """

    name: str
    function: Callable[..., Any]
    version: int = 1

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise ValueError(f"{self.name!r} cannot be a name in a task: use letters, digits and underscores")
        if type(self.version) is not int or self.version < 1:
            raise ValueError(f"version {self.version!r} of {self.name!r} must be a whole number from 1")
        if not self.meaning:
            raise ValueError(f"{self.name!r} has no docstring: say what it is, with its unit")

    @property
    def meaning(self) -> str:
        """What it is, in words: the first sentence of the function's docstring."""
        return " ".join((inspect.getdoc(self.function) or "").split("\n\n")[0].split())

    @property
    def place(self) -> tuple[str, str]:
        """Where the function was written: its module, and its name there."""
        return self.function.__module__, self.function.__qualname__

    @property
    def package(self) -> str:
        """Who registered it: the name of a package, or of the file of a script."""
        module = self.function.__module__
        if module in ("__main__", "__mp_main__"):  # the script itself, and in a process that it started
            if (spec := sys.modules["__main__"].__spec__) is not None and "." in spec.name:  # python -m package.script
                return spec.name.partition(".")[0]
            return Path(getattr(sys.modules["__main__"], "__file__", None) or "__main__").stem
        return module.partition(".")[0]

    @cached_property
    def _keywords(self) -> list[inspect.Parameter]:
        """The parameters that a task may give."""
        return [p for p in inspect.signature(self.function).parameters.values() if p.default is not p.empty]

    @cached_property
    def _parameters(self) -> TypeAdapter[BaseModel]:
        """The keyword parameters of the function as a schema."""
        keywords = self._keywords
        for p in inspect.signature(self.function).parameters.values():
            if p.kind is p.VAR_KEYWORD or (p.kind is p.KEYWORD_ONLY and p.default is p.empty):
                raise ValueError(f"{self.name!r}: parameter {p.name!r} needs a default")
            if p.default is not p.empty and p.annotation is p.empty:
                raise ValueError(f"{self.name!r}: parameter {p.name!r} needs a type")
        own = {"__annotations__": {p.name: p.annotation for p in keywords}, "__module__": self.function.__module__}
        scope = {**vars(sys.modules[self.function.__module__])}
        try:
            types = typing.get_type_hints(type("Parameters", (), own), scope, include_extras=True)
            fields: dict[str, Any] = {p.name: (types[p.name], p.default) for p in keywords}
            config = ConfigDict(extra="forbid", allow_inf_nan=False, validate_default=True, protected_namespaces=())
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a parameter may be called as something of pydantic's
                model = create_model(self.name, __config__=config, **fields)
            model()
        except NameError as error:
            raise ValueError(f"{self.name!r}: the type of a parameter is not known as it runs: {error}") from None
        except (ValidationError, PydanticUserError) as error:
            raise ValueError(
                f"{self.name!r}: a default or a type does not do: {' '.join(str(error).split())[:200]}"
            ) from None
        return TypeAdapter(model)

    def parameters(self, chosen: Mapping[str, Any], where: str = "") -> dict[str, Any]:
        """All parameters, the ``chosen`` in place of their defaults. Raises ValueError for a name or a value that does not fit."""
        known = [p.name for p in self._keywords]
        for name in chosen:
            if name not in known:
                raise ValueError(nearest(f"parameter of {where or self.name}", name, known))
        values = documents.valid(self._parameters, chosen, where or self.name)
        return {name: getattr(values, name) for name in known}


W = TypeVar("W", bound=Word)


class Vocabulary(Generic[W]):
    """The words of one kind, such as reward terms: this package's, in the order of their module, then the others'."""

    def __init__(self, kind: str, module: str, reserved: tuple[str, ...] = ()) -> None:
        self.kind = kind
        self._reserved = reserved
        self._module = module
        self._words: dict[str, W] = {}

    def add(self, word: W) -> W:
        """Register a word. Raises ValueError for a name that another function has; one of the same place replaces it."""
        if word.package != NAME:
            self._load()
        if word.name in self._reserved:
            raise ValueError(f"{self.kind} {word.name!r}: the name means something else already: choose another")
        word.parameters({})  # its signature says what a task may give it
        there = self._words.get(word.name)
        if there is not None and there.place != word.place:
            raise ValueError(
                f"{self.kind} {word.name!r} of {word.package!r} is taken by {there.package!r}: choose another name"
            )
        self._words[word.name] = word
        return word

    def remove(self, name: str) -> None:
        """Forget a word."""
        del self._words[name]

    def words(self) -> Mapping[str, W]:
        """Name -> word, of all that are registered."""
        self._load(others=True)
        return MappingProxyType(self._words)

    def find(self, name: str) -> W | None:
        """The word of that name, if there is one."""
        if name not in self._words:
            self._load()
        if name not in self._words:
            self._load(others=True)
        return self._words.get(name)

    def __getitem__(self, name: str) -> W:
        """The word of that name. Raises ValueError, with the nearest, if there is none."""
        if (word := self.find(name)) is None:
            raise ValueError(nearest(self.kind, name, list(self.words())))
        return word

    def __iter__(self) -> Iterator[str]:
        return iter(self.words())

    def _load(self, others: bool = False) -> None:
        # A task is below the rooms that say what its words do: they are named, not imported.
        importlib.import_module(self._module)
        if others:
            load_plugins()


@dataclass(frozen=True)
class RewardTerm(Word):
    """``function(step: Step, **parameters) -> (num_envs,)``. ``after_clip`` terms are added after the reward's clip at zero."""

    after_clip: bool = False


Hidden = Literal["ground", "place", "draws", "contact"]
"""What a robot does not know of itself: the heights around it, where on the map and on which tile it stands and began, what its random
streams hold, which robot it is and how many episodes it has had, and what it touches, which needs sensors in its feet."""


@dataclass(frozen=True)
class ObservationSlot(Word):
    """``function(mdp: Mdp, episodes: Episodes, **parameters) -> (num_envs, size)`` in ``unit``.

    ``size`` is a number or ``size(robot, **parameters)``. What is ``sensed`` can be late; the rest is known. ``mirror`` says how the
    values change from left to right: a sign for each, or ``mirror(robot, **parameters)`` gives ``(index, sign)``, the image being ``sign * values[index]``; None has no image.
    ``sees`` is what it tells beyond the robot's own state and commands: the "ground" around it, its "place" on the map, the
    "draws" of its random streams, or its "contact" with things; what is not said there an audit finds (:mod:`locoenvs.evidence.leaks`).
    """

    unit: str = "1"
    size: int | Callable[..., int] = 1
    mirror: Sequence[int] | Callable[..., tuple[Any, Any]] | None = None
    sensed: bool = True
    sees: tuple[Hidden, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        for each in self.sees:
            if each not in typing.get_args(Hidden):
                raise ValueError(f"{self.name!r}: sees: {nearest('thing to see', each, list(typing.get_args(Hidden)))}")


@dataclass(frozen=True)
class TileKind(Word):
    """``function(tile: Tile, **parameters) -> (cells + 1, cells + 1)`` heights, m.

    ``upright`` kinds are flat but for the faces of steps, which a height grid spreads over a cell. ``measure`` is the parameter that
    grows from level to level, and what it is called in a picture, with its unit.
    """

    upright: bool = False
    measure: tuple[str, str] | None = None


@dataclass(frozen=True)
class Termination(Word):
    """``function(step: Step, **parameters) -> (num_envs,) bool``: who fails in this step."""


@dataclass(frozen=True)
class Randomization(Word):
    """What differs between robots or episodes, by ``stage``:

    - "physics", once a robot, and "drive", at every step: ``function(draw: Draw, mdp: Mdp, **parameters) -> {quantity: array}`` with
      ``quantities`` of :mod:`locoenvs.mdp.randomizations`;
    - "sensors": ``function(draw, mdp, episodes, seen: {slot: array}, **parameters) -> {slot: array}``, slots that read otherwise;
    - "lag": ``function(draw, mdp, **parameters) -> (num_envs, 1)`` s by which what sensors give is late.

    A parameter ``delay`` is (least, most) s of a delay.
    """

    stage: Literal["physics", "drive", "sensors", "lag"] = "sensors"
    quantities: tuple[str, ...] = ()


REWARD_TERMS: Vocabulary[RewardTerm] = Vocabulary("reward term", "locoenvs.mdp.rewards")
OBSERVATION_SLOTS: Vocabulary[ObservationSlot] = Vocabulary("observation slot", "locoenvs.mdp.slots")
TILE_KINDS: Vocabulary[TileKind] = Vocabulary("kind of tile", "locoenvs.mdp.tiles")
TERMINATIONS: Vocabulary[Termination] = Vocabulary(
    "termination", "locoenvs.mdp.terminations", ("running", "time_limit", "broken_physics", "map_edge")
)
RANDOMIZATIONS: Vocabulary[Randomization] = Vocabulary("randomization", "locoenvs.mdp.randomizations")


def reward_term(*, version: int = 1, after_clip: bool = False) -> Callable[[Function], Function]:
    """Register the decorated function as a reward term of its name."""

    def register(function: Function) -> Function:
        REWARD_TERMS.add(RewardTerm(function.__name__, function, version, after_clip))
        return function

    return register


def observation_slot(
    *,
    unit: str,
    size: int | Callable[..., int],
    mirror: Sequence[int] | Callable[..., tuple[Any, Any]] | None = None,
    sensed: bool = True,
    sees: tuple[Hidden, ...] = (),
    version: int = 1,
) -> Callable[[Function], Function]:
    """Register the decorated function as an observation slot of its name; see :class:`ObservationSlot`."""

    def register(function: Function) -> Function:
        OBSERVATION_SLOTS.add(ObservationSlot(function.__name__, function, version, unit, size, mirror, sensed, sees))
        return function

    return register


def tile_kind(
    *, version: int = 1, upright: bool = False, measure: tuple[str, str] | None = None
) -> Callable[[Function], Function]:
    """Register the decorated function as a kind of tile of its name."""

    def register(function: Function) -> Function:
        TILE_KINDS.add(TileKind(function.__name__, function, version, upright, measure))
        return function

    return register


def termination(*, version: int = 1) -> Callable[[Function], Function]:
    """Register the decorated function as a termination of its name."""

    def register(function: Function) -> Function:
        TERMINATIONS.add(Termination(function.__name__, function, version))
        return function

    return register


def randomization(
    stage: Literal["physics", "drive", "sensors", "lag"], *, quantities: tuple[str, ...] = (), version: int = 1
) -> Callable[[Function], Function]:
    """Register the decorated function as a randomization of its name; see :class:`Randomization`."""

    def register(function: Function) -> Function:
        RANDOMIZATIONS.add(Randomization(function.__name__, function, version, stage, quantities))
        return function

    return register
