"""What the words of a command line mean: runs, policies, tasks and changes of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from locoenvs.envs.registration import IDS, ids
from locoenvs.envs.registration import task as task_of
from locoenvs.evidence.plots import check_picture
from locoenvs.policies.policy import FILES, POLICIES, Policy, load_policy
from locoenvs.tasks import documents
from locoenvs.tasks.documents import write_atomically
from locoenvs.tasks.recipes import ActuatorKind
from locoenvs.tasks.task import Task

RUNS = Path("runs")
"""Where a run goes whose name is not a path."""

command_line = list[str]()
"""The words of the command line of this process, as they are."""

Word = Annotated[str, tyro.conf.Positional]


def _optional(metavar: str) -> Any:
    return tyro.conf.arg(metavar=metavar, help_behavior_hint="(optional)")


OptionalInt = Annotated[int | None, _optional("INT")]
OptionalFloat = Annotated[float | None, _optional("FLOAT")]
OptionalText = Annotated[str | None, _optional("TEXT")]
OptionalActuator = Annotated[ActuatorKind | None, _optional("{pd,lstm}")]
Options = Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=VALUE", help_behavior_hint="(optional)")]
Changes = Annotated[
    tyro.conf.UseAppendAction[tuple[str, ...]],
    tyro.conf.arg(name="set", metavar="FIELD=VALUE", help_behavior_hint="(optional, any number)"),
]
Panels = Annotated[tuple[str, ...] | None, _optional("NAME")]
OptionalPath = Annotated[Path | None, _optional("PATH")]


def run_folder(name: str) -> Path:
    """The folder of a run: a path as it is, a bare name in runs/."""
    return Path(name) if len(Path(name).parts) > 1 or Path(name).is_dir() else RUNS / name


def policy_named(name: str) -> Policy:
    """The policy of a folder, a run or an environment."""
    if name in ids() or name.startswith("Loco/"):
        robot = task_of(name).robot.name  # an error for an unknown id
        if name not in IDS:
            raise FileNotFoundError(f"no policy is shipped for {name}: name the run in which you trained it")
        shipped = POLICIES / f"{robot}_{IDS[name][1]}"
        if not shipped.is_dir():
            raise FileNotFoundError(f"no policy is shipped for {name}: train one by locoenvs train {name}")
        return load_policy(shipped)
    folder = Path(name)
    for place in (folder, folder / "policy", RUNS / name / "policy", RUNS / name, POLICIES / name):
        if place.suffix == ".onnx" or place.name in FILES or any((place / file).is_file() for file in FILES):
            return load_policy(place)
    for run in (folder, RUNS / name):
        if (run / "recipe.json").is_file():
            raise FileNotFoundError(f"{run} has no policy yet: finish it by train --resume {run}")
    raise FileNotFoundError(
        f"no policy in {name}: give a folder with policy.onnx and policy.json, a run, or one of "
        f"{', '.join(sorted(place.name for place in POLICIES.iterdir()))}"
    )


def options_given(pairs: Sequence[str]) -> dict[str, object] | None:
    """What name=value say; None if nothing is given. Whole numbers are numbers, true and false are true and false."""
    options, plain = dict[str, object](), {"true": True, "false": False}
    for each in pairs:
        name, equals, value = each.partition("=")
        if not (name and equals):
            raise ValueError(f"--options {each}: must be name=value, such as contact=mujoco")
        options[name] = int(value) if value.lstrip("-").isdigit() else plain.get(value, value)
    return options or None


def changes_given(pairs: Sequence[str]) -> dict[str, Any]:
    """What field=value say: values as JSON writes them, or as they are where they are no JSON."""
    changes = dict[str, Any]()
    for each in pairs:
        name, equals, value = each.partition("=")
        if not (name and equals):
            raise ValueError(f"--set {each}: must be field=value, such as rewards.terms.action_rate.weight=-0.05")
        if name in changes:
            raise ValueError(f"--set {name}: given twice")
        try:
            changes[name] = json.loads(value)
        except ValueError:
            changes[name] = value
    return changes


def task_given(file: Path | None) -> Task | None:
    """The task of a file, if one is named."""
    return None if file is None else Task.from_json(documents.read(file), str(file))


def check_written(option: str, path: Path | None, picture: bool = False) -> None:
    """Raise ValueError, or OSError, for a file that cannot be written: before hours are spent on what goes into it."""
    if path is None:
        return
    if path.is_dir():
        raise ValueError(f"{option} {path}: it is a folder, name a file in it")
    if picture:
        check_picture(path)
    path.parent.mkdir(parents=True, exist_ok=True)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda file: file.write(text.encode()))
