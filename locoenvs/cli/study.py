"""``locoenvs study``: many trainings that answer one question."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console

from locoenvs import terminal
from locoenvs.cli import plugin
from locoenvs.cli.arguments import OptionalText, policy_named, run_folder, write
from locoenvs.cli.steps import check_panels, train_by
from locoenvs.envs import backends
from locoenvs.envs.registration import task as task_of
from locoenvs.tasks import documents
from locoenvs.tasks.task import Task
from locoenvs.training import learners
from locoenvs.training.run import Run
from locoenvs.training.settings import TrainSettings
from locoenvs.training.study import report
from locoenvs.training.study.loop import Here, Places, carry_out
from locoenvs.training.study.on_ray import on_ray
from locoenvs.training.study.pictures import curves_of, picture
from locoenvs.training.study.spec import Study, configurations, parsed
from locoenvs.training.study.state import State
from locoenvs.training.study.verdict import verdicts

On = Literal["local", "ray"]

WIDE = 140
"""Characters of a table where there is no terminal."""


def study(
    file: Annotated[Path, tyro.conf.Positional],
    run: OptionalText = None,
    on: On = "local",
    address: OptionalText = None,
    cpus: float = 1.0,
    gpus: float = 0.0,
) -> None:
    """Train every configuration that a file asks for, prune by validation, and judge the best beside the base once on what is held out.

    The same command goes on with a study that was stopped. Exits with 1 if trainings failed and nothing to choose from is left.

    Args:
        file: The study (.toml): docs/studies.md says what it holds.
        run: Name of the study in runs/, or a path; the file's name by default.
        on: local trains one after the other here; ray as many at a time as there is room for.
        address: Ray cluster to train on, as host:port; one of this machine's own by default.
        cpus: Cores that a training takes on Ray.
        gpus: GPUs that a training takes on Ray.
    """
    if on == "local" and (address is not None or cpus != 1.0 or gpus):
        raise ValueError("--address, --cpus and --gpus are of Ray: add --on ray")
    if on == "ray" and not (cpus > 0 and gpus >= 0):
        raise ValueError(f"--cpus {cpus:g} --gpus {gpus:g}: a training takes more than 0 cores and at least 0 GPUs")
    folder = run_folder(run or file.stem)
    state = carry(documents.read(file), str(file), folder, on, address, cpus, gpus)
    if state.failed and state.best() is None:
        terminal.console().print(
            "the study failed: nothing to choose from finished; the same command tries again what failed"
        )
        raise SystemExit(1)


def carry(
    content: bytes,
    name: str,
    folder: Path,
    on: On = "local",
    address: str | None = None,
    cpus: float = 1.0,
    gpus: float = 0.0,
    option: str = "--run",
) -> State:
    """Begin or go on with the study of a file's ``content`` in ``folder``, and write down and show what came out; its state.

    ``option`` is the one that chooses the folder, for errors.
    """
    console = terminal.console()
    asked, document = parsed(content, name)
    state = State.open(folder, asked, configurations(asked), document, option)
    start = _checked(asked)
    if not (folder / "study.toml").is_file():
        Run.create(folder)  # an error for a folder of something else
    train = functools.partial(_train, tuple(map(str, plugin.imported())), start)
    with contextlib.ExitStack() as stack:
        stack.enter_context(Run(folder).locked())
        state.begin(content)
        try:
            places: Places = Here(train) if on == "local" else stack.enter_context(on_ray(train, address, cpus, gpus))
            carry_out(state, places, console.print)
        except (KeyboardInterrupt, SystemExit):
            console.print(f"stopped; the same command goes on with {folder}")
            raise
        conclude(console, state)
    return state


def _train(plugins: Sequence[str], start: str | None, learner: str, settings: TrainSettings, task: Task | None) -> Path:
    """Train, also in another process, which has not imported the plugins yet."""
    plugin.plugged([word for file in plugins for word in (plugin.OPTION, file)])
    if settings.start_from is not None:
        settings = dataclasses.replace(settings, start_from=start)
    return train_by(learner, settings, task)


def _checked(asked: Study) -> str | None:
    """The folder of the policy to start from. Raises what can be known to be wrong before anything is trained."""
    if asked.learner not in learners.installed() or learners.missing(asked.learner) is not None:
        learners.load(
            asked.learner
        )  # which says what is wrong; what is right is not imported where another process trains
    backends.load(asked.backend)
    check_panels(asked.panels, (asked.given_task() or task_of(asked.env_id)).robot.name)
    return None if asked.start_from is None else str(policy_named(asked.start_from).folder.resolve())


def conclude(console: Console, state: State) -> None:
    """Write down and show what came out, and then judge: what fails of that takes no result away."""
    curves = curves_of(state)
    write(state.folder / "results.json", report.to_json(state, [], curves))
    write(state.folder / "results.csv", report.to_csv(state))
    written = ["results.json", "results.csv"]
    try:
        picture(state, curves, state.folder / "results.png")
        written.append("results.png")
    except ImportError as error:
        console.print(f"no picture: {error}")
    console.print(report.table(state), width=None if console.is_terminal else WIDE)
    for row in report.rows(state):
        if row.error is not None:
            console.print(f"{row.name} failed: {row.error}")
    best = state.best()
    if best is None:
        console.print("no configuration beside the base finished: there is nothing to choose")
    else:
        console.print(f"* best by validation: {best.name} {json.dumps(dict(best.changes))}")
    made = verdicts(state, console.print)
    write(state.folder / "results.json", report.to_json(state, made, curves))
    for each in made:
        console.print(f"{each.b} beside {each.a}, held out: {each.verdict}")
    console.print("\n".join(f"{state.folder}/{name}" for name in written))
