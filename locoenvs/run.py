"""A training run's folder: its recipe, its ledger, and checkpoints that survive a crash at any moment.

::

    runs/<name>/recipe.json      what was asked for, with its derived geometry, task and versions
    runs/<name>/ledger.jsonl     one line an update: speed, reward terms, reset reasons, levels, losses
    runs/<name>/checkpoint.pt    the newest state to go on from; checkpoint.previous.pt, the one before
    runs/<name>/policy/          policy.onnx and policy.json
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Run:
    """The folder of one training run."""

    folder: Path

    @staticmethod
    def create(folder: Path) -> Run:
        """A new run. Raises FileExistsError for a folder that holds something already."""
        if folder.exists() and any(folder.iterdir()):
            raise FileExistsError(
                f"run folder {folder} exists: go on with it by --resume {folder}, or choose another name"
            )
        folder.mkdir(parents=True, exist_ok=True)
        return Run(folder)

    @staticmethod
    def open(folder: Path) -> Run:
        """An existing run. Raises FileNotFoundError for a folder that holds none."""
        if not (folder / "recipe.json").is_file():
            raise FileNotFoundError(f"{folder} is no run folder: it has no recipe.json")
        return Run(folder)

    @property
    def checkpoint(self) -> Path:
        """The newest checkpoint."""
        return self.folder / "checkpoint.pt"

    @property
    def previous_checkpoint(self) -> Path:
        """The checkpoint before the newest."""
        return self.folder / "checkpoint.previous.pt"

    def set_aside_newest(self) -> None:
        """Rename a newest checkpoint that cannot be read, so that the next one does not push out the one before it."""
        os.replace(self.checkpoint, self.folder / "checkpoint.unreadable.pt")

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger.jsonl"

    @property
    def policy(self) -> Path:
        """The folder of the exported policy."""
        return self.folder / "policy"

    def write_recipe(self, recipe: dict[str, Any]) -> None:
        write_atomically(self.folder / "recipe.json", lambda file: file.write(json.dumps(recipe, indent=2).encode()))

    def recipe(self) -> dict[str, Any]:
        return json.loads((self.folder / "recipe.json").read_text())

    def record(self, kind: str, **fields: Any) -> None:
        """Append one line to the ledger."""
        with self.ledger.open("a") as file:
            file.write(json.dumps({"kind": kind, **fields}) + "\n")

    def records(self) -> list[dict[str, Any]]:
        """The lines of the ledger. A last line that a crash cut short is left out."""
        if not self.ledger.exists():
            return []
        lines = []
        for line in self.ledger.read_text().splitlines():
            try:
                lines.append(json.loads(line))
            except json.JSONDecodeError:
                break
        return lines

    def truncate_ledger(self, update: int) -> None:
        """Drop the lines of updates after ``update``, which a resumed run does again."""
        kept = [line for line in self.records() if line.get("update", 0) <= update]
        text = "".join(json.dumps(line) + "\n" for line in kept)
        write_atomically(self.ledger, lambda file: file.write(text.encode()))

    def save_checkpoint(self, write: Callable[[Any], Any]) -> None:
        """Write a checkpoint by ``write(file)``; the one before stays until the new one is safe on disk."""

        def keep_previous() -> None:
            if self.checkpoint.exists():
                os.replace(self.checkpoint, self.previous_checkpoint)

        write_atomically(self.checkpoint, write, keep_previous)


def write_atomically(
    path: Path, write: Callable[[Any], Any], before_replacing: Callable[[], None] = lambda: None
) -> None:
    """Write a file so that ``path`` holds either the old or the whole new content, whatever happens meanwhile."""
    temporary = path.with_name(path.name + ".partial")
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    before_replacing()
    os.replace(temporary, path)
