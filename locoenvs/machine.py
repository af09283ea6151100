"""What a number was measured on."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


def hardware() -> dict[str, Any]:
    """The processor's name, how many cores this process may use, the machine's memory, and its GPUs with theirs, as far as known."""
    there = total_memory()
    return {
        "processor": _processor(),
        "cores": allowed_cores(),
        "memory_mb": None if there is None else megabytes(there),
        "gpus": [{"name": name, "memory_mb": megabytes(size)} for name, size in _gpus()],
    }


def megabytes(size: float) -> float:
    """Bytes as MiB."""
    return round(size / 2**20, 1)


def cores() -> int:
    """Cores that this process may use, where it is one of several that train together its share of them."""
    return max(1, allowed_cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def allowed_cores() -> int:
    """Cores that the system lets this process run on, others of its run as well."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory() -> int:
    """Resident memory of this process, bytes: now on Linux, its peak elsewhere; 0 on Windows, which does not tell."""
    if sys.platform == "win32":
        return 0
    import resource  # Windows has none

    if sys.platform == "linux":
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def device_memory() -> int | None:
    """Bytes that torch and JAX together have had in use on this process's GPUs, at most so far; None where neither uses one."""
    held = list[int]()
    if (cuda := _cuda()) is not None and cuda.is_initialized():
        held += [cuda.max_memory_allocated(index) for index in range(cuda.device_count())]
    held += [stats["peak_bytes_in_use"] for device in _jax_gpus() if (stats := device.memory_stats())]
    return sum(held) if held else None


def device_kind(device: Any) -> str:
    """What a device is without its number, which each of several processes has its own of."""
    return str(getattr(device, "platform", None) or device or "cpu").partition(":")[0]


def _gpus() -> list[tuple[str, int]]:
    """Name and memory, bytes, of the GPUs that a library which is loaded already can use."""
    if (cuda := _cuda()) is not None:
        found = [cuda.get_device_properties(index) for index in range(cuda.device_count())]
        return [(each.name, each.total_memory) for each in found]
    stats = [(device.device_kind, device.memory_stats() or {}) for device in _jax_gpus()]
    return [(name, each.get("bytes_limit", 0)) for name, each in stats]


def _cuda() -> Any:
    """torch's part for GPUs, if torch is loaded and has one."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_available() else None


def _jax_gpus() -> list[Any]:
    """JAX's GPUs, if JAX has begun to use any: to ask it for devices would make it take most of their memory."""
    clients = getattr(sys.modules.get("jax._src.xla_bridge"), "_backends", {})
    return [device for name, client in clients.items() if name != "cpu" for device in client.local_devices()]


def process_began(process: int) -> str | None:
    """When a process of this machine began: a word that no other process of that number has; None where that is not known."""
    if sys.platform == "linux":
        try:
            stat, boot = Path(f"/proc/{process}/stat").read_text(), Path("/proc/sys/kernel/random/boot_id").read_text()
        except OSError:
            return None
        return f"{boot.strip()} {stat.rpartition(')')[2].split()[19]}"  # clock ticks since the machine began
    try:
        told = subprocess.run(["ps", "-o", "lstart=", "-p", str(process)], capture_output=True, text=True)
    except OSError:
        return None
    return " ".join(told.stdout.split()) or None


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


def code() -> str:
    """What this package's own code is, as a hash of all its files, of which two that differ do not do the same."""
    from locoenvs import install

    root, digest = install.checkout(), hashlib.sha256()
    folders = (
        [Path(__file__).parent] if root is None else [root / name for name in ("locoenvs", "backends", "wrappers")]
    )
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:12]


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
