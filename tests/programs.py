"""Scripts that tests run in their own process: importing a learner takes longer than what a small script does with it."""

from __future__ import annotations

import contextlib
import io
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

import gymnasium

from locoenvs.envs import registration
from locoenvs.tasks import vocabulary


@contextlib.contextmanager
def nothing_stays() -> Iterator[None]:
    """What is registered within is gone afterwards, as if another process had done it."""
    vocabularies = [each for each in vars(vocabulary).values() if isinstance(each, vocabulary.Vocabulary)]
    for each in vocabularies:
        each.words()  # loads this package's own, which stay
    places = [*(each._words for each in vocabularies), registration._OWN, gymnasium.registry]
    before = [(place, dict(place)) for place in places]
    try:
        yield
    finally:
        for place, held in before:
            place.clear()
            place.update(held)


def run_here(script: Path, folder: Path, *arguments: str) -> None:
    """Run a script from ``folder`` as if it were a program of its own."""
    given = sys.argv
    sys.argv = [str(script), *arguments]
    try:
        with contextlib.chdir(folder), nothing_stays():
            runpy.run_path(str(script), run_name="__main__")
    finally:
        sys.argv = given


def printed_by(script: Path, folder: Path, *arguments: str) -> str:
    """What a script prints that is run from ``folder`` as a program of its own would be."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        run_here(script, folder, *arguments)
    return said.getvalue()
