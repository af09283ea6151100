"""When a training that may stop by the bar is good enough to, and what its ledger says of that."""

from __future__ import annotations

from locoenvs.training.run import Run

IN_A_ROW = 2
"""So many validations, one after another, must meet the bar for a training to stop by it."""


def reached(until_bar: bool, met: int) -> bool:
    """Whether a training that may stop by the bar, and has met it ``met`` times in a row, is good enough to."""
    return until_bar and met >= IN_A_ROW


def stopped_by_the_bar(run: Run) -> int | None:
    """The update after which a training was good enough and ended; None for one that was not, or has gone on since.

    Raises FileNotFoundError for a run that is not there.
    """
    planned, records = Run.open(run.folder).recipe().get("validation") or {}, run.records()
    judged = [line for line in records if line["kind"] == "validation"]
    if not judged or not reached(planned.get("until_bar", False), judged[-1].get("met", 0)):
        return None
    last = max(line["update"] for line in records if line["kind"] == "update")
    return last if judged[-1]["update"] == last else None
