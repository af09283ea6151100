"""A training run's folder: its recipe, its ledger, and checkpoints that survive a crash at any moment.

::

    runs/<name>/recipe.json      what was asked for, with its derived geometry, task and versions
    runs/<name>/ledger.jsonl     one line an update: speed, reward terms, reset reasons, levels, losses
    runs/<name>/checkpoint.pt    the newest state to go on from; checkpoint.previous.pt, the one before
    runs/<name>/policy/          policy.onnx and policy.json
    runs/<name>/best/            the policy that did best on validation streams, and how it did
    runs/<name>/validation.json  the panel that says so; policies/update-000100/, each policy that was judged, if asked for
    runs/<name>/videos/          a short video now and then, if asked for
    runs/<name>/panels/          results on held-out panels
    runs/<name>/lock             held by the process that trains

Nothing is erased: what cannot be read, and the updates that a resumed run does again, are set aside beside the ledger.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from locoenvs.tasks.documents import write_atomically

try:
    import fcntl
except ImportError:  # Windows has no such locks: two processes are not kept apart there
    fcntl = None  # type: ignore[assignment]

_LEFT_OVER = ("recipe.json.partial", "study.toml.partial", "lock")
"""What a process leaves in the folder of a run, or of a study, that is killed before it has written what was asked for."""


@dataclass(frozen=True)
class Run:
    """The folder of one training run."""

    folder: Path

    @staticmethod
    def check_free(folder: Path) -> None:
        """Raise FileExistsError for a folder, or a file, where no new run can be."""
        if folder.is_dir() and all(path.name in _LEFT_OVER for path in folder.iterdir()):
            return
        if Run.begun(folder):
            raise FileExistsError(f"run folder {folder} exists: go on by --resume {folder}, or choose another name")
        if folder.exists():
            raise FileExistsError(f"{folder} exists and is no run: choose another name for the run")

    @staticmethod
    def create(folder: Path) -> Run:
        """A new run. Raises FileExistsError for a folder that holds something already."""
        Run.check_free(folder)
        folder.mkdir(parents=True, exist_ok=True)
        return Run(folder)

    def remove(self) -> None:
        """Take the folder of a run away that never began."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Within it no other process trains in this folder. A process that dies gives the lock back.

        Raises BlockingIOError naming the process that has it.
        """
        with (self.folder / "lock").open("a+") as file:
            if fcntl is not None:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    file.seek(0)
                    holder = file.read(200).strip() or "another process"
                    raise BlockingIOError(
                        f"{self.folder} is trained by {holder}: wait until it ends, or stop it"
                    ) from None
            file.truncate(0)
            file.write(f"process {os.getpid()} on {platform.node()}\n")
            file.flush()
            yield

    def is_training(self) -> bool:
        """Whether a process trains in this folder now, as far as the system has locks."""
        if fcntl is None or not (self.folder / "lock").exists():
            return False
        with (self.folder / "lock").open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return True
        return False

    @staticmethod
    def begun(folder: Path) -> bool:
        """Whether a folder holds a run."""
        return (folder / "recipe.json").is_file()

    @staticmethod
    def open(folder: Path) -> Run:
        """An existing run. Raises FileNotFoundError for a folder that holds none."""
        if not Run.begun(folder):
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

    @property
    def best(self) -> Path:
        """The folder of the policy that did best on validation streams."""
        return self.folder / "best"

    @property
    def policies(self) -> Path:
        """The folder of the policies that were judged while training, if they are kept."""
        return self.folder / "policies"

    @property
    def panels(self) -> Path:
        """The folder of what was found on held-out panels."""
        return self.folder / "panels"

    def write_recipe(self, recipe: dict[str, Any]) -> None:
        write_atomically(self.folder / "recipe.json", lambda file: file.write(json.dumps(recipe, indent=2).encode()))

    def recipe(self) -> dict[str, Any]:
        return json.loads((self.folder / "recipe.json").read_text())

    def record(self, kind: str, **fields: Any) -> None:
        """Append one line to the ledger, on a line of its own even after one that a crash cut short."""
        line = json.dumps({"kind": kind, **fields}) + "\n"
        with self.ledger.open("a+b") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                line = line if file.read(1) == b"\n" else "\n" + line
            file.write(line.encode())

    def records(self) -> list[dict[str, Any]]:
        """The lines of the ledger. One that cannot be read, such as a crash leaves, is left out with a warning."""
        readable, unreadable = self._lines()
        if unreadable:
            numbers = ", ".join(str(number) for number, _ in unreadable[:8])
            warnings.warn(f"{self.ledger}: line {numbers} cannot be read and is left out", stacklevel=2)
        return [record for _, record in readable]

    def truncate_ledger(self, update: int) -> None:
        """Set the lines of updates after ``update`` aside, which a resumed run does again, and what cannot be read."""
        readable, unreadable = self._lines()
        kept = [(line, record) for line, record in readable if record.get("update", 0) <= update]
        again = [line for line, record in readable if record.get("update", 0) > update]
        self._set_aside("ledger.again.jsonl", again)
        if unreadable:
            aside = self._set_aside("ledger.unreadable.jsonl", [line for _, line in unreadable])
            warnings.warn(f"{self.ledger}: {len(unreadable)} lines cannot be read; they are in {aside}", stacklevel=2)
        text = b"".join(line + b"\n" for line, _ in kept)
        write_atomically(self.ledger, lambda file: file.write(text))

    def _lines(self) -> tuple[list[tuple[bytes, dict[str, Any]]], list[tuple[int, bytes]]]:
        """The ledger's lines with what they say, and those that cannot be read with their numbers, from 1."""
        readable, unreadable = list[tuple[bytes, dict[str, Any]]](), list[tuple[int, bytes]]()
        content = self.ledger.read_bytes() if self.ledger.exists() else b""
        for number, line in enumerate(content.split(b"\n"), 1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except ValueError:  # also what is no UTF-8
                record = None
            if isinstance(record, dict) and isinstance(record.get("kind"), str):
                readable.append((line, record))
            else:
                unreadable.append((number, line))
        return readable, unreadable

    def _set_aside(self, name: str, lines: list[bytes]) -> Path:
        """Append lines to a file beside the ledger."""
        path = self.folder / name
        if lines:
            with path.open("ab") as file:
                file.write(b"".join(line + b"\n" for line in lines))
                file.flush()
                os.fsync(file.fileno())
        return path

    def save_checkpoint(self, write: Callable[[Any], Any]) -> None:
        """Write a checkpoint by ``write(file)``; the one before stays until the new one is safe on disk."""

        def keep_previous() -> None:
            if self.checkpoint.exists():
                os.replace(self.checkpoint, self.previous_checkpoint)

        write_atomically(self.checkpoint, write, keep_previous)
