"""``locoenvs report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from locoenvs import terminal
from locoenvs.cli.arguments import OptionalPath, run_folder
from locoenvs.tools.report.page import write_report
from locoenvs.tools.report.source import read


def report(
    runs: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN [RUN ...]")],
    out: OptionalPath = None,
) -> None:
    """Write what there is to know of a training, or of several side by side, as one HTML file that needs nothing beside it.

    Args:
        runs: Runs, names or paths; one may still be training.
        out: File to write; report.html in the first run's folder by default.
    """
    if not runs:
        raise ValueError("name at least one run: locoenvs report RUN")
    folders = [run_folder(name) for name in runs]
    out = out or folders[0] / "report.html"
    if out.suffix != ".html":
        raise ValueError(f"--out {out}: a report's name must end in .html")
    write_report([read(folder) for folder in folders], Path(out))
    terminal.console().print(f"report: {out}")
