"""Results as JSON files: written whole or not at all, and read again by a command that goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from locoenvs.tasks.documents import write_atomically


def read(path: Path) -> Any:
    """What :func:`write` was given; an empty dictionary where there is no file."""
    return json.loads(path.read_text()) if path.exists() else {}


def write(path: Path, value: Any, indent: int | None = 1) -> None:
    """Write a result, and make its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda file: file.write((json.dumps(value, indent=indent) + "\n").encode()))
