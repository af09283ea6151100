"""What a number was measured on."""

from __future__ import annotations

import contextlib
import datetime
import os
import platform
import resource
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


def hardware() -> dict[str, str | int]:
    """The processor's name and how many cores this process may use."""
    return {"processor": _processor(), "cores": cores()}


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory() -> int:
    """Resident memory of this process, bytes: now on Linux, its peak elsewhere."""
    if sys.platform == "linux":
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def total_memory() -> int | None:
    """Memory of this machine, bytes; None where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def versions(*names: str) -> dict[str, str]:
    """Distribution -> its version, of those that are installed; this code's own, whatever else is installed."""
    import locoenvs

    found = {}
    for name in names:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = locoenvs.__version__ if name == "locoenvs" else version(name)
    return found


def measured_by(program: str, *packages: str) -> dict[str, Any]:
    """What a result says of how it was made: the command, the date, this machine, and the packages' versions."""
    return {
        "command": " ".join([f"python -m locoenvs.benchmarks.{program}", *sys.argv[1:]]),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "hardware": hardware(),
        "versions": versions(*packages),
    }


def _processor() -> str:
    """The model's name on Linux, what Python knows elsewhere."""
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(iter(names), platform.processor() or platform.machine())
