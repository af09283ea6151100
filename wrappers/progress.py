"""What a training shows while it goes on, and how it is stopped: a bar in a terminal, a line a minute elsewhere; signals."""

from __future__ import annotations

import signal
import threading
import time
from typing import Any

import rich.progress
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from locoenvs.training import ranks

EVERY = 60.0
"""Seconds between two lines where there is no terminal."""

ECHO = 5.0
"""Seconds within which a launcher hands a signal on."""


class Progress:
    """Shows how far ``updates`` are, and what the newest one was like."""

    def __init__(self, console: Console, updates: int, done: int) -> None:
        self._console, self._updates, self._first = console, updates, done
        self._begun = self._said = time.monotonic()
        columns = (TextColumn("{task.completed}/{task.total}"), BarColumn(12), TimeElapsedColumn(), TextColumn("left"))
        note = TextColumn("{task.fields[note]}", markup=False)
        self._bar = rich.progress.Progress(*columns, TimeRemainingColumn(), note, console=console, refresh_per_second=2)
        self._bar.disable = not console.is_terminal
        self._task = self._bar.add_task("", total=updates, completed=done, note="")

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, line: dict[str, Any]) -> None:
        """An update is done, whose ledger line this is."""
        note = f"reward {line['reward_per_second']:.2f}/s  {line['samples_per_second'] / 1000:.1f}k samples/s"
        self._bar.update(self._task, completed=line["update"], note=note)
        now = time.monotonic()
        if self._bar.disable and (now - self._said > EVERY or line["update"] == self._updates):
            self._said = now
            left = (now - self._begun) / (line["update"] - self._first) * (self._updates - line["update"])
            self.say(f"update {line['update']} of {self._updates}  {note}  {left / 60:.0f} min left")

    def say(self, text: str) -> None:
        """A line above the bar."""
        self._console.print(text)


class Stop:
    """Within it the first Ctrl-C, SIGTERM or SIGHUP asks for a stop after the current update; a second one stops at once.

    ``signal`` is the one that came, 0 if none did. Where a launcher has started several processes it hands on what a terminal has sent to
    all of them already: what comes within :data:`ECHO` s of the first is the same one.
    """

    def __enter__(self) -> Stop:
        self.signal, self._came = 0, 0.0
        self._before: dict[int, Any] = {}
        if threading.current_thread() is threading.main_thread():  # no other may handle signals
            asked = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
            self._before = {each: signal.signal(each, self._ask) for each in asked}
        return self

    def _ask(self, number: int, _: object) -> None:
        now, several = time.monotonic(), ranks.asked() > 1
        if self.signal and now - self._came < ECHO:
            return
        again, self.signal, self._came = bool(self.signal), number, now
        if again or not several:
            self.__exit__()
        if again:
            signal.raise_signal(number)

    def agree(self, number: int) -> None:
        """Another process was asked to stop by this signal, if any: what comes here within :data:`ECHO` s is the same one."""
        if number and not self.signal:
            self.signal, self._came = number, time.monotonic()

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    @property
    def name(self) -> str:
        """What asked for the stop."""
        return "Ctrl-C" if self.signal == signal.SIGINT else signal.Signals(self.signal).name

    def end(self) -> None:
        """Once all is saved: raise KeyboardInterrupt after Ctrl-C, SystemExit after another signal."""
        if self.signal == signal.SIGINT:
            raise KeyboardInterrupt
        if self.signal:
            raise SystemExit(128 + self.signal)
