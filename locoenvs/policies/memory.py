"""What a recurrent policy's network remembers: layers of gated units before its feed-forward ones, as weights and as nodes of ONNX.

Gates are written out in operators that know no time and no number hidden among constants (Gemm, Sigmoid, Tanh, Add, Sub, Mul), so that
the file stays of one form. For an input x, what is remembered h, and the cell c:

GRU (Cho et al. 2014, with the reset gate after the product, as torch and cuDNN have it)
    r = sigmoid(Wr x + br + Ur h + cr),  z = sigmoid(Wz x + bz + Uz h + cz),  n = tanh(Wn x + bn + r (Un h + cn)),  h' = n + z (h - n)

LSTM (Hochreiter and Schmidhuber 1997, with forget gates)
    i, f, o = sigmoid(...), g = tanh(Wg x + bg + Ug h + cg),  c' = f c + i g,  h' = o tanh(c')
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from locoenvs.policies import onnx_format
from locoenvs.tasks.names import nearest

Kind = Literal["gru", "lstm"]

GATES = {"gru": ("reset", "update", "new"), "lstm": ("input", "forget", "new", "output")}
"""Each kind's gates, in the order in which torch stacks them."""

STATES = {"gru": ("hidden",), "lstm": ("hidden", "cell")}

OPERATORS = ("Gemm", "Sigmoid", "Tanh", "Add", "Sub", "Mul")

Unit = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""A layer of H units with G gates as torch has it: weight_ih (G H, I), weight_hh (G H, H), bias_ih (G H,), bias_hh (G H,)."""

_PARTS = ("input_weight", "hidden_weight", "input_bias", "hidden_bias")


@dataclass(frozen=True)
class Memory:
    """Layers of gated units, the first of which sees the observation, each of the same size H."""

    kind: Kind
    units: Sequence[Unit]

    @property
    def size(self) -> int:
        """How many numbers a layer puts out."""
        return int(self.units[0][1].shape[1])

    def check(self, inputs: int) -> int:
        """The number of values that it puts out. Raises ValueError unless the layers lead from ``inputs`` to it in finite numbers."""
        if self.kind not in GATES:
            raise ValueError(nearest("kind of memory", self.kind, list(GATES)))
        gates = len(GATES[self.kind])
        if not self.units:
            raise ValueError("a memory must have a layer")
        size = self.units[0][1].shape[-1] if self.units[0][1].ndim == 2 else 0
        for index, unit in enumerate(self.units):
            rows = gates * size
            expected = ((rows, inputs), (rows, size), (rows,), (rows,))
            if not size or tuple(part.shape for part in unit) != expected:
                raise ValueError(
                    f"layer {index} of the memory, {self.kind}, must have weights and biases of shapes {expected}, got "
                    f"{tuple(part.shape for part in unit)}"
                )
            with np.errstate(over="ignore"):
                if not all(np.isfinite(np.asarray(part).astype(np.float32)).all() for part in unit):
                    raise ValueError(f"layer {index} of the memory has weights that are NaN or infinite")
            inputs = size
        return size

    def description(self) -> dict[str, Any]:
        """What a policy.json says of it."""
        return {"kind": self.kind, "size": self.size, "layers": len(self.units)}

    def states(self) -> list[dict[str, Any]]:
        """The ports of ONNX through which it remembers: 0 (N, size) at first, then what came out."""
        return [
            {"input": f"last_{name}_{index}", "output": f"next_{name}_{index}", "size": [self.size]}
            for index in range(len(self.units))
            for name in STATES[self.kind]
        ]

    def __call__(
        self, value: np.ndarray, remembered: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """What it puts out (N, size) for ``value`` (N, I), float32, and what it remembers then, by the names of :meth:`states`'s outputs."""
        after = dict[str, np.ndarray]()
        for index, unit in enumerate(self.units):
            input_weight, hidden_weight, input_bias, hidden_bias = (np.asarray(part, np.float32) for part in unit)
            hidden = remembered[f"last_hidden_{index}"]
            gates = len(GATES[self.kind])
            of_input = np.split(value @ input_weight.T + input_bias, gates, axis=1)
            of_hidden = np.split(hidden @ hidden_weight.T + hidden_bias, gates, axis=1)
            if self.kind == "gru":
                reset, update = (_sigmoid(a + b) for a, b in zip(of_input[:2], of_hidden[:2]))
                new = np.tanh(of_input[2] + reset * of_hidden[2])
                value = new + update * (hidden - new)
            else:
                entry, forget, new, out = (a + b for a, b in zip(of_input, of_hidden))
                cell = _sigmoid(forget) * remembered[f"last_cell_{index}"] + _sigmoid(entry) * np.tanh(new)
                value = _sigmoid(out) * np.tanh(cell)
                after[f"next_cell_{index}"] = cell
            after[f"next_hidden_{index}"] = value
        return value, after

    def nodes(self, value: str, constant: Callable[[str, np.ndarray], str]) -> tuple[list[dict[str, Any]], str]:
        """The nodes that go on from ``value``, and the name of what they put out. ``constant`` adds weights to the file."""
        nodes = list[dict[str, Any]]()

        def node(operator: str, *inputs: str, name: str, **settings: int) -> str:
            nodes.append(onnx_format.node(operator, list(inputs), name, **settings))
            return name

        for index, unit in enumerate(self.units):
            here, hidden, sides = f"unit_{index}", f"last_hidden_{index}", dict[str, tuple[str, str]]()
            for number, gate in enumerate(GATES[self.kind]):
                rows = slice(number * self.size, (number + 1) * self.size)
                names = [constant(_named(index, gate, part), each[rows]) for part, each in zip(_PARTS, unit)]
                of_input = node("Gemm", value, names[0], names[2], name=f"{here}_{gate}_of_input", transB=1)
                of_hidden = node("Gemm", hidden, names[1], names[3], name=f"{here}_{gate}_of_hidden", transB=1)
                sides[gate] = of_input, of_hidden

            def gated(gate: str, operator: str = "Sigmoid", here: str = here, sides: Any = sides) -> str:
                return node(operator, node("Add", *sides[gate], name=f"{here}_{gate}_sum"), name=f"{here}_{gate}")

            if self.kind == "gru":
                reset, update = gated("reset"), gated("update")
                kept = node("Mul", reset, sides["new"][1], name=f"{here}_kept")
                new = node("Tanh", node("Add", sides["new"][0], kept, name=f"{here}_new_sum"), name=f"{here}_new")
                change = node("Mul", update, node("Sub", hidden, new, name=f"{here}_apart"), name=f"{here}_change")
                value = node("Add", new, change, name=f"next_hidden_{index}")
            else:
                kept = node("Mul", gated("forget"), f"last_cell_{index}", name=f"{here}_kept")
                added = node("Mul", gated("input"), gated("new", "Tanh"), name=f"{here}_added")
                cell = node("Add", kept, added, name=f"next_cell_{index}")
                out = node("Tanh", cell, name=f"{here}_of_cell")
                value = node("Mul", gated("output"), out, name=f"next_hidden_{index}")
        return nodes, value

    @staticmethod
    def of(kind: Kind, layers: int, values: Mapping[str, np.ndarray]) -> Memory:
        """The memory in a file's weights by name. Raises ValueError where one is missing."""
        units = list[Unit]()
        for index in range(layers):
            named = [[_named(index, gate, part) for gate in GATES[kind]] for part in _PARTS]
            if missing := [name for names in named for name in names if name not in values]:
                raise ValueError(f"it has no weights {missing[0]!r}, which its memory, {kind}, needs")
            parts = [[values[name] for name in names] for names in named]
            if len({part.shape[1:] for part in parts[0]}) > 1 or any(part.ndim == 0 for each in parts for part in each):
                raise ValueError(f"layer {index} of its memory has weights of different shapes")
            try:
                units.append(tuple(np.concatenate(each) for each in parts))  # type: ignore[arg-type]
            except ValueError:
                raise ValueError(f"layer {index} of its memory has weights of different shapes") from None
        return Memory(kind, units)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * x))  # 1 / (1 + exp(-x)), where the exponential would overflow too


def _named(index: int, gate: str, part: str) -> str:
    return f"unit_{index}_{gate}_{part}"
