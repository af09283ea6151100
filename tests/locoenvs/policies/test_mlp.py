"""A network and its file are the same thing."""

from __future__ import annotations

import numpy as np
import pytest

from locoenvs.policies.mlp import ACTIVATIONS, Mlp

pytest.importorskip("onnx")


def network(activation: str = "elu", normalized: bool = True) -> Mlp:
    draw = np.random.default_rng(0)
    layers = [
        (draw.normal(size=(b, a)).astype("f4"), draw.normal(size=b).astype("f4")) for a, b in ((5, 7), (7, 3), (3, 2))
    ]
    scale = (draw.normal(size=5).astype("f4"), draw.uniform(0.5, 2, 5).astype("f4")) if normalized else (None, None)
    return Mlp(layers, activation, *scale)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("normalized", [False, True])
def test_what_is_written_is_read_bit_by_bit(activation: str, normalized: bool) -> None:
    given = network(activation, normalized)
    again = Mlp.from_onnx(given.to_onnx(), activation, 5, 2)
    assert again.to_onnx() == given.to_onnx() and again.description() == given.description()
    assert all(np.array_equal(a, b) for ours, own in zip(again.layers, given.layers) for a, b in zip(ours, own))
    assert given.description()["hidden"] == [7, 3] and (given.description()["normalization"] is None) != normalized


def test_the_normalization_can_be_part_of_the_first_layer() -> None:
    given, seen = network(), np.random.default_rng(1).normal(size=5)
    assert given.mean is not None and given.std is not None
    weight, bias = given.merged()[0]
    first, offset = given.layers[0]
    np.testing.assert_allclose(weight @ seen + bias, first @ ((seen - given.mean) / given.std) + offset, atol=1e-5)
    assert all(a is b for a, b in zip(given.merged()[1], given.layers[1]))


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((4, 2), "mean must have shape .4,., .* got .5,."),
        ((5, 3), "the last layer must give 3 actions, one a joint, got 2"),
    ],
)
def test_a_network_of_other_sizes_is_refused(sizes: tuple[int, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Mlp.from_onnx(network().to_onnx(), "elu", *sizes)
