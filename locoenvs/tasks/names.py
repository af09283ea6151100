"""What is said of a name that is none."""

from __future__ import annotations

import difflib


def nearest(kind: str, name: str, names: list[str]) -> str:
    """The message for an unknown name: what it was, what comes nearest, what there is."""
    if not names:
        return f"unknown {kind} {name!r}: there are none"
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else "."
    return f"unknown {kind} {name!r}{hint} There are: {', '.join(sorted(names))}"
