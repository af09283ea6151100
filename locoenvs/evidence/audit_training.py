"""Checks of a training's ledger for what goes wrong unseen: robots that end together, a term that dominates or is exploited."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean, median
from typing import Any

from locoenvs.evidence.audit import CLIPPED, Finding
from locoenvs.evidence.metrics import Estimate, wilson

DOMINANT = 0.9
"""One reward term with a larger share of the sum of all sizes leaves the others without a say."""

SYNCHRONIZED, AS_MANY, LEAST = 0.25, 5.0, 4
"""More robots than this share timing out in one update, and so many times as many as would if ends were even, or ending for one reason in
one control step, reset together; fewer than so many robots do so by chance."""

SPIKE, BEFORE = 4.0, 20
"""More than half of the robots fail in one update, and so many times the median of so many updates before it: they fail together."""

RISE = 0.1
"""A reward term that grew by more than this share of the sum of all sizes, while the policy became worse, is exploited."""

Line = Mapping[str, Any]


def audit_training(
    records: Sequence[Line], num_envs: int | None, kinds: Sequence[str] = (), update_share: float = 0.0
) -> list[Finding]:
    """The checks of a ledger's lines; those of means are over the last tenth of the updates.

    ``kinds`` are the kinds of tile that the task asks for, ``update_share`` the part of a whole episode that an update is. What a learner's ledger does not tell is not checked, nor, without
    ``num_envs``, how resets spread. Raises ValueError for a ledger without updates.
    """
    updates = [record for record in records if record["kind"] == "update"]
    if not updates:
        raise ValueError("the ledger has no updates: nothing was trained")
    recent = updates[-max(len(updates) // 10, 1) :]
    told = set.intersection(*(set(update) for update in updates))
    findings: list[Finding] = []
    if "action_clip_rate" in told:
        clipped = fmean(update["action_clip_rate"] for update in recent)
        said = f"{100 * clipped:.2f} % of the actions are clipped"
        findings.append(Finding("actions within the clip", clipped <= CLIPPED, said))
    if "terms_per_second" in told:
        findings.append(_balance(recent))
    if "resets" in told and num_envs is not None:
        findings.append(_spread(updates, num_envs, update_share))
    validations = _of_one_panel(records)
    if validations and "terms_per_second" in told:
        findings.append(_exploit(updates, validations))
    if kinds and (met := {kind for update in updates for kind in update.get("levels", {})}):
        missing = [kind for kind in kinds if kind not in met]
        said = f"no robot was ever on {', '.join(missing)}" if missing else "all of them"
        findings.append(Finding("kinds of tile have robots", not missing, said))
    uses = Counter((record["panel"], record.get("panel_hash")) for record in records if record["kind"] == "held_out")
    if uses:
        again = [f"{name} {count} times" for (name, _), count in uses.items() if count > 1]
        said = f"judged on {', '.join(again)}: what is chosen by it is not held out any more" if again else "once each"
        findings.append(Finding("held-out panels are used once", not again, said))
    return findings


def _of_one_panel(records: Sequence[Line]) -> list[Line]:
    """The validations by the panel of the last one, as those of another have other robots; of earlier versions, which did not tell how
    many robots they were of, none."""
    told = [
        record
        for record in records
        if record["kind"] == "validation" and "num_robots" in record and "success_rate" in record.get("metrics", {})
    ]
    return [record for record in told if record.get("panel_hash") == told[-1].get("panel_hash")]


def _balance(recent: Sequence[Line]) -> Finding:
    """Whether no reward term outweighs all others."""
    names = dict.fromkeys(name for line in recent for name in line["terms_per_second"])
    sizes = {name: abs(sum(line["terms_per_second"].get(name, 0.0) for line in recent)) for name in names}
    if not sizes:
        return Finding("rewards balance", True, "there are no reward terms")
    largest = max(sizes, key=lambda name: sizes[name])
    share = sizes[largest] / max(sum(sizes.values()), 1e-9)
    return Finding("rewards balance", share <= DOMINANT, f"{largest} is {100 * share:.0f} % of all reward terms")


def _spread(updates: Sequence[Line], num_envs: int, update_share: float) -> Finding:
    """Whether robots end their episodes at different times."""
    worst = max(updates, key=lambda line: line["resets"].get("time_limit", 0))
    together = worst["resets"].get("time_limit", 0) / num_envs
    if together > max(SYNCHRONIZED, AS_MANY * update_share) and together * num_envs >= LEAST:
        return Finding("resets spread", False, f"{100 * together:.0f} % of the robots timed out at once")
    for update in updates:
        for reason, share in update.get("most_at_once", {}).items():
            if share > SYNCHRONIZED and round(share * num_envs) >= LEAST:
                said = f"{100 * share:.0f} % of the robots ended by {reason} in one control step of update {update['update']}"
                return Finding("resets spread", False, said)
    failed = [sum(count for reason, count in line["resets"].items() if reason != "time_limit") for line in updates]
    for index in range(BEFORE, len(updates)):
        usual = median(failed[index - BEFORE : index])
        if failed[index] > max(num_envs / 2, SPIKE * usual, LEAST - 1):
            said = (
                f"{failed[index]} of {num_envs} robots failed in update {updates[index]['update']}, {usual:g} before it"
            )
            return Finding("resets spread", False, said)
    return Finding("resets spread", True, f"{100 * together:.0f} % of the robots timed out at once")


def _exploit(updates: Sequence[Line], validations: Sequence[Line]) -> Finding:
    """Whether what a reward term pays for makes the policy worse, as validation sees it.

    The last validation is held against the best one. Where fewer robots succeed by more than their 95 % intervals, the term
    that grew most between the updates up to either is named if it grew by more than :data:`RISE` of all terms.
    """
    name = "rewards follow success"
    last, best = validations[-1], max(validations, key=_success)
    at_best, at_last = (_interval(line) for line in (best, last))
    said = f"success {100 * at_best.value:.0f} % at best, {100 * at_last.value:.0f} % at the end"
    if at_last.high >= at_best.low:  # type: ignore[operator]
        return Finding(name, True, said)
    every = max(last["update"] // max(len(validations), 1), 1)
    then, now = (_terms(updates, line["update"], every) for line in (best, last))
    grown = {term: now[term] - then.get(term, 0.0) for term in now}
    if not grown:
        return Finding(name, True, f"{said}; there are no reward terms")
    most = max(grown, key=lambda term: grown[term])
    share = grown[most] / max(sum(map(abs, now.values())), 1e-9)
    if share <= RISE:
        return Finding(name, True, f"{said}; no reward term grew by more than {100 * RISE:.0f} %")
    return Finding(
        name, False, f"{said}, while {most} grew from {then.get(most, 0.0):.2f} to {now[most]:.2f} per second"
    )


def _success(line: Line) -> float:
    return line["metrics"]["success_rate"]


def _interval(line: Line) -> Estimate:
    """Its success and the 95 % interval."""
    return wilson(round(_success(line) * line["num_robots"]), line["num_robots"])


def _terms(updates: Sequence[Line], until: int, count: int) -> dict[str, float]:
    """The mean of each term over ``count`` updates up to that one."""
    lines = [line["terms_per_second"] for line in updates if until - count < line["update"] <= until] or [
        updates[0]["terms_per_second"]
    ]
    names = dict.fromkeys(name for line in lines for name in line)
    return {name: fmean(line.get(name, 0.0) for line in lines) for name in names}
