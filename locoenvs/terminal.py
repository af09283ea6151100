"""Where commands print."""

from __future__ import annotations

from rich.console import Console


def console() -> Console:
    """A console on which text is what it is: brackets, as in ``pip install ".[skrl]"``, are no markup, and lines are not cut."""
    return Console(markup=False, highlight=False, soft_wrap=True)
