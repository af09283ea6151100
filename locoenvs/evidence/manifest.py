"""A panel: the frozen, hashed manifest of a held-out evaluation.

A panel fixes the task, the random streams and the groups that results are reported for; it knows nothing of the policy.
Its streams are those of the split "panel", which training cannot reach, or, to judge while training, of "validation".
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass

from locoenvs.evidence.quantities import QuantityName
from locoenvs.tasks import documents, formats
from locoenvs.tasks.robot import CONFIG
from locoenvs.tasks.task import Task

FORMAT = "locoenvs.panel"

LARGEST = 2**20
"""Robots of the largest panel."""


@dataclass(frozen=True, config=CONFIG)
class Group:
    """The robots or moments whose quantity is in [low, high); None is no bound."""

    label: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, config=CONFIG)
class Stratum:
    """A way to split a panel's robots or moments into groups. Those of terrain and level follow from the terrain."""

    quantity: QuantityName
    groups: tuple[Group, ...] = ()


@dataclass(frozen=True, config=CONFIG)
class Panel:
    """What a policy is evaluated on: ``num_robots`` robots do the first episode of ``seed``'s held-out streams."""

    name: str
    description: str
    task: Task
    seed: Annotated[int, Field(ge=0, lt=2**31)]
    num_robots: Annotated[int, Field(ge=1, le=LARGEST)]
    strata: tuple[Stratum, ...]
    split: Literal["panel", "validation"] = "panel"

    def __post_init__(self) -> None:
        if self.task.curriculum.enabled or self.task.rewards.penalty_schedule is not None:
            raise ValueError(
                f"panel {self.name!r}: what it measures must not change while it runs: no curriculum, no schedule"
            )

    @property
    def hash(self) -> str:
        """Twelve hex digits that change when anything of the panel does."""
        return _hash_of(documents.stored(self))

    def to_json(self) -> str:
        """The panel's manifest."""
        return json.dumps({"format": FORMAT, "hash": self.hash, "panel": documents.stored(self)}, indent=2) + "\n"

    @staticmethod
    def from_json(text: str | bytes, name: str = "the panel's manifest") -> Panel:
        """The panel of a manifest; errors call it ``name``. Raises ValueError for one that was changed since it was written."""
        document = documents.parsed(text, name)
        documents.check_format(document, "a panel's manifest", FORMAT, name=name)
        panel = document.get("panel")
        panel = formats.with_task(panel, name) if isinstance(panel, dict) else panel
        manifest = documents.valid(_MANIFEST, {**document, "panel": panel}, name)
        panel = manifest.panel
        if (found := _hash_of(document["panel"])) != manifest.hash:
            raise ValueError(
                f"panel {panel.name!r} was changed: its hash is {found}, its manifest says {manifest.hash}. "
                "A panel is never edited: make another one under another name"
            )
        return panel


def _hash_of(panel: dict[str, Any]) -> str:
    """The hash of a panel's document: whatever its format, that of the oldest that says the same."""
    return documents.digest({**panel, "task": formats.oldest(panel["task"])})


@dataclass(frozen=True, config=CONFIG)
class _Manifest:
    """What :meth:`Panel.to_json` writes."""

    format: Literal["locoenvs.panel"]
    hash: documents.Hash
    panel: Panel


_MANIFEST: TypeAdapter[_Manifest] = TypeAdapter(_Manifest)
