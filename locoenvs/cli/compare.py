"""``locoenvs compare``: is one policy better than another?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from locoenvs import terminal
from locoenvs.cli.arguments import (
    OptionalActuator,
    OptionalPath,
    Options,
    Panels,
    check_written,
    options_given,
    policy_named,
    run_folder,
    write,
)
from locoenvs.cli.steps import evaluate_noted
from locoenvs.evidence import compare_tables
from locoenvs.evidence.compare import Side
from locoenvs.evidence.compare import compare as compared
from locoenvs.evidence.panel import panel_of
from locoenvs.evidence.result import Result
from locoenvs.policies.policy import FILES
from locoenvs.tasks import documents
from locoenvs.tasks.recipes import ActuatorKind

Words = Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="A B [C ...]")]


def compare(
    sides: Words,
    panel: Panels = None,
    actuator: OptionalActuator = None,
    backend: str = "auto",
    options: Options = (),
    seed: int = 0,
    out: OptionalPath = None,
    plot: OptionalPath = None,
) -> None:
    """Compare policies in pairs, the same robots with the same draws, and say by the promotion rule whether B replaces A.

    What is found of a run's policy is kept in the run, which counts how often a panel is used.

    B is promoted if on no panel it succeeds less or falls more, beyond the paired 95 % interval, on at least one it does better, and
    held-out, disturbance and transfer panels were all asked.

    Args:
        sides: A, the one to beat, and others: each a result (.json of eval --out), a folder of results, a run with panels/*.json,
            or a policy as eval takes it, which is then evaluated.
        panel: Panels to evaluate policies on; by default the one for the ground of each.
        actuator: What drives the joints there, pd or lstm; what each was trained with by default.
        backend: Physics to evaluate policies on, as shown by list.
        options: The backend's own, as name=value.
        seed: Seed of the bootstrap.
        out: File to write the comparisons to, as JSON.
        plot: Picture of the differences to write.
    """
    if len(sides) < 2:
        raise ValueError(f"compare {' '.join(sides)}: name two or more: the one to beat, and others")
    check_written("--out", out)
    check_written("--plot", plot, picture=True)
    console = terminal.console()
    first, *others = (_side(console, word, panel, actuator, backend, options) for word in sides)
    comparisons = [compared(first, other, seed) for other in others]
    if out is not None:
        write(out, json.dumps([json.loads(each.to_json()) for each in comparisons], indent=2) + "\n")
    if plot is not None:
        compare_tables.picture(comparisons, plot)
    for each in comparisons:
        console.print(compare_tables.table(each))
        for note in compare_tables.notes(each):
            console.print(note)
        console.print(f"{each.b} beside {each.a}: {each.verdict}")


def _side(
    console: Console,
    word: str,
    panels: tuple[str, ...] | None,
    actuator: ActuatorKind | None,
    backend: str,
    options: tuple[str, ...],
) -> Side:
    """What a word names: results that are there, or those of a policy that is evaluated now."""
    place = Path(word)
    if place.is_file() and place.suffix == ".json" and place.name not in FILES:
        return Side(word, (_result(place),))
    if files := [] if panels else _files(word):
        return Side(word, tuple(map(_result, files)))
    policy = policy_named(word)
    asked = [(name, panel_of(policy.task, name, actuator)) for name in panels or (None,)]
    given = options_given(options)
    return Side(word, tuple(evaluate_noted(console, policy, each, name, backend, given) for name, each in asked))


def _files(word: str) -> list[Path]:
    """The files of results of a run, or of a folder that holds nothing else."""
    for folder in (Path(word), run_folder(word)):
        if found := sorted((folder / "panels").glob("*.json")):
            return found
    here = sorted(Path(word).glob("*.json")) if Path(word).is_dir() else []
    return [] if any(file.name in (*FILES, "recipe.json") for file in here) else here


def _result(file: Path) -> Result:
    return Result.from_json(documents.read(file), str(file))
