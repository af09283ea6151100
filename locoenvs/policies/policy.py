"""A trained policy as two files that no learner is needed for: ``policy.onnx`` and ``policy.json``.

The network maps observations "obs" (N, O) float32 to "actions" (N, J) float32, normalization included. The JSON holds
all that a controller needs beside it: how the observation is made, what an action does, the whole task and where the
policy comes from. A recurrent network has further ports, for what it remembers from step to step. Loading believes neither: what the JSON says must be what its task and its network say, the network must
be of the one form that is written here (:mod:`locoenvs.policies.mlp`), and neither file can run code.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

import numpy as np
from pydantic import Field, JsonValue, TypeAdapter
from pydantic.dataclasses import dataclass

from locoenvs.machine import cores
from locoenvs.mdp.layout import layout
from locoenvs.policies import mlp
from locoenvs.policies.interface import PROSE, describe, describe_version_1, describe_version_2
from locoenvs.policies.memory import Kind, Memory
from locoenvs.policies.mlp import Layer, Mlp
from locoenvs.tasks import documents, formats
from locoenvs.tasks.documents import write_atomically
from locoenvs.tasks.robot import CONFIG
from locoenvs.tasks.task import Task, hash_of

__all__ = [
    "FILES",
    "FORMAT",
    "FORMAT_VERSION",
    "POLICIES",
    "Layer",
    "Policy",
    "episodes_begin",
    "load_policy",
    "policy_in",
    "save_policy",
]

FORMAT, FORMAT_VERSION = "locoenvs.policy", 3
"""Version 1 had no frames, axes, heights, commands and drives in its description, version 2 no delays, limits and memory; they are
read as if they did."""

_DESCRIBED = {1: describe_version_1, 2: describe_version_2, 3: describe}

FILES = ("policy.onnx", "policy.json")

POLICIES = Path(__file__).parent / "shipped"
"""The policies that come with the package, in folders <robot>_<ground>; one more of the same adds what is its own."""


@dataclass(frozen=True, config=CONFIG)
class _State:
    """What the network remembers: a port that is 0 (N, *size) as an episode begins, and then what came out of the other."""

    input: str
    output: str
    size: list[int]


@dataclass(frozen=True, config=CONFIG)
class _Onnx:
    """The file of the network, and what its ports are called."""

    file: Literal["policy.onnx"]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    input: Literal["obs"]
    output: Literal["actions"]
    states: list[_State] = Field(default_factory=list)


@dataclass(frozen=True, config=CONFIG)
class _Normalization:
    mean: list[float]
    std: list[float]


@dataclass(frozen=True, config=CONFIG)
class _Memory:
    kind: Kind
    size: Annotated[int, Field(ge=1, le=100_000)]
    layers: Annotated[int, Field(ge=1, le=100)]


@dataclass(frozen=True, config=CONFIG)
class _Network:
    activation: Literal["elu", "relu", "tanh"]
    hidden: list[int]
    normalization: _Normalization | None
    memory: _Memory | None = None


@dataclass(frozen=True, config=CONFIG)
class _Header:
    """The part of a policy.json that does not follow from its task."""

    format: Literal["locoenvs.policy"]
    format_version: int
    environment: documents.Name | None
    task_hash: documents.Hash
    onnx: _Onnx
    network: _Network
    provenance: dict[str, JsonValue]
    task: Task


_HEADER: TypeAdapter[_Header] = TypeAdapter(_Header)


class Policy:
    """A policy that was loaded by :func:`load_policy`; call it with observations (N, O), get actions (N, J).

    A recurrent one remembers, robot by robot: tell it by :meth:`reset` where episodes begin. ``document`` is its policy.json, in today's format. ``folder`` is where it was loaded from.
    """

    def __init__(self, folder: Path, document: dict[str, Any], task: Task, network: Mlp, onnx: bytes) -> None:
        self.folder = folder
        self.document = document
        self.task = task
        self._network = network
        self._onnx = onnx
        self._remembered: dict[str, np.ndarray] | None = None

    @cached_property
    def _session(self) -> Any:
        """What runs the network, never the bytes of a file."""
        return _session(self._network)

    @property
    def environment(self) -> str | None:
        """The id of the environment that it was trained in, if it was one."""
        return self.document["environment"]

    @property
    def sha256(self) -> str:
        """The content hash of ``policy.onnx``."""
        return self.document["onnx"]["sha256"]

    @property
    def provenance(self) -> dict[str, Any]:
        """Where it comes from: seed, learner, samples, versions."""
        return self.document["provenance"]

    def __call__(self, observations: np.ndarray) -> np.ndarray:
        """Actions (N, J) float32, without exploration, for observations (N, O)."""
        size = self.document["observation"]["size"]
        if observations.ndim != 2 or observations.shape[1] != size:
            raise ValueError(f"observations must have shape (N, {size}), got {observations.shape}")
        inputs = {"obs": np.ascontiguousarray(observations, dtype=np.float32)}
        if not self.recurrent:
            return self._session.run(["actions"], inputs)[0]
        states, count = self.document["onnx"]["states"], len(observations)
        memory = self._remembered or {state["input"]: np.zeros((count, *state["size"]), "f4") for state in states}
        if (before := len(next(iter(memory.values())))) != count:
            raise ValueError(
                f"{count} observations after {before}: what it remembers is of each robot, call reset() first"
            )
        actions, *after = self._session.run(["actions", *(state["output"] for state in states)], inputs | memory)
        self._remembered = dict(zip(memory, after))
        return actions

    @property
    def recurrent(self) -> bool:
        """Whether it remembers from step to step."""
        return self._network.memory is not None

    def reset(self, mask: np.ndarray | None = None) -> None:
        """Forget what the network remembers, of the robots of ``mask`` (N,) bool or of all: their episodes begin."""
        if mask is None:
            self._remembered = None
        elif self._remembered is not None:
            self._remembered = {
                name: np.where(mask[:, None], np.float32(0), value) for name, value in self._remembered.items()
            }

    def layers(self) -> list[Layer]:
        """The network's layers, with the normalization, if there is one, as part of the first. Raises ValueError for a recurrent one."""
        return self._network.merged()

    def files(self) -> dict[str, bytes]:
        """``policy.onnx``, byte for byte as it was loaded, and ``policy.json``, in today's format: :func:`policy_in` takes them."""
        return {"policy.onnx": self._onnx, "policy.json": (json.dumps(self.document, indent=2) + "\n").encode()}

    def save(self, folder: Path) -> None:
        """Write both :meth:`files` to ``folder``."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.files().items():
            write_atomically(folder / name, functools.partial(_put, content))

    def check(self, task: Task, start: bool = False) -> None:
        """Raise ValueError, naming both sides of every difference, if this policy cannot control ``task``.

        Compared is what the network's inputs and outputs mean: robot, joints, gains, pose, scales, control step and the
        observation's layout. Ground, commands, rewards, noise and randomization may differ. For a training that only
        ``start``s with the policy the observation may too, and so may a robot whose joints are the same.
        """
        own, other = _interface(self.task), _interface(task)
        if start:
            for name in ("robot", "observation", "height samples"):
                own.pop(name)
        different = [
            f"{name}: the policy has {_only(own[name], other[name])}, the task {_only(other[name], own[name])}"
            for name in own
            if own[name] != other[name]
        ]
        if different:
            raise ValueError(f"the policy of {self.folder} does not fit the task. " + "; ".join(different))


def episodes_begin(policy: object, mask: np.ndarray | None = None) -> None:
    """Tell a :class:`Policy` that episodes begin, of the robots of ``mask`` (N,) bool or of all; any other function is not told."""
    if isinstance(policy, Policy):
        policy.reset(mask)


def _only(mine: object, theirs: object) -> object:
    """What of ``mine`` to show that differs from ``theirs``: of two lists of parts, those that the other has not."""
    if not (isinstance(mine, tuple) and isinstance(theirs, tuple) and any(isinstance(part, tuple) for part in mine)):
        return mine
    return tuple(part for part in mine if part not in theirs) or "nothing more"


def save_policy(
    folder: Path,
    task: Task,
    layers: Sequence[Layer],
    activation: str = "elu",
    mean: np.ndarray | None = None,
    std: np.ndarray | None = None,
    provenance: Mapping[str, object] | None = None,
    memory: Memory | None = None,
) -> None:
    """Write ``policy.onnx`` and ``policy.json`` to ``folder``.

    The network is ``(obs - mean) / std``, if given, (O,) each, then the ``memory`` of a recurrent policy, if given, then the ``layers``
    with ``activation`` between them.
    ``provenance`` is stored as it is; its "environment" is the id of the environment.

    Raises ValueError, before anything is written, for what :func:`load_policy` would refuse.
    """
    network = Mlp(layers, activation, mean, std, memory)
    network.check(layout(task)[-1].stop, len(task.robot.joints))
    content, origin = network.to_onnx(), dict(provenance or {})
    ports = {"input": "obs", "output": "actions", "states": network.states()}
    document = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "environment": origin.get("environment"),
        "task_hash": task.hash,
        "onnx": {"file": "policy.onnx", "sha256": _sha256(content), **ports},
        **describe(task),
        "network": network.description(),
        "provenance": origin,
        "task": json.loads(task.to_json()),
    }
    _checked(folder, json.dumps(document), content).save(folder)


def load_policy(path: Path | str) -> Policy:
    """The policy of a folder, or of a ``policy.onnx`` with its ``policy.json`` beside it.

    Raises FileNotFoundError if either is missing, and ValueError, in one line, if they do not belong together or are not
    a policy's.
    """
    path = Path(path)
    folder = path.parent if path.name in FILES else path
    if not folder.is_dir() and path.suffix == ".onnx":
        raise FileNotFoundError(f"{path}: the two files of a policy are called {' and '.join(FILES)}")
    if missing := [name for name in FILES if not (folder / name).is_file()]:
        raise FileNotFoundError(f"no policy in {folder}: {' and '.join(missing)} missing")
    return _checked(folder, documents.read(folder / "policy.json"), documents.read(folder / "policy.onnx", mlp.LARGEST))


def policy_in(files: Mapping[str, bytes], name: str) -> Policy:
    """The policy of the contents of its two files, which errors say are in ``name``. Raises ValueError as :func:`load_policy` does."""
    return _checked(Path(name), files["policy.json"], files["policy.onnx"])


def _checked(folder: Path, text: str | bytes, content: bytes) -> Policy:
    """The policy of both files' contents, after every check."""
    onnx_file, file = folder / "policy.onnx", str(folder / "policy.json")
    document = documents.parsed(text, file)
    documents.check_format(document, "a policy's", FORMAT, tuple(_DESCRIBED), file)
    fields = {field.name for field in dataclasses.fields(_Header)}
    of_today = formats.with_task(document, file)
    header = documents.valid(_HEADER, {name: value for name, value in of_today.items() if name in fields}, file)
    task = header.task
    if (found := hash_of(document["task"])) != header.task_hash:
        raise ValueError(f"{file} was changed: its task's hash is {found}, it was saved with {header.task_hash}")
    inputs, outputs = layout(task)[-1].stop, len(task.robot.joints)
    if 4 * inputs * max(outputs, 1) > mlp.LARGEST:
        raise ValueError(
            f"{file}: its task has {inputs} observations and {outputs} joints, too many for a policy's network"
        )
    described = _DESCRIBED[header.format_version](task)
    own = {name: value for name, value in document.items() if name not in fields}
    for field, value, expected in documents.differences(own, described, prose=PROSE):
        raise ValueError(f"{file}: {field} is {value}, but by its task it is {expected}")
    if _sha256(content) != header.onnx.sha256:
        raise ValueError(
            f"{onnx_file} is not the network that policy.json describes: its sha256 is {_sha256(content)}, "
            f"not {header.onnx.sha256}"
        )
    memory = header.network.memory
    try:
        shape = None if memory is None else (memory.kind, memory.layers)
        network = Mlp.from_onnx(content, header.network.activation, inputs, outputs, shape)
    except ValueError as error:
        raise ValueError(f"{onnx_file}: {error}") from None
    of_network = {"network": network.description(), "onnx": {**document["onnx"], "states": network.states()}}
    if header.format_version < 3:  # they said nothing of memories
        document = {**document, "network": {**document["network"], "memory": None}}
        document["onnx"] = {**document["onnx"], "states": []}
    for name, described in of_network.items():
        for field, value, expected in documents.differences(document[name], described, name):
            raise ValueError(f"{file}: {field} is {value}, but by policy.onnx it is {expected}")
    rest = {name: document[name] for name in ("network", "provenance", "task")}
    first = {name: document[name] for name in ("environment", "task_hash", "onnx")}
    today = {"format": FORMAT, "format_version": FORMAT_VERSION, **first, **describe(task), **rest}
    return Policy(folder, today, task, network, content)


def fits(own: Task, other: Task) -> bool:
    """Whether a policy of one task can control the robots of the other, by what :meth:`Policy.check` compares."""
    return _interface(own) == _interface(other)


def _interface(task: Task) -> dict[str, object]:
    """What the numbers that go into and come out of a network mean."""
    joints = task.robot.joints
    scan = task.observations.heights
    return {
        "robot": task.robot.name,
        "joints": task.robot.joint_names,
        "default pose (rad)": tuple(joint.default for joint in joints),
        "gains (N m/rad, N m s/rad)": tuple((joint.stiffness, joint.damping) for joint in joints),
        "torque limits (N m)": tuple(joint.torque_limit for joint in joints),
        "action scale": task.robot.action_scale,
        "action clip": task.action_clip,
        "control step (s)": task.timing.control_dt,
        "observation": tuple((slot.name, slot.stop - slot.start, slot.scale) for slot in layout(task)),
        "observation clip": task.observations.clip,
        "height samples": scan and dataclasses.astuple(scan),
    }


def _session(network: Mlp) -> Any:
    """What has onnxruntime's ``run``: onnxruntime, with the network written anew, or where it is missing the network on numpy."""
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        if error.name != "onnxruntime":
            raise
        return _OnNumpy(network)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = min(2, cores())
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # it would keep physics off its core
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only
    return onnxruntime.InferenceSession(network.to_onnx(), options, providers=["CPUExecutionProvider"])


class _OnNumpy:
    def __init__(self, network: Mlp) -> None:
        self._network = network

    def run(self, outputs: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        """The outputs of that name."""
        actions, after = self._network(inputs["obs"], inputs)
        return [{"actions": actions, **after}[name] for name in outputs]


def _put(content: bytes, file: BinaryIO) -> None:
    file.write(content)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
