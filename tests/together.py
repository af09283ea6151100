"""Several processes that train together, forked from the test: they need not import anything again."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def together(
    count: int, work: Callable[[int], object], log: Path, address: str = "127.0.0.1", patience: float = 60.0
) -> list[int]:
    """Fork ``count`` processes, let each do ``work(rank)``, and return their exit codes; -9 for one that was killed.

    What they print goes to ``log``/RANK. An exception is code 1, told there.
    """
    port, children = free_port(), []
    log.mkdir(parents=True, exist_ok=True)
    for rank in range(count):
        child = os.fork()
        if child == 0:
            told = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count}
            told |= {"MASTER_ADDR": address, "MASTER_PORT": port, "LOCOENVS_PATIENCE": patience}
            os.environ.update({name: str(value) for name, value in told.items()})
            run_and_exit(lambda: work(rank), log / str(rank))  # noqa: B023
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def run_and_exit(work: Callable[[], object], log: Path) -> None:
    """Do ``work`` and end this process without what pytest does at its end."""
    code = 1
    with log.open("w") as out, contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            work()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        except BaseException as error:
            traceback.print_exc()
            print(f"{type(error).__name__}: {error}")
        finally:
            out.flush()
    os._exit(code)


def said(log: Path) -> str:
    """The last lines of what each process has printed, for a test that fails."""
    return "\n".join(f"{path.name}: {path.read_text()[-3000:]}" for path in sorted(log.iterdir()))


assert sys.platform != "win32"
