"""Which device the robots live on, and how many of them its memory holds."""

from __future__ import annotations

from pathlib import Path

import jax

from locoenvs import install


def find(name: str | None) -> jax.Device:
    """The device of a name: "cpu", "cuda", "cuda:1"; None is the first GPU, or the CPU. Raises ValueError for none."""
    if name is None:
        return jax.devices()[0]
    platform, _, index = name.partition(":")
    if platform not in ("cpu", "cuda", "gpu") or (index and not index.isdigit()):
        raise ValueError(f"device={name!r}: there are 'cpu', 'cuda', 'cuda:1' and so on")
    try:
        devices = jax.devices(platform)
    except RuntimeError:
        devices = []
    if not devices:
        there = ", ".join(sorted({device.platform for device in jax.devices()}))
        raise ValueError(
            f"device={name!r}: jax {jax.__version__} sees no GPU here, only {there}. On a machine with an NVIDIA GPU "
            f"type {install.line('mjx')} \"jax[cuda13]\"; without one use device='cpu'"
        )
    if int(index or 0) >= len(devices):
        raise ValueError(f"device={name!r}: there are {len(devices)}, numbered from 0")
    return devices[int(index or 0)]


def is_gpu(device: jax.Device) -> bool:
    """Whether it is an NVIDIA GPU."""
    return device.platform in ("gpu", "cuda")


def free_bytes(device: jax.Device) -> int | None:
    """Memory that is left on the device; None if it does not say."""
    statistics = device.memory_stats() if is_gpu(device) else None
    if statistics and "bytes_limit" in statistics:
        return int(statistics["bytes_limit"]) - int(statistics["bytes_in_use"])
    described = Path("/proc/meminfo")
    if not is_gpu(device) and described.exists():
        lines = dict(line.split(":", 1) for line in described.read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    return None


def check_memory(num_envs: int, bytes_a_robot: int, *devices: jax.Device) -> None:
    """Raises ValueError if so many robots, in equal parts on the devices, cannot fit, with the number that does."""
    share = num_envs // len(devices)
    whose = "each they" if len(devices) == 1 else f"each the {share} of a device"
    for device in devices:
        free = free_bytes(device)
        if free is not None and share * bytes_a_robot > free:
            raise ValueError(
                f"num_envs={num_envs}: at about {bytes_a_robot / 1024:.0f} KiB {whose} need {share * bytes_a_robot / 2**30:.1f} "
                f"GiB, and {device} has {free / 2**30:.1f} GiB left. It holds about {free // bytes_a_robot} robots"
            )
