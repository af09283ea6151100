"""``locoenvs robot check | convert``: one's own robot, from its file to one that can be trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from rich.console import Console
from rich.table import Table
from rich.text import Text

from locoenvs import install, terminal
from locoenvs.tools.robot_check import check_robot
from locoenvs.tools.robot_file import read_robot, write_data_file

File = Annotated[Path, tyro.conf.Positional]


@dataclass(frozen=True)
class CheckRobot:
    """Look at a robot's numbers and let it stand: prints a table, draws a picture, exits with 1 if anything is wrong.

    Args:
        file: Our data file (.py, which is run), or a description (.urdf, .xml).
        out: Picture to write.
        backend: Physics, as shown by list.
    """

    file: File
    out: Path = Path("robot.png")
    backend: str = "auto"

    def run(self) -> None:
        save, console, description = _imsave(), terminal.console(), read_robot(self.file)
        robot = description.robot
        checks, picture = check_robot(robot, self.backend)
        output = Table(title=f"{robot.name}: {len(robot.joints)} joints, {len(robot.feet)} feet")
        for column in ("", "check", "found"):
            output.add_column(column)
        for check in checks:
            output.add_row(Text("ok", "green") if check.passed else Text("look", "red"), check.name, check.finding)
        console.print(output)
        _print_notes(console, description.notes)
        if isinstance(picture, str):
            console.print(f"no picture: {picture}")
        else:
            self.out.parent.mkdir(parents=True, exist_ok=True)
            save(self.out, picture)
            console.print(f"picture: {self.out}")
        if not all(check.passed for check in checks):
            raise SystemExit(1)


@dataclass(frozen=True)
class ConvertRobot:
    """Write a data file to start from, with the numbers of a description and guesses of what it does not hold.

    Args:
        file: Description (.urdf, .xml).
        out: Data file to write.
    """

    file: File
    out: Path = Path("robot.py")

    def run(self) -> None:
        if self.out.exists():
            raise FileExistsError(f"{self.out} exists: choose another --out")
        description, console = read_robot(self.file), terminal.console()
        write_data_file(description.robot, self.out, self.file.name, description.notes)
        _print_notes(console, description.notes)
        console.print(f"data file: {self.out}; look at it by locoenvs robot check {self.out}")


Action = Annotated[
    Annotated[CheckRobot, tyro.conf.subcommand("check")] | Annotated[ConvertRobot, tyro.conf.subcommand("convert")],
    tyro.conf.OmitSubcommandPrefixes,
    tyro.conf.OmitArgPrefixes,
]


def _print_notes(console: Console, notes: Sequence[str]) -> None:
    """What a description says otherwise than the robot that was made of it."""
    for note in notes:
        console.print(note)


def _imsave() -> Callable[[Path, np.ndarray], None]:
    """What writes a picture to a file."""
    try:
        from matplotlib.image import imsave
    except ImportError as error:
        raise ImportError(f"pictures need matplotlib: {install.line('viz')}") from error
    return imsave
