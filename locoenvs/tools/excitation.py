"""Logs of a drive: its (time, position error, velocity, torque), as CSV, and the test bench that excites one for them.

The bench is a joint with a load, as a leg's drive meets it: from a leg swinging in the air to one that carries the
robot, with gravity, friction and an obstacle to hit, while the target moves as a policy, a step or a sine would move it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from array_api_compat import numpy as xp

from locoenvs.mdp.actuators import LSTM
from locoenvs.tasks.documents import write_atomically
from locoenvs.tasks.drive import Network

COLUMNS = ("trial", "time", "position_error", "velocity", "torque")
"""The columns of a log: a number, s, rad (target - position), rad/s, N m. ``trial`` may be missing if there is one."""

_SUBSTEPS = 10
_UNEQUAL = 0.05
"""By how much of the longest a trial may be shorter; a sample always."""
_DIGITS = ("%d", "%.6f", "%.6g", "%.6g", "%.6g")


@dataclass(frozen=True)
class Log:
    """Trials of one length T, sampled every ``dt`` s: position error, velocity and torque (trials, T) float32."""

    dt: float
    error: np.ndarray
    velocity: np.ndarray
    torque: np.ndarray

    @property
    def trials(self) -> int:
        return self.error.shape[0]

    def write(self, path: Path) -> None:
        """Write the CSV file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        trials, steps = self.error.shape
        number, step = np.meshgrid(np.arange(trials), np.arange(steps), indexing="ij")
        columns = [number, step * self.dt, self.error, self.velocity, self.torque]
        table = np.stack([column.ravel() for column in columns], axis=1)
        header = ",".join(COLUMNS)
        write_atomically(path, lambda file: np.savetxt(file, table, _DIGITS, ",", header=header, comments=""))


def read_log(path: Path) -> Log:
    """The log in a CSV file. Raises ValueError naming the line, the column or the trial that is wrong.

    Trials are cut to the length of the shortest, which may be 5 %, or one sample, below that of the longest.
    """
    with path.open() as file:
        names = [name.strip() for name in file.readline().split(",")]
        missing = [name for name in COLUMNS[1:] if name not in names]
        if missing:
            raise ValueError(f"{path}, line 1: a log has the columns {', '.join(COLUMNS)}; missing: {missing}")
        try:
            table = np.loadtxt(file, delimiter=",", ndmin=2)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
    if table.shape[0] < 2 or table.shape[1] != len(names):
        raise ValueError(f"{path}: needs at least two rows of {len(names)} numbers, has {table.shape}")
    if not np.isfinite(table).all():
        line = int(np.nonzero(~np.isfinite(table).all(axis=1))[0][0]) + 2
        raise ValueError(f"{path}, line {line}: every number must be finite")
    column = {name: table[:, index] for index, name in enumerate(names)}
    trial = column.get("trial", np.zeros(len(table)))
    starts = [0, *(np.nonzero(np.diff(trial))[0] + 1), len(table)]
    parts = [slice(a, b) for a, b in zip(starts[:-1], starts[1:])]
    gaps = np.concatenate([np.diff(column["time"][part]) for part in parts])
    dt = float(np.median(gaps)) if len(gaps) else 0.0
    if dt <= 0 or np.abs(gaps - dt).max() > 0.05 * dt:
        worst = float(gaps[np.argmax(np.abs(gaps - dt))]) if len(gaps) else 0.0
        raise ValueError(f"{path}: time must go up by one step throughout each trial, found {dt:g} s and {worst:g} s")
    lengths = [part.stop - part.start for part in parts]
    length, longest = min(lengths), max(lengths)
    if longest - length > max(1, _UNEQUAL * longest):
        short = parts[lengths.index(length)]
        raise ValueError(
            f"{path}, lines {short.start + 2} to {short.stop + 1}: trial {trial[short.start]:g} has {length} samples, "
            f"another has {longest}; their lengths may differ by {100 * _UNEQUAL:g} %: is the file whole? Leave that "
            "trial out, or make all of one length"
        )
    series = {
        name: np.stack([column[name][part][:length] for part in parts]).astype(np.float32) for name in COLUMNS[2:]
    }
    return Log(round(dt, 6), series["position_error"], series["velocity"], series["torque"])


def excite(drive: Network, limit: float, trials: int, seconds: float, seed: int) -> Log:
    """What a drive does on the bench: ``trials`` joints under different loads, torques clipped at ``limit`` N m."""
    draw, steps, dt = np.random.default_rng(seed), round(seconds / drive.dt), drive.dt
    if steps < 2:
        raise ValueError(
            f"{seconds:g} s is {steps} samples of {dt:g} s, and a log needs at least two: give at least {2 * dt:g} s"
        )

    def between(low: float, high: float) -> np.ndarray:
        return draw.uniform(low, high, trials)

    def spread(low: float, high: float) -> np.ndarray:
        return np.exp(between(np.log(low), np.log(high)))

    inertia, damping, gravity, phase = spread(0.03, 2.0), spread(0.01, 2.0), between(0, 40), between(-np.pi, np.pi)
    wall, stiffness = between(0.1, 1.5), np.where(between(0, 1) < 0.4, spread(200, 5000), 0.0)
    target = _targets(draw, trials, steps, dt)
    position, velocity = target[:, 0] + between(-0.3, 0.3), between(-3, 3)
    actuator = LSTM(drive, [limit])
    memory = actuator.initial(trials, xp)
    error, speed, torque = (np.zeros((trials, steps), np.float32) for _ in range(3))
    for step in range(steps):
        error[:, step], speed[:, step] = target[:, step] - position, velocity
        memory, made = actuator.torque(memory, error[:, step, None], 0 * error[:, step, None], speed[:, step, None])
        torque[:, step] = made[:, 0]
        for _ in range(_SUBSTEPS):
            beyond = np.maximum(position - wall, 0.0)
            load = gravity * np.sin(position + phase) + damping * velocity + stiffness * beyond
            load += np.where(beyond > 0, 0.1 * np.sqrt(stiffness * inertia) * velocity, 0.0)
            velocity = np.clip(velocity + dt / _SUBSTEPS * (torque[:, step] - load) / inertia, -25.0, 25.0)
            position = position + dt / _SUBSTEPS * velocity
    return Log(dt, error, speed, torque)


def _targets(draw: np.random.Generator, trials: int, steps: int, dt: float) -> np.ndarray:
    """Targets (trials, steps) rad, a third each: a policy's at 50 Hz, steps held for a while, sines that rise in pitch."""
    time = np.arange(steps) * dt
    size = np.exp(draw.uniform(np.log(0.03), np.log(1.0), trials))[:, None]
    hold = max(1, round(0.02 / dt))
    policy = np.zeros((trials, steps))
    smooth = draw.uniform(0.0, 0.95, trials)
    value = np.zeros(trials)
    for start in range(0, steps, hold):
        value = smooth * value + np.sqrt(1 - smooth**2) * draw.normal(size=trials)
        policy[:, start : start + hold] = value[:, None]
    jumps = draw.random((trials, steps)) < dt / draw.uniform(0.1, 1.0, trials)[:, None]
    which = np.cumsum(jumps, axis=1, dtype=np.int64)
    steady = np.take_along_axis(draw.normal(size=(trials, steps)), which, axis=1)
    low = np.exp(draw.uniform(np.log(0.2), np.log(4.0), trials))[:, None]
    pitch = low * (1 + draw.uniform(0, 3, trials)[:, None] * time / time[-1])
    sine = np.sin(2 * np.pi * np.cumsum(pitch, axis=1) * dt + draw.uniform(0, 6, trials)[:, None])
    kind = np.arange(trials)[:, None] % 3
    return size * np.where(kind == 0, policy, np.where(kind == 1, steady, sine))
