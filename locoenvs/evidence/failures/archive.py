"""The file beside a result that holds what led to falls: ``NAME.failures.npz``. Data only, and all that it takes to see them again."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from dataclasses import dataclass as plain
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass

from locoenvs import machine
from locoenvs.envs.saved_state import rows_of, together
from locoenvs.evidence.failures.causes import Fall
from locoenvs.evidence.failures.keeper import Keeper
from locoenvs.evidence.panel import Panel
from locoenvs.evidence.result import Result
from locoenvs.policies.policy import FILES, Policy, policy_in
from locoenvs.tasks import documents
from locoenvs.tasks.robot import CONFIG

FORMAT, FORMAT_VERSION = "locoenvs.failures", 1

LARGEST = 2**30
"""Bytes of the largest file that is read, unpacked. One of a panel of the suite has two million."""


@dataclass(frozen=True, config=CONFIG)
class Header:
    """How the evaluation was made, and what happened at the falls whose states were kept."""

    format: Literal["locoenvs.failures"]
    format_version: Literal[1]
    panel_hash: documents.Hash
    policy_sha256: str
    backend: str
    options: dict[str, bool | int | float | str | None]
    versions: dict[str, str]
    processor: str
    every_fall: Annotated[int, Field(ge=0)]
    falls: list[Fall]


_HEADER: TypeAdapter[Header] = TypeAdapter(Header)


@plain(frozen=True)
class Archive:
    """What the file holds. K falls were kept, of N robots."""

    name: str
    header: Header
    manifest: bytes
    files: dict[str, bytes]  # of the policy
    state: dict[str, np.ndarray]  # of K robots, as an environment saves it
    begun: np.ndarray  # (K,) int32 control steps before that state
    begun_checksums: np.ndarray  # (K,) uint64 of the motions up to it
    steps: np.ndarray  # (N,) int32 control steps of each robot's episode
    checksums: np.ndarray  # (N,) uint64 of the whole motions

    @cached_property
    def panel(self) -> Panel:
        """What the policy was evaluated on."""
        return Panel.from_json(self.manifest, f"the panel in {self.name}")

    @cached_property
    def policy(self) -> Policy:
        """What was evaluated."""
        return policy_in(self.files, f"the policy in {self.name}")

    def fall(self, robot: int) -> Fall | None:
        """What happened to a robot; None for one that did not fall, or whose fall was not kept."""
        return next((fall for fall in self.header.falls if fall.robot == robot), None)

    def kept(self, robot: int) -> dict[str, np.ndarray]:
        """The state to begin with to see a fall that was kept."""
        return rows_of(self.state, [self.index(robot)])

    def index(self, robot: int) -> int:
        """Where a robot whose fall was kept stands in the arrays of K."""
        return [fall.robot for fall in self.header.falls].index(robot)


def beside(result: Path) -> Path:
    """The file that belongs to the file of a result."""
    return result.with_name(result.stem + ".failures.npz")


def write(
    path: Path, keeper: Keeper, result: Result, panel: Panel, policy: Policy, options: Mapping[str, object]
) -> None:
    """Write what was kept in the evaluation of ``policy`` on ``panel`` with these ``options`` of the backend."""
    backend, _, impl = result.backend.partition("-")
    header = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "panel_hash": panel.hash,
        "policy_sha256": policy.sha256,
        "backend": backend,
        "options": {**options, **result.options, **({"impl": impl} if impl else {})},
        "versions": result.versions,
        "processor": str(machine.hardware()["processor"]),
        "every_fall": keeper.every_fall,
        "falls": [asdict(kept.fall) for kept in keeper.kept],
    }
    texts = {"header.json": json.dumps(header).encode(), "panel.json": panel.to_json().encode(), **policy.files()}
    state = together([kept.state for kept in keeper.kept])
    arrays: dict[str, Any] = {name: np.frombuffer(text, np.uint8) for name, text in texts.items()}
    arrays |= {f"state.{name}": value for name, value in state.items()}
    arrays["begun"] = np.array([kept.step for kept in keeper.kept], np.int32)
    arrays["begun_checksums"] = np.array([kept.checksum for kept in keeper.kept], np.uint64)
    arrays |= {"steps": keeper.steps, "checksums": keeper.checksums}
    path.parent.mkdir(parents=True, exist_ok=True)
    documents.write_atomically(path, lambda file: np.savez_compressed(file, **arrays))


def keep(
    result_path: Path,
    keeper: Keeper | None,
    result: Result,
    panel: Panel,
    policy: Policy,
    options: Mapping[str, object],
) -> None:
    """Write what was kept beside a result's file, in the place of what an older result of that name had there."""
    beside(result_path).unlink(missing_ok=True)
    if keeper is not None and keeper.kept:
        write(beside(result_path), keeper, result, panel, policy, options)


def load(path: Path) -> Archive:
    """What led to the falls of a result, by the result's file or by the file beside it.

    Raises FileNotFoundError where there is none, ValueError, in one line, for a file that is cut off or another, or that does not
    belong to the result.
    """
    if path.suffix == ".npz":
        return _read(path)
    result = Result.from_json(documents.read(path), str(path))
    own = beside(path)
    if not own.is_file():
        raise FileNotFoundError(
            f"{own} is missing: locoenvs eval --out {path} writes it when robots fall, unless --failures is 0"
        )
    archive = _read(own)
    for what, here, there in (
        ("panel", archive.header.panel_hash, result.panel_hash),
        ("policy", archive.header.policy_sha256, result.policy_sha256),
        ("versions", archive.header.versions, result.versions),
    ):
        if here != there:
            raise ValueError(f"{own} is not of {path}: its {what} is {here}, the result's is {there}; evaluate again")
    return archive


def _read(path: Path) -> Archive:
    name = str(path)
    arrays = _arrays(path)
    texts = ("header.json", "panel.json", *FILES)
    numbers = {"begun": "i", "begun_checksums": "u", "steps": "i", "checksums": "u"}
    if missing := [each for each in (*texts, *numbers) if each not in arrays]:
        raise ValueError(f"{name} lacks {missing[0]!r}: it is not what locoenvs eval --out writes beside a result")
    content = {each: np.asarray(arrays[each], np.uint8).tobytes() for each in texts}
    document = documents.parsed(content["header.json"], name)
    documents.check_format(document, "a file of failures", FORMAT, (FORMAT_VERSION,), name)
    header = documents.valid(_HEADER, document, name)
    falls = len(header.falls)
    for each, kind in numbers.items():
        array, wanted = arrays[each], falls if each.startswith("begun") else len(arrays["steps"])
        if array.shape != (wanted,) or array.dtype.kind != kind:
            raise ValueError(f"{name} has {each!r} of {array.dtype} {array.shape}, it must have {wanted}")
    state = {each.removeprefix("state."): value for each, value in arrays.items() if each.startswith("state.")}
    archive = Archive(
        name=name,
        header=header,
        manifest=content["panel.json"],
        files={each: content[each] for each in FILES},
        state=state,
        **{each: arrays[each] for each in numbers},
    )
    _check(archive)
    return archive


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file. Raises ValueError for any other, or one that is cut off."""
    content = documents.read(path, LARGEST)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            unpacked = sum(entry.file_size for entry in packed.infolist())
        if unpacked > LARGEST:
            raise ValueError(f"it unpacks to {unpacked} bytes")
        with np.load(io.BytesIO(content), allow_pickle=False) as packed:
            return {name: packed[name] for name in packed.files}
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, OSError, KeyError, NotImplementedError) as error:
        raise ValueError(f"{path} is no file of failures, or was cut off: {error}") from None


def _check(archive: Archive) -> None:
    """Raise ValueError unless the parts of the file belong together."""
    name, header, panel = archive.name, archive.header, archive.panel
    if panel.hash != header.panel_hash:
        raise ValueError(f"{name} was changed: its panel is {panel.hash}, it was written for {header.panel_hash}")
    if archive.policy.sha256 != header.policy_sha256:
        raise ValueError(f"{name} was changed: its policy is {archive.policy.sha256}, not {header.policy_sha256}")
    if len(archive.steps) != panel.num_robots:
        raise ValueError(f"{name} has {len(archive.steps)} robots, its panel {panel.num_robots}")
    robots = [fall.robot for fall in header.falls]
    if list(rows_of(archive.state, [*range(len(robots))])["episodes.robot"]) != robots:
        raise ValueError(f"{name} was changed: its states are not those of robots {robots}")
