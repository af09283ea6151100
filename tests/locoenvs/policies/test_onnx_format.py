"""What is written is what the onnx package would write, and what a policy's network has not is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from locoenvs.policies.memory import Memory
from locoenvs.policies.mlp import Mlp
from locoenvs.policies.onnx_format import model, parsed, structure, tensor, values_of

onnx = pytest.importorskip("onnx")


def network(kind: Any) -> Mlp:
    draw = np.random.default_rng(0)
    gates = {"gru": 3, "lstm": 4, None: 0}[kind]
    unit = tuple(
        draw.normal(size=shape).astype("f4") for shape in ((4 * gates, 5), (4 * gates, 4), 4 * gates, 4 * gates)
    )
    layers = [(draw.normal(size=(b, a)).astype("f4"), np.ones(b, "f4")) for a, b in ((4 if kind else 5, 7), (7, 2))]
    return Mlp(layers, "elu", np.zeros(5), np.ones(5), Memory(kind, [unit]) if kind else None)


@pytest.mark.parametrize("kind", [None, "gru", "lstm"])
def test_onnx_takes_the_file_for_a_model_and_writes_it_byte_for_byte_the_same(kind: Any) -> None:
    content = network(kind).to_onnx()
    read = onnx.load_model_from_string(content)
    onnx.checker.check_model(read, full_check=True)
    assert read.SerializeToString(deterministic=True) == content and read.ir_version == 8
    assert [node.op_type for node in read.graph.node][-3:] == ["Gemm", "Elu", "Gemm"]
    assert [each.name for each in read.graph.input] == ["obs", *(each["input"] for each in network(kind).states())]


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_numpy_does_what_the_file_says_and_remembers_the_same(kind: Any) -> None:
    from onnx.reference import ReferenceEvaluator

    net, draw = network(kind), np.random.default_rng(1)
    evaluator, ports = ReferenceEvaluator(net.to_onnx()), net.states()
    ours = theirs = {each["input"]: np.zeros((3, 4), "f4") for each in ports}
    for _ in range(5):
        seen = draw.normal(size=(3, 5)).astype("f4")
        actions, after = net(seen, ours)
        expected, *states = evaluator.run(["actions", *(each["output"] for each in ports)], {"obs": seen, **theirs})
        ours = {each["input"]: after[each["output"]] for each in ports}
        theirs = dict(zip(theirs, states))
        assert actions.dtype == np.float32
        np.testing.assert_allclose(actions, expected, atol=1e-5)
        for name in ours:
            np.testing.assert_allclose(ours[name], theirs[name], atol=1e-6)


def test_what_no_policys_network_has_is_named_wherever_it_lies() -> None:
    read = onnx.load_model_from_string(network(None).to_onnx())
    assert structure(parsed(read.SerializeToString()))["other parts"] == []
    read.doc_string = "of the model"
    read.graph.initializer[0].doc_string = "of a weight"
    read.graph.input[0].type.denotation = "of a port"
    found = structure(parsed(read.SerializeToString()))["other parts"]
    assert found == ["Model.6", "Tensor.12", "Type.6"]


def test_a_tensor_keeps_its_values() -> None:
    for values in (np.arange(6, dtype="f4").reshape(2, 3), np.zeros((0, 3), "f4"), np.float32(2)):
        made = model({"graph": {"initializer": [tensor("a", np.asarray(values))]}}).graph.initializer[0]
        np.testing.assert_array_equal(values_of(made), values)
    made.dims[:] = [-1, 2**62]
    with pytest.raises(ValueError, match="'a' has another number of values than its shape says"):
        values_of(made)
