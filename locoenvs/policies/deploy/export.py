"""The folder with which a policy leaves this package: its two files, and what runs them in Python and in C++."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import BinaryIO

from locoenvs.policies.policy import FILES, Policy
from locoenvs.tasks.documents import write_atomically

RUNTIMES = ("runtime.py", "runtime.hpp")
"""Files of this folder that are copied as they are; they import nothing of this package."""

MODEL = "model.xml"
"""The robot for a simulator, if it was asked for."""


def write_export(policy: Policy, folder: Path, model: str | None = None, force: bool = False) -> list[str]:
    """Write ``policy``, its runtimes and the text of its robot's ``model`` to ``folder``; the names of the files.

    Raises FileExistsError where one of them is already, unless ``force``.
    """
    others = {name: (Path(__file__).parent / name).read_bytes() for name in RUNTIMES}
    if model is not None:
        others[MODEL] = model.encode()
    names = [*FILES, *others]
    if not force and (there := [name for name in names if (folder / name).exists()]):
        raise FileExistsError(
            f"{folder} holds {' and '.join(there)} already: choose another folder, or replace by --force"
        )
    policy.save(folder)
    for name, content in others.items():
        write_atomically(folder / name, functools.partial(_put, content))
    return names


def _put(content: bytes, file: BinaryIO) -> None:
    file.write(content)
