"""What a user is told who imports an adapter whose library is not installed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from locoenvs import install


@contextlib.contextmanager
def needs(extra: str) -> Iterator[None]:
    """Within it, an import that fails for want of a package says which extra of this project brings it."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"{error.name} is not installed: {install.line(extra)}", name=error.name) from error
