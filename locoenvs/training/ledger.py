"""What a ledger's lines must be for what reads them: audits, charts and reports. docs/ledger.md is the table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Required

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from locoenvs.tasks import documents

Numbers = dict[str, float]


class Update(TypedDict, total=False):
    """Those of an update's fields that something here reads; a learner may tell others beside, and leave out what is not required."""

    update: Required[int]
    elapsed_seconds: Required[float]
    samples: float
    samples_per_second: float
    reward_per_second: float
    action_clip_rate: float
    terms_per_second: Numbers
    resets: Numbers
    most_at_once: Numbers
    levels: Numbers
    level_counts: dict[str, list[float]]
    policy_lag: dict[str, float | None]
    explained_variance: float | None
    memory_mb: float | None
    device_memory_mb: float | None


class Validation(TypedDict, total=False):
    """Of a validation."""

    update: Required[int]
    elapsed_seconds: Required[float]
    seconds: float
    num_robots: int
    metrics: Numbers


class HeldOut(TypedDict, total=False):
    """Of a use of a held-out panel."""

    panel: Required[str]


_KINDS: dict[str, TypeAdapter[Any]] = {
    "update": TypeAdapter(Update),
    "validation": TypeAdapter(Validation),
    "held_out": TypeAdapter(HeldOut),
}


def usable(records: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    """The lines that are what their kind must be, and a word on each of the others. Lines of further kinds are all usable."""
    good, said = list[dict[str, Any]](), list[str]()
    for number, record in enumerate(records, 1):
        try:
            if (adapter := _KINDS.get(record["kind"])) is not None:
                documents.valid(adapter, record, f"ledger line {number}, of kind {record['kind']!r}")
        except ValueError as error:
            said.append(str(error))
        else:
            good.append(record)
    return good, said
