"""A policy's network, and the one ONNX file that it is written to and read from.

The file is data of a known form: a chain of Sub, Div, Gemm and one activation, of opset 17, its weights inside, with gated units
(:mod:`locoenvs.policies.memory`) before the first layer if the policy is recurrent. Reading takes the weights out, writes the file that belongs to them anew and compares the two, so nothing else can be in use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from locoenvs.policies import onnx_format
from locoenvs.policies.memory import OPERATORS, Kind, Memory
from locoenvs.policies.onnx_format import structure
from locoenvs.tasks.documents import differences
from locoenvs.tasks.names import nearest

ACTIVATIONS = {"elu": "Elu", "relu": "Relu", "tanh": "Tanh"}
"""Names of the hidden layers' activations and their ONNX operators."""

_FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
}

LARGEST = 8 * 2**20
"""Bytes of the largest network that is written or read: two million weights, ten times the paper's."""

_OPSET, _IR_VERSION = 17, 8
"""Old enough for any runtime of the last years."""

Layer = tuple[np.ndarray, np.ndarray]
"""Weight (out, in) and bias (out,) of y = W x + b."""


@dataclass(frozen=True)
class Mlp:
    """Actions of observations: ``(obs - mean) / std``, if given, (O,) each, then ``memory``, if given, then ``layers`` with
    ``activation`` between."""

    layers: Sequence[Layer]
    activation: str = "elu"
    mean: np.ndarray | None = None
    std: np.ndarray | None = None
    memory: Memory | None = None

    def check(self, inputs: int, outputs: int) -> None:
        """Raise ValueError unless the layers lead from ``inputs`` to ``outputs`` in finite numbers of float32."""
        if self.activation not in ACTIVATIONS:
            raise ValueError(nearest("activation", self.activation, list(ACTIVATIONS)))
        if (self.mean is None) != (self.std is None):
            raise ValueError("give both mean and std to normalize observations, or neither")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values is not None and values.shape != (inputs,):
                raise ValueError(f"{name} must have shape ({inputs},), one number an observation, got {values.shape}")
            if values is not None and not _finite(values):
                raise ValueError(f"{name} has numbers that are NaN or infinite")
        if self.std is not None and not np.all(_float32(self.std) > 0):
            raise ValueError(f"std must be positive, its smallest is {np.min(self.std):g}")
        size = inputs if self.memory is None else self.memory.check(inputs)
        for index, (weight, bias) in enumerate(self.layers):
            if weight.shape[1:] != (size,) or bias.shape != weight.shape[:1] or not bias.size:
                raise ValueError(
                    f"layer {index} must map {size} values: weight (out, {size}) and bias (out,), "
                    f"got {weight.shape} and {bias.shape}"
                )
            if not (_finite(weight) and _finite(bias)):
                raise ValueError(f"layer {index} has weights that are NaN or infinite: training has diverged")
            size = weight.shape[0]
        if size != outputs or not self.layers:
            raise ValueError(f"the last layer must give {outputs} actions, one a joint, got {size}")

    def merged(self) -> list[Layer]:
        """The layers, with the normalization, if there is one, as part of the first. Raises ValueError for a recurrent network."""
        if self.memory is not None:
            raise ValueError(f"the policy is recurrent ({self.memory.kind}): layers alone are not what it does")
        layers = list(self.layers)
        if self.mean is not None and self.std is not None:
            weight, bias = layers[0]
            weight = weight / self.std
            layers[0] = weight, bias - weight @ self.mean
        return layers

    def description(self) -> dict[str, Any]:
        """What a policy.json says of it."""
        normalization = None
        if self.mean is not None and self.std is not None:
            normalization = {"mean": _float32(self.mean).tolist(), "std": _float32(self.std).tolist()}
        return {
            "activation": self.activation,
            "hidden": [int(weight.shape[0]) for weight, _ in self.layers[:-1]],
            "normalization": normalization,
            "memory": None if self.memory is None else self.memory.description(),
        }

    def states(self) -> list[dict[str, Any]]:
        """What a policy.json says of the ports through which the network remembers."""
        return [] if self.memory is None else self.memory.states()

    def __call__(
        self, observations: np.ndarray, remembered: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Actions (N, J) of observations (N, O), float32, and what is remembered, by the names of :meth:`states`'s inputs and outputs."""
        value, after = observations, dict[str, np.ndarray]()
        if self.mean is not None and self.std is not None:
            value = (value - np.asarray(self.mean, np.float32)) / np.asarray(self.std, np.float32)
        if self.memory is not None:
            value, after = self.memory(value, remembered)
        for index, (weight, bias) in enumerate(self.layers):
            value = value @ np.asarray(weight, np.float32).T + np.asarray(bias, np.float32)
            if index < len(self.layers) - 1:
                value = _FUNCTIONS[self.activation](value)
        return value, after

    def to_onnx(self) -> bytes:
        """The file: "obs" (batch, O), and :meth:`states`, to "actions" (batch, J), and the next states, float32. Raises ValueError for more than :data:`LARGEST`."""
        content = self._model().SerializeToString(deterministic=True)
        if len(content) > LARGEST:
            raise ValueError(f"the network takes {len(content)} bytes, a policy's at most {LARGEST}: make it smaller")
        return content

    def _model(self) -> Any:
        nodes, weights = list[dict[str, Any]](), list[dict[str, Any]]()

        def constant(name: str, value: np.ndarray) -> str:
            weights.append(onnx_format.tensor(name, _float32(value)))
            return name

        value = "obs"
        if self.mean is not None and self.std is not None:
            nodes.append(onnx_format.node("Sub", [value, constant("mean", self.mean)], "centered"))
            nodes.append(onnx_format.node("Div", ["centered", constant("std", self.std)], "normalized"))
            value = "normalized"
        if self.memory is not None:
            gated, value = self.memory.nodes(value, constant)
            nodes += gated
        for index, (weight, bias) in enumerate(self.layers):
            last = index == len(self.layers) - 1
            names = [value, constant(f"weight_{index}", weight), constant(f"bias_{index}", bias)]
            value = "actions" if last else f"linear_{index}"
            nodes.append(onnx_format.node("Gemm", names, value, transB=1))
            if not last:
                operator, output = ACTIVATIONS[self.activation], f"hidden_{index}"
                nodes.append(onnx_format.node(operator, [value], output))
                value = output
        first = self.layers[0][0] if self.memory is None else self.memory.units[0][0]
        inputs, outputs, states, port = first.shape[1], self.layers[-1][0].shape[0], self.states(), onnx_format.port
        into = [port("obs", inputs), *(port(state["input"], *state["size"]) for state in states)]
        out = [port("actions", outputs), *(port(state["output"], *state["size"]) for state in states)]
        graph = {"name": "policy", "node": nodes, "initializer": weights, "input": into, "output": out}
        opset = {"domain": "", "version": _OPSET}
        head = {"ir_version": _IR_VERSION, "producer_name": "locoenvs", "opset_import": [opset]}
        return onnx_format.model({**head, "graph": graph})

    @staticmethod
    def from_onnx(
        content: bytes, activation: str, inputs: int, outputs: int, memory: tuple[Kind, int] | None = None
    ) -> Mlp:
        """The network in a file of :meth:`to_onnx`; ``memory`` is its kind and its number of layers, if it has one.

        Raises ValueError for any other ONNX file, and runs none of it.
        """
        model = onnx_format.parsed(content)
        known = {"Sub", "Div", "Gemm", *ACTIVATIONS.values(), *(OPERATORS if memory is not None else ())}
        foreign = next((node.op_type for node in model.graph.node if node.op_type not in known), None)
        if foreign is not None:
            raise ValueError(f"operator {foreign[:80]!r} is none of a policy's: {', '.join(sorted(known))}")
        values = {tensor.name: onnx_format.values_of(tensor) for tensor in model.graph.initializer}
        layers: list[Layer] = []
        while f"weight_{len(layers)}" in values and f"bias_{len(layers)}" in values:
            layers.append((values[f"weight_{len(layers)}"], values[f"bias_{len(layers)}"]))
        gated = None if memory is None else Memory.of(*memory, values)
        network = Mlp(layers, activation, values.get("mean"), values.get("std"), gated)
        network.check(inputs, outputs)
        for field, actual, expected in differences(structure(model), structure(network._model())):
            raise ValueError(f"its {field} is {actual}, in a policy's with these weights it is {expected}")
        return network


def _float32(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return np.asarray(values).astype(np.float32)


def _finite(values: np.ndarray) -> bool:
    return bool(np.isfinite(_float32(values)).all())
