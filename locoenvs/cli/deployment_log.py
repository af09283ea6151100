"""What ``locoenvs replay`` tells of the log of a runtime."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import numpy as np

from locoenvs import terminal
from locoenvs.policies.deploy.log import again, read_log
from locoenvs.policies.policy import Policy


def tell(path: Path, policy: Policy | None) -> None:
    """Print steps, rate and faults of a log, and by how much its actions differ from those of ``policy``."""
    log, console = read_log(path), terminal.console()
    steps = np.diff(log.time)[~log.begun[1:]]
    steps = steps[np.isfinite(steps)]  # a bad time is a fault, and is in the log
    rate = f", {1e3 * np.median(steps):.1f} ms apart, {1e3 * steps.max():.1f} ms at most" if len(steps) else ""
    console.print(f"{path}: {len(log.time)} steps of the network {log.sha256[:12]}{rate}")
    row = 0
    for fault, group in groupby(log.fault):
        count = len(list(group))
        if fault:
            begin = f"{log.time[row]:.3f} s" if np.isfinite(log.time[row]) else f"step {row}, of no time,"
            console.print(f"  damped from {begin} on, for {count} steps: {fault}", markup=False)
        row += count
    if policy is not None:
        apart = np.abs(again(log, policy) - log.actions)
        ran = np.isfinite(apart).all(axis=1)
        most = apart[ran].max() if ran.any() else 0.0
        console.print(f"  its actions in {int(ran.sum())} steps are those of {policy.folder} to {most:.1e}")
