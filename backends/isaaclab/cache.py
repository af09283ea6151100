"""A folder of files named after what they hold, so that each is written once."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def folder() -> Path:
    """``$LOCOENVS_CACHE``, or ``locoenvs`` in the user's cache folder."""
    chosen = os.environ.get("LOCOENVS_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "locoenvs"


def stored(name: str, write: Callable[[Path], None]) -> Path:
    """The file of that name in the cache, which ``write(path)`` makes if it is not there.

    It appears whole or not at all, also where several processes make it at once.
    """
    path = folder() / name
    if path.exists():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
            made = Path(scratch) / path.name
            write(made)
            os.replace(made, path)
    except OSError as error:
        raise OSError(
            f"cannot write {path}: {error}. Set LOCOENVS_CACHE to a folder with room that is yours"
        ) from error
    return path
