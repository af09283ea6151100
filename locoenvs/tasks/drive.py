"""A drive's network: what torque a series-elastic drive makes of position errors and velocities, as numbers in JSON.

Two LSTM layers and a linear one, shared by all joints, after Hwangbo et al., *Learning agile and dynamic motor skills
for legged robots*, Science Robotics 2019, and Rudin et al. 2021. Loading reads numbers only and runs no code.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pydantic.dataclasses
from pydantic import JsonValue, TypeAdapter

from locoenvs.tasks import documents
from locoenvs.tasks.documents import write_atomically
from locoenvs.tasks.robot import CONFIG

FORMAT, FORMAT_VERSION = "locoenvs.drive", 1

GATES = ("input", "forget", "cell", "output")
"""The order of the gates in the rows of a layer's weights."""


@dataclass(frozen=True)
class Layer:
    """One LSTM layer of H units: gates = input x + recurrent h + bias, in the order of :data:`GATES`."""

    input: np.ndarray  # (4 H, inputs)
    recurrent: np.ndarray  # (4 H, H)
    bias: np.ndarray  # (4 H,)

    @property
    def units(self) -> int:
        return int(self.recurrent.shape[1])


@dataclass(frozen=True)
class Network:
    """torque = output_scale (weight h + bias), h the last layer's output for (error, velocity) * input_scale.

    ``error`` is target - position in rad, ``velocity`` in rad/s, the torque in N m. The network was trained for, and
    holds at, one evaluation every ``dt`` s. ``provenance`` says where the weights come from.
    """

    name: str
    dt: float
    input_scale: tuple[float, float]
    output_scale: float
    layers: tuple[Layer, ...]
    weight: np.ndarray  # (H,)
    bias: float
    provenance: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        size = 2
        for index, layer in enumerate(self.layers):
            units = len(layer.bias) // len(GATES)
            shapes = (layer.input.shape, layer.recurrent.shape, layer.bias.shape)
            if not units or shapes != ((4 * units, size), (4 * units, units), (4 * units,)):
                raise ValueError(
                    f"drive {self.name!r}: layer {index} of {units} units and {size} inputs needs input, recurrent and "
                    f"bias of {(4 * units, size)}, {(4 * units, units)}, {(4 * units,)}, got {shapes}"
                )
            size = units
        if not self.layers or self.weight.shape != (size,):
            raise ValueError(f"drive {self.name!r}: the output's weight needs shape ({size},), got {self.weight.shape}")
        if not self.dt > 0:
            raise ValueError(f"drive {self.name!r}: dt must be positive, got {self.dt} s")
        arrays = [self.weight, *(a for layer in self.layers for a in (layer.input, layer.recurrent, layer.bias))]
        arrays += [_array([*self.input_scale, self.output_scale, self.bias])]
        if not all(np.isfinite(array).all() for array in arrays):
            raise ValueError(f"drive {self.name!r}: its numbers are NaN, infinite or beyond float32")

    def _numbers(self) -> dict[str, Any]:
        """All that the torque depends on, as JSON has it."""
        return {
            "dt": self.dt,
            "input_scale": list(self.input_scale),
            "output_scale": self.output_scale,
            "layers": [
                {name: _list(getattr(layer, name)) for name in ("input", "recurrent", "bias")} for layer in self.layers
            ],
            "output": {"weight": _list(self.weight), "bias": self.bias},
        }

    @cached_property
    def hash(self) -> str:
        """Twelve hex digits that change when any number of the network does."""
        return documents.digest(self._numbers())

    def to_json(self) -> str:
        """The network as JSON."""
        document = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "name": self.name,
            "hash": self.hash,
            "inputs": ["target - position, rad", "velocity, rad/s"],
            "gates": list(GATES),
            "provenance": self.provenance,
            "network": self._numbers(),
        }
        return json.dumps(document, indent=1) + "\n"

    @staticmethod
    def from_json(text: str | bytes, name: str = "the drive's network") -> Network:
        """The network of :meth:`to_json`; errors call it ``name``. Raises ValueError for anything else, or one that was
        changed."""
        document = documents.parsed(text, name)
        documents.check_format(document, "a drive's network", FORMAT, (FORMAT_VERSION,), name)
        file = documents.valid(_FILE, document, name)
        numbers = file.network
        try:
            network = Network(
                name=file.name,
                dt=numbers.dt,
                input_scale=numbers.input_scale,
                output_scale=numbers.output_scale,
                layers=tuple(
                    Layer(_array(layer.input), _array(layer.recurrent), _array(layer.bias)) for layer in numbers.layers
                ),
                weight=_array(numbers.output.weight),
                bias=numbers.output.bias,
                provenance=dict(file.provenance),
            )
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        if network.hash != file.hash:
            raise ValueError(
                f"{name}: drive {network.name!r} was changed: its hash is {network.hash}, its file says {file.hash}"
            )
        for field, actual, expected in documents.differences(
            document, json.loads(network.to_json()), prose=("network",)
        ):
            raise ValueError(f"{name}: {field} is {actual}, a drive's is {expected}")
        return network

    def save(self, path: Path) -> None:
        """Write the network to a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda file: file.write(self.to_json().encode()))


@pydantic.dataclasses.dataclass(frozen=True, config=CONFIG)
class _LayerNumbers:
    input: list[list[float]]
    recurrent: list[list[float]]
    bias: list[float]


@pydantic.dataclasses.dataclass(frozen=True, config=CONFIG)
class _OutputNumbers:
    weight: list[float]
    bias: float


@pydantic.dataclasses.dataclass(frozen=True, config=CONFIG)
class _Numbers:
    dt: float
    input_scale: tuple[float, float]
    output_scale: float
    layers: list[_LayerNumbers]
    output: _OutputNumbers


@pydantic.dataclasses.dataclass(frozen=True, config=CONFIG)
class _File:
    """What :meth:`Network.to_json` writes."""

    format: Literal["locoenvs.drive"]
    format_version: int
    name: documents.Name
    hash: documents.Hash
    inputs: list[str]
    gates: list[str]
    provenance: dict[str, JsonValue]
    network: _Numbers


_FILE: TypeAdapter[_File] = TypeAdapter(_File)


@cache
def load(name: str) -> Network:
    """The network of that name in the suite, or in the file of that path. Raises ValueError if there is none."""
    shipped = resources.files("locoenvs.tasks") / "drives" / f"{name}.json"
    if "/" not in name and shipped.is_file():
        return Network.from_json(shipped.read_bytes())
    path = Path(name)
    if path.is_file():
        return Network.from_json(documents.read(path), name)
    raise ValueError(f"no drive's network {name!r}: give one of {', '.join(names())}, or the path of a JSON file")


def names() -> list[str]:
    """The networks of the suite."""
    folder = resources.files("locoenvs.tasks") / "drives"
    files = folder.iterdir() if folder.is_dir() else iter(())
    return sorted(file.name.removesuffix(".json") for file in files if file.name.endswith(".json"))


def _array(values: Any) -> np.ndarray:
    with np.errstate(over="ignore"):
        return np.asarray(values, dtype=np.float32)


def _list(array: np.ndarray) -> list[Any]:
    """Floats that read back as the same float32 and write as few digits."""
    return [float(np.format_float_positional(v)) for v in array] if array.ndim == 1 else [_list(row) for row in array]
