"""The processes that train one run together: which one this is, which robots are its own, and what they tell each other.

PyTorch's launcher starts them (``torchrun``, or ``locoenvs train --processes N``) and tells each its number by the environment variables
RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT; PyTorch's collectives join them, gloo on CPUs and NCCL for what lies on GPUs.
A process that was started alone is rank 0 of 1, all functions return what they are given, and nothing of torch is imported.
"""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import math
import os
import platform
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from locoenvs.machine import process_began

T = TypeVar("T")

PATIENCE = "LOCOENVS_PATIENCE"
"""The environment variable that says after how many seconds a process that waits for another one gives up."""

DEFAULT_PATIENCE = 600.0


@dataclass(frozen=True)
class Ranks:
    """This process among the ``size`` processes of a run: its number ``rank``, and ``local`` among those of its machine."""

    rank: int = 0
    size: int = 1
    local: int = 0

    @property
    def first(self) -> bool:
        """Whether this is the process that keeps the run's folder."""
        return self.rank == 0

    def robots(self, count: int, rank: int | None = None) -> range:
        """Which of ``count`` robots are this process's, or those of another ``rank``: their parts differ by one robot at most."""
        rank = self.rank if rank is None else rank
        return range(rank * count // self.size, (rank + 1) * count // self.size)

    def check_robots(self, count: int) -> None:
        """Raise ValueError where a process would have no robot."""
        if count < self.size:
            raise ValueError(
                f"num_envs={count}: {self.size} processes need a robot each. Start at most {count}, or ask for more robots"
            )

    def most(self, *numbers: float) -> tuple[float, ...]:
        """The largest that any process gives, number by number: so all of them decide alike."""
        if self.size == 1:
            return numbers
        import torch
        import torch.distributed as dist

        values = torch.tensor(numbers, dtype=torch.float64)
        dist.all_reduce(values, op=dist.ReduceOp.MAX)
        return tuple(values.tolist())

    def gathered(self, value: T) -> list[T]:
        """What all processes give, in their order, for the first one; an empty list for the others."""
        if self.size == 1:
            return [value]
        import torch.distributed as dist

        found: list[Any] | None = [None] * self.size if self.first else None
        dist.gather_object(value, found)
        return found or []

    def all_told(self, value: T) -> list[T]:
        """What all processes give, in their order, for each of them."""
        if self.size == 1:
            return [value]
        import torch.distributed as dist

        found: list[Any] = [None] * self.size
        dist.all_gather_object(found, value)
        return found

    def scattered(self, values: Sequence[T] | None) -> T:
        """Each process's own of the ``values`` that the first one gives."""
        if self.size == 1:
            assert values is not None
            return values[0]
        import torch.distributed as dist

        own: list[Any] = [None]
        dist.scatter_object_list(own, None if values is None else list(values))
        return own[0]

    def first_says(self, make: Callable[[], T]) -> T:
        """What ``make`` returns in the first process. Where that raises, the others end, too, and leave it to the first to say why."""
        if self.size == 1:
            return make()
        import torch.distributed as dist

        said: list[Any] = [None]
        if not self.first:
            dist.broadcast_object_list(said)
            if said[0] is None:
                raise SystemExit(2)
            return said[0][0]
        try:
            said[0] = (make(),)
        finally:
            dist.broadcast_object_list(said)
        return said[0][0]

    def check_alike(self, facts: Mapping[str, object]) -> None:
        """Raise ValueError in every process unless all give the same ``facts``; it names the first that differs, and where."""
        if self.size == 1:
            return
        (here, expected), *others = self.all_told((platform.node(), dict(facts)))
        for rank, (there, theirs) in enumerate(others, 1):
            for name in {**expected, **theirs}:
                if theirs.get(name) != expected.get(name):
                    raise ValueError(
                        f"{name} of rank {rank} on {there} is {theirs.get(name)}, of rank 0 on {here} {expected.get(name)}: "
                        "start all processes with the same code, packages and arguments, on devices of one kind"
                    )


_PLACE, _LAUNCH = "locoenvs/place", "locoenvs/launch"

ALONE = Ranks()

_joined = ALONE

_launchers: tuple[str, ...] = ()


def current() -> Ranks:
    """This process among those that it has joined."""
    return _joined


def asked() -> int:
    """How many processes the launcher has started."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def patience() -> float:
    """Seconds after which a process that waits for another one gives up. Raises ValueError for no positive number."""
    given = os.environ.get(PATIENCE, str(DEFAULT_PATIENCE))
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < 1e7:
        raise ValueError(f"{PATIENCE}={given}: must be a positive number of seconds")
    return seconds


def join() -> Ranks:
    """Meet the other processes, once; this one alone where no others were started.

    Raises ValueError for an environment that no launcher has made, and ConnectionError if they cannot be reached in time.
    """
    global _joined, _launchers
    if asked() == 1 or _joined.size > 1:
        _launchers = _launchers or tuple(_launcher())
        return _joined
    if lacking := [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if name not in os.environ]:
        raise ValueError(
            f"WORLD_SIZE={asked()} but no {lacking[0]}: start the processes by torchrun or --processes, or unset WORLD_SIZE"
        )
    import torch
    import torch.distributed as dist

    local = int(os.environ.get("LOCAL_RANK", "0"))
    gpus = torch.cuda.is_available() and dist.is_nccl_available()
    if gpus:
        torch.cuda.set_device(local % torch.cuda.device_count())
    wait, rank = datetime.timedelta(seconds=patience()), int(os.environ["RANK"])
    try:
        store, backend = _store(rank, wait), "cpu:gloo,cuda:nccl" if gpus else "gloo"
        dist.init_process_group(backend, store=store, rank=rank, world_size=asked(), timeout=wait)
    except (RuntimeError, OSError) as error:
        where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        raise ConnectionError(
            f"rank {rank} of {asked()} did not meet the others at {where} within {wait.total_seconds():g} s "
            f"({_first_line(error)}): check MASTER_ADDR, its port, and that all processes were started"
        ) from error
    _joined = Ranks(rank, asked(), local)
    _launchers = tuple(sorted({known for each in _joined.all_told(_launcher()) for known in each}))
    return _joined


def _store(rank: int, wait: datetime.timedelta) -> Any:
    """Where the processes find each other: a store in the first process.

    A launcher's own store outlives the processes that it starts again, with the addresses of those before them (PyTorch 2.13). So it tells
    where the first process's is, which may be on another machine than the launcher's; who reads of an old one finds nobody there, and reads again.
    """
    import torch.distributed as dist

    store: Any = dist.TCPStore  # type: ignore[attr-defined]
    host, port, size = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), asked()
    if (launchers := _launchers_store(wait)) is None:
        return store(host, port, size, rank == 0, wait)
    if rank == 0:
        address = _address_towards(host, port)
        own = store(address, 0, None, True, wait, wait_for_workers=False)
        launchers.set(_PLACE, f"{address} {own.port}")
        return own
    deadline, little = time.monotonic() + wait.total_seconds(), min(wait, datetime.timedelta(seconds=2))
    while True:
        try:
            address, own_port = launchers.get(_PLACE).decode().split()
            tcp_store = store(address, int(own_port), None, False, little, wait_for_workers=False)
        except RuntimeError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            tcp_store.set_timeout(wait)
            return tcp_store


def _address_towards(host: str, port: int) -> str:
    """By what the others, who all reach ``host`` and ``port``, can reach this machine: ``host`` if that is this one."""
    with socket.create_connection((host, port)) as connection:
        own, its = connection.getsockname()[0], connection.getpeername()[0]
    return host if own == its or ipaddress.ip_address(own).is_loopback else str(own)


def _launchers_store(wait: datetime.timedelta) -> Any:
    """The store at MASTER_ADDR and MASTER_PORT where that is the launcher's own; None where it is for the processes to make."""
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return None
    import torch.distributed as dist

    store: Any = dist.TCPStore  # type: ignore[attr-defined]
    return store(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), None, False, wait)


def leave() -> None:
    """Part from the other processes: from here on this one is alone."""
    global _joined
    if _joined.size > 1:
        import torch.distributed as dist

        dist.destroy_process_group()
        os.environ.pop("LOCAL_WORLD_SIZE", None)  # the cores are no longer shared
        _joined = ALONE


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """Within it the loss of another process, or one that does not come in time, is a ConnectionError that says so."""
    try:
        yield
    except RuntimeError as error:
        if _joined.size == 1 or not _of_another(error):
            raise
        raise ConnectionError(
            f"rank {_joined.rank} of {_joined.size} lost another process, or waited {patience():g} s for one ({_first_line(error)}): "
            "the run can be gone on with from its last checkpoint by --resume"
        ) from error


def device(name: str | None, backend: str) -> str | None:
    """The device of this process: a GPU of its own where one is asked for without its number, or is what the backend takes by default."""
    asked_for = name == "cuda" or (name is None and backend != "mujoco")
    if _joined.size == 1 or not asked_for:
        return name
    import torch

    gpus = torch.cuda.device_count()
    return name if not gpus else f"cuda:{_joined.local % gpus}"


def here(count: int) -> int:
    """How many of ``count`` robots the processes of this machine have, at most."""
    return min(count, -(-count // _joined.size) * int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def most_restarts() -> int:
    """How often the launcher would start them anew."""
    return int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0"))


def launchers() -> tuple[str, ...]:
    """What the launchers that have started these processes are known by; whoever shares one of them was started by one of them, too.

    None where no launcher of PyTorch has. A launcher's name counts for nothing: a user gives it, and may give it again.
    """
    return _launchers


def _launcher() -> list[str]:
    """What this process's launcher is known by: a word in its store, if it has one, and the process that it is, which may be on any machine."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return []
    known = list[str]()
    if (store := _launchers_store(datetime.timedelta(seconds=patience()))) is not None:
        known.append(store.compare_set(_LAUNCH, "", uuid.uuid4().hex).decode())  # the first who asks names it
    if began := process_began(os.getppid()):
        known.append(f"{platform.node()} {os.getppid()} {began}")
    return known


def _of_another(error: RuntimeError) -> bool:
    """Whether an error is PyTorch's of a connection, rather than of this process's own."""
    import torch.distributed as dist

    return isinstance(error, dist.DistError) or any(word in str(error) for word in ("gloo", "NCCL"))


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:200]
