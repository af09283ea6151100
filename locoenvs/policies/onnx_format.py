"""The part of the ONNX file format that a policy's network needs, as protobuf's messages.

Messages, fields and numbers are those of onnx.proto, IR version 8 (https://onnx.ai/onnx/repo-docs/IR.html). Whatever else a file holds is
:func:`unknown` here. The onnx package knows it all, but takes 30 MB that a program which only runs a policy need not have.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from locoenvs import install

_FLOAT, _INT = 1, 2
"""The types of a float32 tensor and of a whole number."""

_MESSAGES: dict[str, dict[str, tuple[int, str]]] = {
    "Model": {
        "ir_version": (1, "int64"),
        "producer_name": (2, "string"),
        "graph": (7, "Graph"),
        "opset_import": (8, "*Opset"),
    },
    "Opset": {"domain": (1, "string"), "version": (2, "int64")},
    "Graph": {
        "node": (1, "*Node"),
        "name": (2, "string"),
        "initializer": (5, "*Tensor"),
        "input": (11, "*Port"),
        "output": (12, "*Port"),
    },
    "Node": {
        "input": (1, "*string"),
        "output": (2, "*string"),
        "name": (3, "string"),
        "op_type": (4, "string"),
        "attribute": (5, "*Attribute"),
        "domain": (7, "string"),
    },
    "Attribute": {"name": (1, "string"), "i": (3, "int64"), "type": (20, "int32")},
    "Tensor": {
        "dims": (1, "*int64"),
        "data_type": (2, "int32"),
        "name": (8, "string"),
        "raw_data": (9, "bytes"),
        "external_data": (13, "*Entry"),
        "data_location": (14, "int32"),
    },
    "Entry": {"key": (1, "string"), "value": (2, "string")},
    "Port": {"name": (1, "string"), "type": (2, "Type")},
    "Type": {"tensor_type": (1, "TensorType")},
    "TensorType": {"elem_type": (1, "int32"), "shape": (2, "Shape")},
    "Shape": {"dim": (1, "*Side")},
    "Side": {"dim_value": (1, "int64"), "dim_param": (2, "string")},
}
"""Message -> field -> (number, type), * before the type of a repeated one."""


@functools.cache
def _model() -> Any:
    try:
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    except ImportError as error:
        raise ImportError(f"reading and writing a policy's network needs protobuf: {install.line('policy')}") from error
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="locoenvs/onnx.proto", package="locoenvs.onnx", syntax="proto2")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, described) in fields.items():
            kind, many = described.removeprefix("*"), described.startswith("*")
            entry = message.field.add(name=field, number=number)
            entry.label = kinds.LABEL_REPEATED if many else kinds.LABEL_OPTIONAL
            if kind in _MESSAGES:
                entry.type, entry.type_name = kinds.TYPE_MESSAGE, f".locoenvs.onnx.{kind}"
            else:
                entry.type = kinds.Type.Value(f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("locoenvs.onnx.Model"))


def model(fields: Mapping[str, Any]) -> Any:
    """A model with these fields, inner messages as dictionaries."""
    return _model()(**fields)


def parsed(content: bytes) -> Any:
    """The model in a file. Raises ValueError for what is none."""
    from google.protobuf.message import DecodeError

    made = model({})
    try:
        made.ParseFromString(content)
    except DecodeError:
        raise ValueError("it is not an ONNX model") from None
    return made


def node(operator: str, inputs: list[str], output: str, **whole: int) -> dict[str, Any]:
    """A node with one output, and attributes that are whole numbers."""
    attributes = [{"name": name, "i": value, "type": _INT} for name, value in whole.items()]
    return {"op_type": operator, "input": inputs, "output": [output], "attribute": attributes}


def tensor(name: str, values: np.ndarray) -> dict[str, Any]:
    """A tensor of float32."""
    raw = np.ascontiguousarray(values, "<f4").tobytes()
    return {"name": name, "dims": values.shape, "data_type": _FLOAT, "raw_data": raw}


def port(name: str, size: int) -> dict[str, Any]:
    """What goes in or out: float32 (batch, size)."""
    sides = [{"dim_param": "batch"}, {"dim_value": size}]
    return {"name": name, "type": {"tensor_type": {"elem_type": _FLOAT, "shape": {"dim": sides}}}}


def values_of(tensor: Any) -> np.ndarray:
    """The float32 values of a tensor. Raises ValueError unless they lie in it, as many as its shape says."""
    name = tensor.name[:80]
    if tensor.data_location or tensor.external_data:
        raise ValueError(f"{name!r} lies in another file, which no hash covers: its weights must be inside")
    if tensor.data_type != _FLOAT:
        raise ValueError(f"{name!r} must hold float32, it is of ONNX type {tensor.data_type}")
    try:
        return np.frombuffer(tensor.raw_data, "<f4").reshape(tuple(tensor.dims)).astype(np.float32)
    except (ValueError, OverflowError):
        raise ValueError(f"{name!r} has another number of values than its shape says") from None


def structure(model: Any) -> dict[str, Any]:
    """All of a model but the numbers of its weights, and names of nodes, which mean nothing."""

    def ends(values: Any) -> list[Any]:
        types = [(value.name, value.type.tensor_type) for value in values]
        return [
            [name, kind.elem_type, [side.dim_param or side.dim_value for side in kind.shape.dim]]
            for name, kind in types
        ]

    def attributes(node: Any) -> list[Any]:
        return [[each.name, each.type, each.i] for each in node.attribute]

    graph = model.graph
    return {
        "opsets": [[opset.domain, opset.version] for opset in model.opset_import],
        "operators": [node.op_type for node in graph.node],
        "nodes": [[node.domain, list(node.input), list(node.output), attributes(node)] for node in graph.node],
        "inputs": ends(graph.input),
        "outputs": ends(graph.output),
        "weights": [[tensor.name, list(tensor.dims)] for tensor in graph.initializer],
        "other parts": sorted(unknown(model)),
    }


def unknown(message: Any) -> Iterator[str]:
    """The fields of a message, and of those in it, that no policy's network has: ``Model.25`` is field 25 of the model."""
    from google.protobuf.unknown_fields import UnknownFieldSet

    for field in UnknownFieldSet(message):
        yield f"{message.DESCRIPTOR.name}.{field.field_number}"
    for descriptor, value in message.ListFields():
        if descriptor.message_type is not None:
            for each in [value] if hasattr(value, "ListFields") else value:
                yield from unknown(each)
