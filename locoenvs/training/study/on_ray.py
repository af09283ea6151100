"""Trainings of a study by Ray: many at a time, on this machine or on a cluster whose machines share the folder of the runs."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from locoenvs import install
from locoenvs.training.study.trial import Job, Reached, Train, reach

ANSWER_SECONDS = 10.0
"""A cluster whose address takes no connection within this time is not there."""

JOIN_SECONDS = 40.0
"""What takes a connection and is not joined within this time is no cluster of Ray."""

STOP_SECONDS = 60.0
"""Trainings that are stopped have this long to save."""


class OnRay:
    """Places of a cluster: each training takes ``cpus`` and ``gpus`` of it, and one more waits than there are."""

    def __init__(self, ray: Any, train: Train, cpus: float, gpus: float) -> None:
        self._ray, self._train = ray, ray.put(train)
        there = ray.cluster_resources()
        for name, each in (("CPU", cpus), ("GPU", gpus)):
            if each > there.get(name, 0):
                raise ValueError(f"{name.lower()}s={each:g}: this Ray has {there.get(name, 0):g} {name}s in all")
        self._room = int(min(there.get(name, 0) / each for name, each in (("CPU", cpus), ("GPU", gpus)) if each))
        # What a worker that dies was at goes on, once, from its last checkpoint.
        self._reach = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=1)(_reach)
        self._jobs: dict[Any, Job] = {}

    def free(self) -> bool:
        return len(self._jobs) < self._room

    def begin(self, job: Job) -> None:
        run = str(Path(str(job.settings.run)).resolve())  # a worker may be in another folder
        self._jobs[self._reach.remote(self._train, replace(job, settings=replace(job.settings, run=run)))] = job

    def wait(self) -> tuple[Job, Reached | str]:
        (done,), _ = self._ray.wait(list(self._jobs), num_returns=1)
        job = self._jobs.pop(done)
        try:
            reached = self._ray.get(done)
        except self._ray.exceptions.RayTaskError as error:
            return job, f"{type(error.cause).__name__}: {error.cause}"
        except self._ray.exceptions.RayError as error:
            return job, f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        folder = Path(str(job.settings.run))
        if not (folder / "recipe.json").is_file():
            raise FileNotFoundError(
                f"{folder} was trained on another machine and is not to be seen here: let --run be in a folder that all machines share"
            )
        return job, reached

    def stop(self) -> None:
        """Let trainings that are under way save what they have, as Ctrl-C does."""
        for reference in self._jobs:
            self._ray.cancel(reference, force=False)
        if self._jobs:
            self._ray.wait(list(self._jobs), num_returns=len(self._jobs), timeout=STOP_SECONDS)


def _reach(train: Train, job: Job) -> Reached:
    """On a worker."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        return reach(train, job)


@contextlib.contextmanager
def on_ray(train: Train, address: str | None, cpus: float, gpus: float) -> Iterator[OnRay]:
    """Within it there are places of a Ray of this machine's own, or of the cluster at ``address``.

    Raises ImportError without Ray, and ConnectionError for an address that does not answer.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        ray = importlib.import_module("ray")
    except ImportError as error:
        raise ImportError(f"studies on Ray need ray: {install.line('ray')}") from error
    told: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    # ray.init sets a handler of its own, and leaves it there. Only the main thread may set any.
    sigterm = signal.getsignal(signal.SIGTERM) if threading.current_thread() is threading.main_thread() else None
    if address is None:
        ray.init(include_dashboard=False, **told)
    else:
        _check(address)
        ray.init(address=address, **told)
    places = None
    try:
        if sigterm is not None:
            signal.signal(signal.SIGTERM, _end)
        places = OnRay(ray, train, cpus, gpus)
        yield places
    except BaseException:
        if places is not None:
            places.stop()
        raise
    finally:
        ray.shutdown()
        if sigterm is not None:
            signal.signal(signal.SIGTERM, sigterm)


def _end(number: int, _: object) -> None:
    """Ray's own handler would exit with the signal's number alone, or with 1."""
    raise SystemExit(128 + number)


def _check(address: str) -> None:
    """Raise ConnectionError unless a Ray cluster answers there, within :data:`ANSWER_SECONDS` or, if something else does,
    :data:`JOIN_SECONDS`."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if address != "auto":
        if not (host and port.isdigit()):
            raise ValueError(f"address={address!r}: must be host:port, as ray start --head tells, or auto")
        try:
            socket.create_connection((host, int(port)), timeout=ANSWER_SECONDS).close()
        except (OSError, OverflowError) as error:
            raise ConnectionError(
                f"address={address}: nothing answers within {ANSWER_SECONDS:g} s ({error}): start a cluster by ray start --head"
            ) from None
    join = f"import ray; ray.init(address={address!r}, log_to_driver=False)"
    try:
        done = subprocess.run([sys.executable, "-c", join], capture_output=True, text=True, timeout=JOIN_SECONDS)
        said = "" if done.returncode == 0 else " ".join(done.stderr.split())[-200:]
    except subprocess.TimeoutExpired:
        said = f"joining it takes more than {JOIN_SECONDS:g} s"
    if said:
        raise ConnectionError(
            f"address={address}: no Ray cluster answers there ({said}): start one by ray start --head"
        )
