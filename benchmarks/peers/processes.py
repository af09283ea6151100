"""The environments that peers are installed into, and the processes that run there. What fails is said, as :class:`Failed`."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from locoenvs import install
from locoenvs.benchmarks.peers.contestants import OURS, Contestant, Library

WORKER = Path(__file__).with_name("worker.py")
INSTALL_SECONDS = 1800
ANSWER_SECONDS = 120
"""How long one may take to install, and to make its robots or measure once."""


class Failed(Exception):
    """Why something of a peer could not be done, in a line."""


def interpreter(library: Library | None, folder: Path) -> Path:
    """A Python that has the library: this one for this project (None), else one in an environment made now if it is not there.

    Raises Failed if it cannot be installed.
    """
    if library is None:
        return Path(sys.executable)
    place = folder / library.name
    python, done = place / "bin" / "python", place / "installed.txt"
    wanted = "\n".join(library.requirements)
    if done.exists() and done.read_text() == wanted:
        return python
    shutil.rmtree(place, ignore_errors=True)
    call([sys.executable, "-m", "venv", str(place)], INSTALL_SECONDS)
    call([str(python), "-m", "pip", "install", "--quiet", *library.requirements], INSTALL_SECONDS)
    done.write_text(wanted)
    return python


def versions(python: Path, distributions: tuple[str, ...]) -> dict[str, str]:
    """Distribution -> version, of those that an interpreter has, and its own."""
    code = (
        "import importlib.metadata as m, json, platform, sys\n"
        "have = {d.metadata['Name'].lower(): d.version for d in m.distributions()}\n"
        "print(json.dumps({'python': platform.python_version()} | {n: have[n] for n in sys.argv[1:] if n in have}))"
    )
    return json.loads(call([str(python), "-c", code, *distributions], 60))


def call(command: list[str], seconds: float, folder: Path | None = None, ours: bool = False) -> str:
    """What a program prints. Raises Failed if it fails or takes longer."""
    try:
        done = subprocess.run(
            command, cwd=folder, env=surroundings(ours), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=seconds,
        )  # fmt: skip
    except OSError as error:
        raise Failed(f"{Path(command[0]).name} cannot be run: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise Failed(f"{Path(command[0]).name} did not end within {seconds:.0f} s") from None
    if done.returncode:
        raise Failed(reason(done.stderr or done.stdout, done.returncode))
    return done.stdout


def reason(printed: str, code: int | None) -> str:
    """The line that says why a program failed: the last one of an error, else the last one, else its exit code."""
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error") or "Error:" in line]
    return (errors or lines or [f"ended with {code}"])[-1][:300]


def surroundings(ours: bool) -> dict[str, str]:
    """A process's environment: this project's code is found by this project alone; all else is as its users have it."""
    made = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    made |= {"GIT_PYTHON_REFRESH": "quiet", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    if ours and (root := install.checkout()) is not None:
        made["PYTHONPATH"] = str(root)
    return made


class Worker:
    """A process that has made a contestant's environment and waits to be asked. Raises Failed if it could not.

    ``facts`` is what the contestant says of itself.
    """

    def __init__(self, contestant: Contestant, python: Path, robots: int, threads: int, folder: Path) -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        scratch = folder / f"{contestant.library}-files"
        scratch.mkdir(parents=True, exist_ok=True)
        asked = json.dumps(dataclasses.asdict(contestant))
        self._process = subprocess.Popen(
            [str(python), str(WORKER), asked, str(robots), str(threads), str(scratch)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True, bufsize=1,
            env=surroundings(contestant.library == OURS), start_new_session=True,
        )  # fmt: skip
        self.facts: dict[str, Any] = self._answer()

    def rates(self, seconds: float) -> dict[str, float]:
        """Control steps a second, by name, measured for so long. Raises Failed."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{seconds}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it ended: the answer says why
        return {name: steps / spent for name, (steps, spent) in self._answer().items()}

    def close(self) -> None:
        """End the process and all that it started."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, 9)
            self._process.wait()
        for file in (self._process.stdin, self._process.stdout, self._errors):
            assert file is not None
            file.close()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        late = threading.Event()

        def end() -> None:
            late.set()
            os.killpg(self._process.pid, 9)

        timer = threading.Timer(ANSWER_SECONDS, end)
        timer.start()
        line = self._process.stdout.readline()
        timer.cancel()
        if line:
            return json.loads(line)
        code = self._process.wait()
        self._errors.seek(0)
        why = f"no answer within {ANSWER_SECONDS} s" if late.is_set() else reason(self._errors.read(), code)
        self.close()
        raise Failed(why)
