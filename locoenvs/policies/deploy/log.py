"""What a runtime wrote on a robot, read, and done again with a policy.

The file is a line of JSON, then a row of little-endian float64 a step: the time, s; the number of its fault in the header's
``faults``; 1 in the first step after a reset, else 0; the readings as policy.json orders them, in their units and before
default_position, offset and scale; the actions; the joint targets, rad. What was not reached is NaN.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass as schema

from locoenvs.mdp.layout import layout
from locoenvs.policies.deploy import runtime
from locoenvs.policies.policy import Policy
from locoenvs.tasks import documents
from locoenvs.tasks.robot import CONFIG

FORMAT, FORMAT_VERSION = runtime.LOG

LARGEST = 2**30
"""Bytes of the largest log that is read: ten hours of a quadruped with height samples."""

_MARK = b'{"format": "' + FORMAT.encode()


@schema(frozen=True, config=CONFIG)
class Header:
    """The first line: the network's hash, and how many numbers an observation and an action have."""

    format: str
    format_version: Literal[1]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    observations: Annotated[int, Field(ge=1, le=100_000)]
    joints: Annotated[int, Field(ge=1, le=1000)]
    faults: list[documents.Name]


_HEADER: TypeAdapter[Header] = TypeAdapter(Header)


@dataclass(frozen=True)
class Log:
    """T steps of one robot."""

    sha256: str
    time: np.ndarray  # (T,) s
    fault: list[str]  # T words, empty where the policy ran
    begun: np.ndarray  # (T,) bool
    readings: np.ndarray  # (T, O)
    actions: np.ndarray  # (T, J)
    targets: np.ndarray  # (T, J) rad, what the drives were told


def is_log(path: Path) -> bool:
    """Whether a file begins as a log does."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_MARK)) == _MARK


def read_log(path: Path) -> Log:
    """The log in a file; a last row that was cut off is left out. Raises ValueError, in one line, for anything else."""
    content, name = documents.read(path, LARGEST), str(path)
    line, _, rows = content.partition(b"\n")
    document = documents.parsed(line, name)
    documents.check_format(document, "a runtime's log", FORMAT, (FORMAT_VERSION,), name)
    header = documents.valid(_HEADER, document, name)
    width = 3 + header.observations + 2 * header.joints
    whole = len(rows) // (8 * width)
    table = np.frombuffer(rows[: 8 * width * whole], "<f8").reshape(whole, width)
    if not (np.isin(table[:, 2], (0, 1)).all() and np.isin(table[:, 1], range(len(header.faults))).all()):
        raise ValueError(f"{name} has rows that no runtime writes: it was changed, or its header was")
    readings, actions, targets = np.split(table[:, 3:], np.cumsum([header.observations, header.joints]), axis=1)
    faults = [header.faults[each] for each in table[:, 1].astype(int)]
    return Log(header.sha256, table[:, 0], faults, table[:, 2] == 1, readings, actions, targets)


def again(log: Log, policy: Policy) -> np.ndarray:
    """The actions (T, J) of ``policy`` for the readings of a log; NaN where it did not run.

    Raises ValueError for a log of another network.
    """
    if log.sha256 != policy.sha256:
        raise ValueError(f"the log is of the network {log.sha256[:12]}, not of {policy.folder}: {policy.sha256[:12]}")
    slots = {slot.name: slice(slot.start, slot.stop) for slot in layout(policy.task)}
    commands = [slots[name] for name in ("command_linear_velocity", "command_yaw_rate") if name in slots]
    actions = np.full(log.actions.shape, np.nan)
    with tempfile.TemporaryDirectory() as folder:
        policy.save(Path(folder))
        run = runtime.Runtime(folder)
        for index in range(len(log.time)):
            if log.begun[index]:
                run.reset()
            if log.fault[index]:
                continue
            row = log.readings[index]
            readings = {name: row[part] for name, part in slots.items()}
            if len(commands) == 2:
                readings["command"] = np.concatenate([row[part] for part in commands])
            run.step(log.time[index], readings)
            actions[index] = run.action
    return actions
