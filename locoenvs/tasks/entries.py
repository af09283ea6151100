"""What a task names: entries of its words, with their numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass

from locoenvs.install import NAME
from locoenvs.tasks.documents import Entries, later
from locoenvs.tasks.names import nearest
from locoenvs.tasks.robot import CONFIG, Name, NonNegative, Number, Positive
from locoenvs.tasks.vocabulary import Vocabulary, Word

if TYPE_CHECKING:
    Parameter = Any  # as its word says
else:
    _Number = Annotated[float, Field(ge=-1e9, le=1e9)]
    _Whole = Annotated[int, Field(ge=-(10**9), le=10**9)]
    _Text = Annotated[str, Field(max_length=1000)]
    Parameter = bool | _Whole | _Number | _Text | Annotated[tuple[_Number, ...], Field(max_length=1000)] | None


@dataclass(frozen=True, config=CONFIG, kw_only=True)
class Entry:
    """A word with its parameters; those that are not given have their defaults.

    ``package`` is who registered the word. ``version`` is its formula's, None the one of today.
    """

    parameters: Annotated[Mapping[Name, Parameter], Field(max_length=100), AfterValidator(Entries)] = later(Entries())
    package: Name = later(NAME)
    version: Annotated[int, Field(ge=1, le=10**9)] | None = None


@dataclass(frozen=True, config=CONFIG)
class Term(Entry):
    """A reward term: a function of :data:`~locoenvs.tasks.vocabulary.REWARD_TERMS` times ``weight``, per second."""

    weight: Number


@dataclass(frozen=True, config=CONFIG)
class SlotSpec(Entry):
    """A quantity of the observation: ``scale`` times its value and uniform ``noise`` of that half width, in the value's unit.

    ``noise`` None is a perfect sensor.
    """

    name: Name
    scale: Positive = 1.0
    noise: NonNegative | None = 0.0


@dataclass(frozen=True, config=CONFIG)
class TileShare(Entry):
    """The share of the map's columns that one kind of tile takes."""

    kind: Name
    share: Annotated[float, Field(gt=0, le=1)]


E = TypeVar("E", bound=Entry)
W = TypeVar("W", bound=Word)


def completed(entry: E, name: str, words: Vocabulary[W], where: str) -> E:
    """The entry with all parameters, package and version of its word.

    One of another package that is not here stays as it is: a task may be read without it, not made. Raises ValueError for a
    name that is none, for what does not fit the word, and for another version than today's.
    """
    word = words.find(name)
    if word is None:
        if entry.package == NAME:
            raise ValueError(f"{where}: {nearest(words.kind, name, list(words))}")
        return entry
    if entry.package not in (NAME, word.package):
        raise ValueError(
            f"{where}: {words.kind} {name!r} is of package {entry.package!r} there, of {word.package!r} here"
        )
    if entry.version not in (None, word.version):
        raise ValueError(
            f"{where}: version {entry.version} of {words.kind} {name!r} is asked for, {word.package} has version {word.version}, "
            "another formula"
        )
    parameters = word.parameters(entry.parameters, where)
    return dataclasses.replace(entry, parameters=parameters, package=word.package, version=word.version)


def missing(entry: Entry, name: str, words: Vocabulary[W]) -> str | None:
    """What is said of an entry whose word is not here; None if it is."""
    if words.find(name) is not None:
        return None
    return f"{words.kind} {name!r} is of package {entry.package!r}, which is not here: install it, or import what registers it"
