"""Does a policy hold up on other physics and with other drives? The same robots, draws and commands, on every engine and drive that is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rich.table import Table

from locoenvs.envs import backends
from locoenvs.evidence.compare import JUDGED
from locoenvs.evidence.manifest import Panel
from locoenvs.evidence.metrics import UNITS
from locoenvs.evidence.paired import Differences, differences, word
from locoenvs.evidence.panel import panel_of, small
from locoenvs.evidence.result import Result, shown_in
from locoenvs.policies.policy import Policy
from locoenvs.tasks.names import nearest
from locoenvs.tasks.recipes import ActuatorKind

Judge = Callable[[Panel, str | None, str], Result]
"""Evaluates a policy on a panel, which was asked for by the second, on the backend of the third's name."""


@dataclass(frozen=True)
class Place:
    """Where a policy was tried: backend and drive."""

    backend: str
    drive: str

    def __str__(self) -> str:
        return f"{self.backend}, {self.drive}"


@dataclass(frozen=True)
class Tried:
    """A policy on one panel in one place: what came out, and how it differs from the first place's, None there."""

    place: Place
    result: Result
    beside_first: Differences | None

    @property
    def word(self) -> str:
        """worse, if it succeeds less or falls more than in the first place, beyond the paired interval; else better or no difference."""
        if self.beside_first is None:
            return "the first"
        words = {word(name, self.beside_first[name]) for name in JUDGED if name in self.beside_first} - {""}
        return "worse" if "worse" in words else "better" if words else "no difference"


@dataclass(frozen=True)
class Transfer:
    """All that was tried, panel by panel, and why what else was asked for was not: (panel or place, why)."""

    tried: tuple[Tried, ...]
    missing: tuple[tuple[str, str], ...]

    def verdicts(self) -> list[str]:
        """A line for each place but the first: whether the policy holds up there."""
        made = []
        for place in dict.fromkeys(each.place for each in self.tried if each.beside_first is not None):
            there = [each for each in self.tried if each.place == place]
            worse = [each.result.panel for each in there if each.word == "worse"]
            made.append(f"[{place}] " + (f"does not hold up: worse on {', '.join(worse)}" if worse else "holds up"))
        return made


def transfer(
    policy: Policy,
    judge: Judge,
    to: Sequence[str],
    drives: Sequence[ActuatorKind] = (),
    panels: Sequence[str | None] = (None,),
    smoke: bool = False,
    seed: int = 0,
) -> Transfer:
    """Try a policy on every panel with every backend of ``to`` and every drive, the first of which are what it is measured by.

    ``drives`` are those of the task that the policy was trained on if none is given; panels None is the one for its ground. What is
    not installed, and what a backend or a robot cannot do, is told in ``missing``; in the first place it is an error, as long as nothing
    was tried. A later panel that cannot be done there is told, and done nowhere else.
    """
    known = ["auto", *backends.installed()]
    if unknown := [backend for backend in to if backend not in known]:
        raise ValueError(nearest("backend", unknown[0], known))
    places = list(dict.fromkeys(_places(policy, to, drives)))
    tried: list[Tried] = []
    missing: dict[tuple[str, str], None] = {}
    for name in panels:
        first: Result | None = None
        for place in places:
            try:
                backends.load(place.backend)
                panel = panel_of(policy.task, name, place.drive)  # type: ignore[arg-type]
                result = judge(small(panel) if smoke else panel, name, place.backend)
            except (
                ImportError,
                RuntimeError,
                ValueError,
            ) as error:  # such as a GPU's memory, or Isaac Lab's one simulation
                if not tried:
                    raise
                where = place.backend if isinstance(error, ImportError) else f"{place}, {name or 'its own panel'}"
                missing[where, str(error) or type(error).__name__] = None
                if first is None:
                    break  # there is nothing to measure the others by
                continue
            tried.append(Tried(place, result, None if first is None else differences(first, result, seed)))
            first = first or result
    return Transfer(tuple(tried), tuple(missing))


def _places(policy: Policy, to: Sequence[str], drives: Sequence[str]) -> Iterator[Place]:
    for backend in to:
        for drive in drives or (policy.task.actuator.kind,):
            yield Place(backends.resolve(backend), drive)


def table(transferred: Transfer) -> Table:
    """Every panel in every place, beside the first, for people."""
    shown = ("success_rate", "fall_rate", "velocity_error", "cost_of_transport")
    rows = Table(caption="in brackets the difference to the first place, with its paired 95 % interval")
    rows.add_column("panel", overflow="fold")
    rows.add_column("place", overflow="fold")
    for name in shown:
        rows.add_column(f"{name.replace('_', ' ')}{'' if UNITS[name] == '1' else f', {UNITS[name]}'}", justify="right")
    rows.add_column("", overflow="fold")
    for each in transferred.tried:
        if each.beside_first is None:
            rows.add_section()
        cells = [_cell(each, name) for name in shown]
        rows.add_row(each.result.panel, str(each.place), *cells, each.word)
    return rows


def _cell(each: Tried, name: str) -> str:
    metrics, unit = each.result.metrics, UNITS[name]
    if name not in metrics:
        return ""
    value = shown_in(metrics[name].value, unit)
    if each.beside_first is None or name not in each.beside_first:
        return value
    found, scale = each.beside_first[name], 100 if unit == "%" else 1
    ends = "" if found.low is None or found.high is None else f": {scale * found.low:+.2g} to {scale * found.high:+.2g}"
    return f"{value}\n({scale * found.value:+.2g}{ends})"
