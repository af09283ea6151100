"""Changes of a task by the names of its fields: ``rewards.terms.action_rate.weight`` is -0.05.

A name in a list, of a slot or a kind of tile, stands for its entry: ``observations.slots.heights.noise``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from locoenvs.tasks.documents import shown, stored
from locoenvs.tasks.names import nearest
from locoenvs.tasks.vocabulary import (
    OBSERVATION_SLOTS,
    RANDOMIZATIONS,
    REWARD_TERMS,
    TERMINATIONS,
    TILE_KINDS,
    Vocabulary,
)

NAMED: dict[str, tuple[Vocabulary[Any], str]] = {
    "rewards.terms": (REWARD_TERMS, ""),
    "terminations": (TERMINATIONS, ""),
    "randomization.terms": (RANDOMIZATIONS, ""),
    "observations.slots": (OBSERVATION_SLOTS, "name"),
    "terrain.shares": (TILE_KINDS, "kind"),
}
"""Where a task names its entries: the vocabulary, and the field that holds an entry's name where they are a list."""


class _New(dict[str, Any]):
    """An entry that is being put in: its schema says which fields it has."""


def apply(document: dict[str, Any], path: str, value: Any) -> None:
    """Set the field of that path, in place. An entry set to None is taken out; one that is not there is put in.

    Raises ValueError for a path that leads nowhere.
    """
    *way, last = path.split(".")
    here: Any = document
    for depth, name in enumerate(way):
        where = ".".join(way[:depth])
        here = _inside(here, name, where, path)
        if here is None:
            raise ValueError(f"{path}: {'.'.join(way[: depth + 1])} is not there: set all of it")
    where = ".".join(way)
    key = _key(here, last, where, path)
    if where in NAMED and value is None:
        if key is None:
            raise ValueError(f"{path}: there is no such entry")
        del here[key]
    elif isinstance(here, list):
        if not isinstance(entry := stored(value), Mapping):
            raise ValueError(f"{path}: Input should be an object, got {shown(value)}")
        at = slice(len(here), None) if key is None else slice(key, key + 1)
        here[at] = [{NAMED[where][1]: last, **entry}]
    else:
        here[last] = stored(value)


def _inside(here: Any, name: str, where: str, path: str) -> Any:
    if isinstance(here, _New):
        return here.setdefault(name, _New())
    key = _key(here, name, where, path)
    if key is None:
        new = _New()
        if isinstance(here, list):
            new[NAMED[where][1]] = name
            here.append(new)
        else:
            here[name] = new
        return new
    return here[key]


def _key(here: Any, name: str, where: str, path: str) -> Any:
    """Where ``name`` is in an object or a list; None for an entry that may be put there. Raises ValueError if it may not."""
    words, field = NAMED.get(where, (None, ""))
    if isinstance(here, _New):
        return name
    if isinstance(here, list) and field:
        names = [entry[field] for entry in here]
        if name in names:
            return names.index(name)
    elif isinstance(here, Mapping):
        if name in here:
            return name
        if where.endswith(".parameters"):  # its word knows what it takes
            return None
    else:
        raise ValueError(f"{path}: {where} is {shown(here)}, which has no fields")
    if words is None:
        raise ValueError(f"{path}: {nearest(f'field of {where}' if where else 'field of a task', name, list(here))}")
    if words.find(name) is None:
        raise ValueError(f"{path}: {nearest(words.kind, name, list(words))}")
    return None


_COUNTED = re.compile(r"(.*), and (\d+) changes?")


def renamed(recipe: str, changes: int) -> str:
    """The name of a recipe with so many changes more."""
    base, before = base_of(recipe), _COUNTED.fullmatch(recipe)
    count = changes + (int(before[2]) if before else 0)
    return f"{base}, and {count} change{'s' if count > 1 else ''}"


def base_of(recipe: str) -> str:
    """The name of the recipe that was changed."""
    counted = _COUNTED.fullmatch(recipe)
    return counted[1] if counted else recipe
