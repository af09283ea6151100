"""``locoenvs failures``: the falls of an evaluation, by what happened, with pictures of the two seconds before."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro
from rich.progress import Progress
from rich.table import Table

from locoenvs import terminal
from locoenvs.cli.arguments import write
from locoenvs.evidence.failures.archive import load
from locoenvs.evidence.failures.causes import alike
from locoenvs.evidence.failures.page import page
from locoenvs.evidence.failures.strips import strips_of


def failures(
    result: Annotated[Path, tyro.conf.Positional],
    out: Path = Path("failures.html"),
    each: int = 3,
) -> None:
    """Group the falls of an evaluation by what happened, and show the two seconds before some of each.

    Args:
        result: What eval --out wrote.
        out: Page to write, one file that needs no other (.html).
        each: Falls to show of each group; 0 draws nothing.
    """
    if out.suffix != ".html":
        raise ValueError(f"--out {out}: a page's name must end in .html")
    if each < 0:
        raise ValueError(f"--each {each}: so many falls are shown of each group, 0 for none")
    archive, console = load(result), terminal.console()
    groups = alike(archive.header.falls)
    chosen = [fall.robot for group in groups for fall in group.falls[:each]]
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task(f"drawing {len(chosen)} falls", total=1.0)
        strips = strips_of(archive, chosen, lambda share: progress.update(bar, completed=share))
    write(out, page(archive, groups, strips, str(result)))
    output = Table(title=f"{archive.panel.name}: {archive.header.every_fall} falls, {len(archive.header.falls)} kept")
    for column in ("ground", "what happened", ""):
        output.add_column(column)
    for group in groups:
        output.add_row(group.kind, group.cause, group.words)
    console.print(output)
    console.print(f"page: {out}")
