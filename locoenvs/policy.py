"""A trained policy as two files that no learner is needed for: ``policy.onnx`` and ``policy.json``.

The network maps observations "obs" (N, O) float32 to "actions" (N, J) float32, normalization included. The JSON holds
all that a controller needs beside it: joint order, gains, default pose, scales, the observation's layout, the whole
task and where the policy comes from. Loading reads numbers only: neither file can run code.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from locoenvs import install
from locoenvs.observations import layout
from locoenvs.recipes import nearest
from locoenvs.run import write_atomically
from locoenvs.task import Task, hash_of

FORMAT, FORMAT_VERSION = "locoenvs.policy", 1

_ACTIVATIONS = {"elu": "Elu", "relu": "Relu", "tanh": "Tanh"}
"""Names of the hidden layers' activations and their ONNX operators."""

_OPSET, _IR_VERSION = 17, 8
"""Old enough for any runtime of the last years."""

Layer = tuple[np.ndarray, np.ndarray]
"""Weight (out, in) and bias (out,) of y = W x + b."""


class Policy:
    """A policy that was loaded by :func:`load_policy`; call it with observations (N, O), get actions (N, J)."""

    def __init__(self, folder: Path, document: dict[str, Any], task: Task, session: Any) -> None:
        self.folder = folder
        self.document = document
        self.task = task
        self._session = session

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
        return self._session.run(["actions"], {"obs": np.ascontiguousarray(observations, dtype=np.float32)})[0]

    def layers(self) -> list[Layer]:
        """The network's layers, with the normalization, if there is one, as part of the first."""
        try:
            from onnx import load, numpy_helper
        except ImportError as error:
            raise ImportError("reading a policy's network needs onnx: pip install onnx") from error
        graph = load(self.folder / "policy.onnx").graph
        values = {entry.name: numpy_helper.to_array(entry) for entry in graph.initializer}
        count = len(self.document["network"]["hidden"]) + 1
        layers = [(values[f"weight_{index}"], values[f"bias_{index}"]) for index in range(count)]
        if "mean" in values:
            weight, bias = layers[0]
            weight = weight / values["std"]
            layers[0] = weight, bias - weight @ values["mean"]
        return layers

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
            f"{name}: the policy has {own[name]}, the task {other[name]}" for name in own if own[name] != other[name]
        ]
        if different:
            raise ValueError(f"the policy of {self.folder} does not fit the task. " + "; ".join(different))


def save_policy(
    folder: Path,
    task: Task,
    layers: Sequence[Layer],
    activation: str = "elu",
    mean: np.ndarray | None = None,
    std: np.ndarray | None = None,
    provenance: Mapping[str, object] | None = None,
) -> None:
    """Write ``policy.onnx`` and ``policy.json`` to ``folder``.

    The network is ``(obs - mean) / std``, if given, (O,) each, then the ``layers`` with ``activation`` between them.
    ``provenance`` is stored as it is; its "environment" is the id of the environment.
    """
    slots = layout(task)
    network = _network(layers, activation, mean, std, slots[-1].stop, len(task.robot.joints))
    normalization = None if mean is None or std is None else {"mean": _list(mean), "std": _list(std)}
    origin = dict(provenance or {})
    document = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "environment": origin.get("environment"),
        "task_hash": task.hash,
        "onnx": {"file": "policy.onnx", "sha256": _sha256(network), "input": "obs", "output": "actions"},
        "control_dt": task.timing.control_dt,
        "joints": [
            {
                "name": joint.name,
                "default_position": joint.default,
                "stiffness": joint.stiffness,
                "damping": joint.damping,
                "torque_limit": joint.torque_limit,
            }
            for joint in task.robot.joints
        ],
        "action": {
            "meaning": "joint target = default_position + scale * clip(action, -clip, clip)",
            "scale": task.robot.action_scale,
            "clip": task.action_clip,
        },
        "observation": {
            "meaning": "obs[start:stop] = clip(scale * value in unit, -clip, clip)",
            "size": slots[-1].stop,
            "clip": task.observations.clip,
            "slots": [dataclasses.asdict(slot) for slot in slots],
        },
        "network": {
            "activation": activation,
            "hidden": [int(weight.shape[0]) for weight, _ in layers[:-1]],
            "normalization": normalization,
        },
        "provenance": origin,
        "task": json.loads(task.to_json()),
    }
    text = json.dumps(document, indent=2) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "policy.onnx", lambda file: file.write(network))
    write_atomically(folder / "policy.json", lambda file: file.write(text.encode()))


def load_policy(path: Path | str) -> Policy:
    """The policy of a folder, or of a ``policy.onnx`` with its ``policy.json`` beside it.

    Raises FileNotFoundError if either is missing, and ValueError if they do not belong together or are not a policy's.
    """
    path = Path(path)
    folder = path.parent if path.suffix == ".onnx" else path
    onnx_file, json_file = folder / "policy.onnx", folder / "policy.json"
    missing = [file.name for file in (onnx_file, json_file) if not file.is_file()]
    if missing:
        raise FileNotFoundError(f"no policy in {folder}: {' and '.join(missing)} missing")
    document = _document(json_file)
    network = onnx_file.read_bytes()
    if _sha256(network) != document["onnx"]["sha256"]:
        raise ValueError(
            f"{onnx_file} is not the network that {json_file.name} describes: its sha256 is {_sha256(network)}, "
            f"not {document['onnx']['sha256']}"
        )
    task = Task.from_json(json.dumps(document["task"]))
    session = _session(network)
    expected = [("obs", document["observation"]["size"]), ("actions", len(task.robot.joints))]
    found = [(port.name, port.shape[-1]) for port in (*session.get_inputs(), *session.get_outputs())]
    if found != expected:
        raise ValueError(f"{onnx_file} maps {found}, but {json_file.name} describes {expected}")
    return Policy(folder, document, task, session)


def _document(file: Path) -> dict[str, Any]:
    """The content of a policy.json, with the task as it was hashed when it was saved."""
    try:
        document = json.loads(file.read_bytes())
    except ValueError as error:
        raise ValueError(f"{file} is not JSON: {error}") from error
    found = document.get("format") if isinstance(document, dict) else None
    if found != FORMAT:
        raise ValueError(f"{file} is not a policy's: its format is {found!r}, not {FORMAT!r}")
    if document["format_version"] != FORMAT_VERSION:
        raise ValueError(
            f"{file} has format version {document['format_version']}, this locoenvs reads {FORMAT_VERSION}: "
            "use the locoenvs that saved it, or train anew"
        )
    if hash_of(document["task"]) != document["task_hash"]:
        raise ValueError(f"{file} was changed: its task's hash is not {document['task_hash']}, which it was saved with")
    return document


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


def _network(
    layers: Sequence[Layer],
    activation: str,
    mean: np.ndarray | None,
    std: np.ndarray | None,
    inputs: int,
    outputs: int,
) -> bytes:
    """The ONNX model."""
    try:
        from onnx import TensorProto, checker, helper, numpy_helper
    except ImportError as error:
        raise ImportError("exporting a policy needs onnx: pip install onnx") from error
    if activation not in _ACTIVATIONS:
        raise ValueError(nearest("activation", activation, list(_ACTIVATIONS)))
    _check_shapes(layers, mean, std, inputs, outputs)
    nodes, weights = [], []

    def constant(name: str, value: np.ndarray) -> str:
        weights.append(numpy_helper.from_array(np.ascontiguousarray(value, dtype=np.float32), name))
        return name

    value = "obs"
    if mean is not None and std is not None:
        nodes.append(helper.make_node("Sub", [value, constant("mean", mean)], ["centered"]))
        nodes.append(helper.make_node("Div", ["centered", constant("std", std)], ["normalized"]))
        value = "normalized"
    for index, (weight, bias) in enumerate(layers):
        last = index == len(layers) - 1
        names = [value, constant(f"weight_{index}", weight), constant(f"bias_{index}", bias)]
        value = "actions" if last else f"linear_{index}"
        nodes.append(helper.make_node("Gemm", names, [value], transB=1))
        if not last:
            nodes.append(helper.make_node(_ACTIVATIONS[activation], [value], [f"hidden_{index}"]))
            value = f"hidden_{index}"
    port = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "policy",
        [port("obs", TensorProto.FLOAT, ["batch", inputs])],
        [port("actions", TensorProto.FLOAT, ["batch", outputs])],
        weights,
    )
    model = helper.make_model(graph, producer_name="locoenvs", opset_imports=[helper.make_opsetid("", _OPSET)])
    model.ir_version = _IR_VERSION
    checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def _check_shapes(
    layers: Sequence[Layer], mean: np.ndarray | None, std: np.ndarray | None, inputs: int, outputs: int
) -> None:
    """Raise ValueError unless the layers lead from ``inputs`` to ``outputs`` in finite numbers."""
    if (mean is None) != (std is None):
        raise ValueError("give both mean and std to normalize observations, or neither")
    for name, values in (("mean", mean), ("std", std)):
        if values is not None and values.shape != (inputs,):
            raise ValueError(f"{name} must have shape ({inputs},), one number an observation, got {values.shape}")
    if std is not None and not np.all(std > 0):
        raise ValueError(f"std must be positive, its smallest is {np.min(std):g}")
    size = inputs
    for index, (weight, bias) in enumerate(layers):
        if weight.shape[1:] != (size,) or bias.shape != weight.shape[:1]:
            raise ValueError(
                f"layer {index} must map {size} values: weight (out, {size}) and bias (out,), "
                f"got {weight.shape} and {bias.shape}"
            )
        if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
            raise ValueError(f"layer {index} has weights that are NaN or infinite: training has diverged")
        size = weight.shape[0]
    if size != outputs or not layers:
        raise ValueError(f"the last layer must give {outputs} actions, one a joint, got {size}")


def _session(network: bytes) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError(f"running a policy needs onnxruntime: {install.line('policy')}") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only
    return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])


def _list(values: np.ndarray) -> list[float]:
    return [float(value) for value in np.asarray(values, dtype=np.float32)]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
