"""``locoenvs --plugin FILE.py``: what a script of one's own registers can be named by every command."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from locoenvs import install

OPTION = "--plugin"


def imported() -> tuple[Path, ...]:
    """The scripts that were imported here, for whoever starts another process."""
    return tuple(install.scripts)


def plugged(words: Sequence[str]) -> list[str]:
    """The words of a command line without the options ``--plugin FILE.py``, each of whose files is imported.

    Raises ValueError for an option without a file, a file that cannot be imported, and one that is called as a module that is there.
    """
    rest = list(words)
    while OPTION in rest:
        at = rest.index(OPTION)
        if at + 1 == len(rest):
            raise ValueError(f"{OPTION}: name a file, such as my_terms.py")
        _import(Path(rest[at + 1]))
        del rest[at : at + 2]
    return rest


def _import(file: Path) -> None:
    """Import a script as the module of its name, whose ``if __name__ == "__main__"`` does not run."""
    file = file.resolve()
    if not file.is_file() or file.suffix != ".py":
        raise ValueError(f"{OPTION} {file}: there is no such script, name a file that ends in .py")
    there = sys.modules.get(file.stem)
    if there is not None and getattr(there, "__file__", None) == str(file):
        return
    spec = None if there is not None else spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise ValueError(f"{OPTION} {file}: another module is called {file.stem!r}, rename the file")
    module = module_from_spec(spec)
    sys.modules[file.stem] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[file.stem]
        raise ValueError(f"{OPTION} {file}: {type(error).__name__}: {error}") from error
    install.scripts[file] = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
