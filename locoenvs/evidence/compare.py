"""Is B better than A? On the same panels, with the same robots and draws, by a rule that is stated.

**The promotion rule.** B is promoted over A if on no panel it succeeds less or falls more, beyond the paired 95 % interval, if on at
least one it succeeds more or falls less, and if all three classes of panel were asked: held-out ones, disturbance, and transfer, which
is another backend or another drive than A's own. Panels of validation, small ones and changed ones are of no class: they speak
against B, not for it.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from locoenvs.evidence.paired import Difference, Differences, differences, differences_by_group, robots_of_both, word
from locoenvs.evidence.result import Result
from locoenvs.tasks.documents import shown

FORMAT = "locoenvs.comparison"

PanelClass = Literal["held-out", "disturbance", "transfer"]

CLASSES: tuple[PanelClass, ...] = ("held-out", "disturbance", "transfer")

JUDGED = ("success_rate", "fall_rate")
"""What the rule looks at."""

_NO_CLASS = re.compile(r"-(smoke|validation)\b|, and \d+ changes?$|, on another task")
"""In the name of a panel that does not count for B."""

Options = dict[str, bool | int | float | str | None]


@dataclass(frozen=True)
class Side:
    """One of those that are compared: what it is called, and its results."""

    name: str
    results: tuple[Result, ...]

    @property
    def samples(self) -> int | None:
        """Samples that its policy was trained with, those of the policies that it began from among them; None if its results do not tell."""
        total = self._total("samples")
        return None if total is None else int(total)

    @property
    def training_seconds(self) -> float | None:
        """Wall clock that its training took, with that of the policies that it began from, s; None if its results do not tell."""
        return self._total("training_seconds")

    def _total(self, name: str) -> float | None:
        told = [result.policy for result in self.results if isinstance(result.policy.get(name), int | float)]
        parts = [told[0][name], told[0].get(f"{name}_before", 0)] if told else [None]
        numbers = [part for part in parts if isinstance(part, int | float)]
        return sum(numbers) if len(numbers) == len(parts) else None


@dataclass(frozen=True)
class OfPanel:
    """B beside A on one panel, of no class if it does not count for B: ``strata`` is stratum -> group -> differences; ``seconds`` that
    judging A and B took; ``versions`` that differ."""

    panel: str
    panel_hash: str
    panel_class: PanelClass | None
    backend: str
    drive: str | None
    options: Options
    metrics: Differences
    strata: dict[str, dict[str, Differences]]
    seconds: tuple[float, float]
    versions: dict[str, tuple[str | None, str | None]]

    def words(self) -> list[str]:
        """ "better" or "worse" for each metric of the rule that shows a difference."""
        return [said for name in JUDGED if name in self.metrics and (said := word(name, self.metrics[name]))]

    @property
    def word(self) -> str:
        """What the panel says of B: better, worse, mixed, or no difference."""
        words = set(self.words())
        return "mixed" if len(words) > 1 else words.pop() if words else "no difference"

    def groups(self, said: str) -> list[tuple[str, str, str, Difference]]:
        """(stratum, group, metric, difference) of the groups in which B is "better" or "worse" by a metric of the rule."""
        return [
            (quantity, label, name, found[name])
            for quantity, groups in self.strata.items()
            for label, found in groups.items()
            for name in JUDGED
            if name in found and word(name, found[name]) == said
        ]


@dataclass(frozen=True)
class Verdict:
    """What the promotion rule says: ``word``, the panels that speak for it, and the classes of panel that are missing."""

    word: Literal["promoted", "better, not promoted", "not promoted", "no difference"]
    because: tuple[str, ...]
    missing: tuple[PanelClass, ...]

    def __str__(self) -> str:
        because = f": {'; '.join(self.because)}" if self.because else ""
        missing = f" (no panel of {', '.join(self.missing)})" if self.missing else ""
        return f"{self.word}{because}{missing}"


@dataclass(frozen=True)
class Comparison:
    """B beside A on all panels that both did; ``unmatched`` names results that have none beside them."""

    a: str
    b: str
    samples: tuple[int | None, int | None]
    training_seconds: tuple[float | None, float | None]
    panels: tuple[OfPanel, ...]
    unmatched: tuple[str, ...]
    verdict: Verdict
    seed: int

    def to_json(self) -> str:
        document = {"format": FORMAT, **dataclasses.asdict(self)}
        for panel, made in zip(self.panels, document["panels"]):
            made["word"] = panel.word
        return json.dumps(document, indent=2) + "\n"


Key = tuple[str, str, str]


def compare(a: Side, b: Side, seed: int = 0) -> Comparison:
    """B beside A; ``seed`` is the bootstrap's.

    Raises ValueError if there is no result of the same panel, backend and options on both sides, and for results that do not tell
    what each robot did, or whose robots drew differently.
    """
    ours, theirs = _by_key(a), _by_key(b)
    both = [key for key in ours if key in theirs]
    if not both:
        raise ValueError(_apart(a.results[0], b.results[0]))
    home = _home([ours[key] for key in both])
    panels = tuple(_of_panel(ours[key], theirs[key], home, seed) for key in both)
    unmatched = [(side.name, key) for side, keys in ((a, ours), (b, theirs)) for key in keys if key not in both]
    return Comparison(
        a=a.name,
        b=b.name,
        samples=(a.samples, b.samples),
        training_seconds=(a.training_seconds, b.training_seconds),
        panels=panels,
        unmatched=tuple(f"{name}: {(ours | theirs)[key].panel} on {key[1]}" for name, key in unmatched),
        verdict=judged(panels),
        seed=seed,
    )


def judged(panels: Sequence[OfPanel]) -> Verdict:
    """What the promotion rule says."""
    found = {
        said: [f"{said} on {_where(panel)}" for panel in panels if said in panel.words()]
        for said in ("better", "worse")
    }
    missing = tuple(each for each in CLASSES if each not in {panel.panel_class for panel in panels})
    if found["worse"]:
        return Verdict("not promoted", (*found["worse"], *found["better"]), missing)
    if found["better"]:
        shown = any("better" in panel.words() for panel in panels if panel.panel_class is not None)
        return Verdict("promoted" if shown and not missing else "better, not promoted", tuple(found["better"]), missing)
    return Verdict("no difference", (), missing)


def _where(panel: OfPanel) -> str:
    return f"{panel.panel} ({panel.backend})" if panel.panel_class == "transfer" else panel.panel


def _by_key(side: Side) -> dict[Key, Result]:
    if not side.results:
        raise ValueError(f"{side.name} has no results")
    made: dict[Key, Result] = {}
    for result in side.results:
        key = (result.panel_hash, result.backend, json.dumps(result.options, sort_keys=True))
        if key in made:
            raise ValueError(
                f"{side.name} has two results of panel {result.panel!r} on {result.backend}: which one counts?"
            )
        made[key] = result
    return made


def _apart(a: Result, b: Result) -> str:
    """Why two results are not compared."""
    if a.panel_hash != b.panel_hash:
        return (
            f"results of different panels cannot be compared: {a.panel} ({a.panel_hash}) and {b.panel} ({b.panel_hash})"
            + (": name one --actuator for both" if a.drive != b.drive else "")
        )
    if a.backend != b.backend:
        return f"results of different backends cannot be compared: {a.backend} and {b.backend}, both of {a.panel}"
    return (
        f"results with different options of {a.backend} cannot be compared: {shown(a.options)} and {shown(b.options)}"
    )


def _home(results: Sequence[Result]) -> tuple[str, str | None]:
    """The backend and the drive that A is at home with: those that it was trained with, if it was judged there, else the first's.

    A result names the implementation too, as mjx-warp; of two of the backend that it was trained with the first is home.
    """
    first = results[0]
    backend, drive = first.policy.get("backend"), first.policy.get("drive")
    drives = [result.drive for result in results]
    return (
        next((each.backend for each in results if each.backend.partition("-")[0] == backend), first.backend),
        drive if isinstance(drive, str) and drive in drives else drives[0],
    )


def _of_panel(a: Result, b: Result, home: tuple[str, str | None], seed: int) -> OfPanel:
    ours, theirs = robots_of_both(a, b)
    alike = [(ours.drawn[name], theirs.drawn[name]) for name in ours.drawn.keys() & theirs.drawn.keys()]
    if any(one != other for one, other in [(ours.level, theirs.level), (ours.kind, theirs.kind), *alike]):
        raise ValueError(
            f"the robots of panel {a.panel!r} drew differently in {a.backend}'s results: they make no pairs"
        )
    names = sorted(a.versions.keys() | b.versions.keys())
    versions = {name: (a.versions.get(name), b.versions.get(name)) for name in names}
    return OfPanel(
        panel=a.panel,
        panel_hash=a.panel_hash,
        panel_class=_class_of(a, home),
        backend=a.backend,
        drive=a.drive,
        options=a.options,
        metrics=differences(a, b, seed),
        strata=differences_by_group(a, b, seed),
        seconds=(a.wall_seconds, b.wall_seconds),
        versions={name: pair for name, pair in versions.items() if pair[0] != pair[1]},
    )


def _class_of(result: Result, home: tuple[str, str | None]) -> PanelClass | None:
    if result.split != "panel" or _NO_CLASS.search(result.panel):
        return None
    if (result.backend, result.drive) != home:
        return "transfer"
    return "disturbance" if re.search(r"-disturb(2|_\w+)?-\d", result.panel) else "held-out"
