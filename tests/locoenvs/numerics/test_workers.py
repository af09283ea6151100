"""Work on many rows is shared out to threads, each row once, in a forked process too."""

from __future__ import annotations

import os

import numpy as np
import pytest

from locoenvs.numerics import workers


@pytest.mark.parametrize("count", [0, 1, 4, 5, 17])
def test_every_row_is_worked_on_once(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "cores", lambda: 3)
    rows = np.zeros(count, int)

    def work(start: int, stop: int) -> None:
        assert stop - start <= 4
        rows[start:stop] += 1

    workers.in_parts(work, count, 4)
    assert (rows == 1).all()


def test_what_a_part_raises_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "cores", lambda: 2)
    with pytest.raises(ZeroDivisionError):
        workers.in_parts(lambda start, stop: 1 / (2 - start), 4, 2)  # type: ignore[arg-type,return-value]


def test_a_forked_process_has_threads_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "cores", lambda: 2)
    workers.in_parts(lambda start, stop: None, 9, 4)
    if not (child := os.fork()):
        try:
            workers.in_parts(lambda start, stop: None, 9, 4)
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
