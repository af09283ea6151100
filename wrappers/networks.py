"""Networks of torch: plain ones, ones that act in the mirror image of a state by the mirror image of the action, and
either as the layers that a policy is exported from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from locoenvs.mdp.symmetry import Image, Mirror, images
from locoenvs.policies.memory import Memory
from locoenvs.policies.policy import Layer

ACTIVATIONS: dict[str, type[nn.Module]] = {"elu": nn.ELU, "relu": nn.ReLU, "tanh": nn.Tanh}


def mirror_image(weight: Any, bias: Any, side_in: tuple[Any, Any], side_out: tuple[Any, Any]) -> tuple[Any, Any]:
    """The layer that acts on mirror images as this one, (out, in) and (out,), acts on what they are images of.

    Either side's image is given as (index, sign), as in :data:`Image`; all are arrays or all are tensors.
    """
    (index_in, sign_in), (index_out, sign_out) = side_in, side_out
    return weight[index_out][:, index_in] * sign_in * sign_out[:, None], bias[index_out] * sign_out


class MirrorLinear(nn.Linear):
    """A linear layer that maps mirror images to mirror images, at no extra cost.

    Its weight is projected onto the equivariant ones: (W + R_out W R_in) / 2, with R the mirror of either side.
    """

    index_in: torch.Tensor
    sign_in: torch.Tensor
    index_out: torch.Tensor
    sign_out: torch.Tensor

    def __init__(self, image_in: Image, image_out: Image) -> None:
        super().__init__(len(image_in[0]), len(image_out[0]))
        for side, (index, sign) in (("in", image_in), ("out", image_out)):
            self.register_buffer(f"index_{side}", torch.as_tensor(index.copy()), persistent=False)
            self.register_buffer(f"sign_{side}", torch.as_tensor(sign, dtype=torch.float32), persistent=False)
        with torch.no_grad():
            self.weight *= 2**0.5  # the projection averages two independent weights

    def projected(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The weight and the bias that the layer applies."""
        sides = (self.index_in, self.sign_in), (self.index_out, self.sign_out)
        weight, bias = mirror_image(self.weight, self.bias, *sides)
        return (self.weight + weight) / 2, (self.bias + bias) / 2

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        weight, bias = self.projected()
        return nn.functional.linear(input, weight, bias)


def mirrored(modules: Iterable[nn.Module], mirror: Mirror | None) -> list[nn.Module]:
    """The modules of a network of linear layers and activations, with :class:`MirrorLinear` for each linear layer.

    ``mirror=None`` leaves them as they are.
    """
    sequence = list(modules)
    if mirror is None:
        return sequence
    linear = [module for module in sequence if isinstance(module, nn.Linear)]
    sides = images(mirror, [layer.out_features for layer in linear[:-1]], linear[-1].out_features)
    mirrors = iter([MirrorLinear(*pair) for pair in zip(sides[:-1], sides[1:], strict=True)])
    return [next(mirrors) if isinstance(module, nn.Linear) else module for module in sequence]


def mlp(
    inputs: int, hidden: Sequence[int], outputs: int, activation: str, mirror: Mirror | None = None
) -> nn.Sequential:
    """A network of linear layers with ``activation`` between them."""
    sizes, modules = [inputs, *hidden], list[nn.Module]()
    for size, following in zip(sizes[:-1], sizes[1:], strict=True):
        modules += [nn.Linear(size, following), ACTIVATIONS[activation]()]
    return nn.Sequential(*mirrored([*modules, nn.Linear(sizes[-1], outputs)], mirror))


def layers(modules: Iterable[nn.Module]) -> list[Layer]:
    """The linear layers among the modules as numbers."""
    linear = [module for module in modules if isinstance(module, nn.Linear)]
    pairs = [layer.projected() if isinstance(layer, MirrorLinear) else (layer.weight, layer.bias) for layer in linear]
    return [(weight.detach().cpu().numpy(), bias.detach().cpu().numpy()) for weight, bias in pairs]


def memory(module: nn.GRU | nn.LSTM) -> Memory:
    """The gated units of a recurrent module as numbers. Raises ValueError for what a policy's memory cannot be."""
    plain = {"bias": True, "bidirectional": False, "proj_size": 0}
    if other := [f"{name}={value}" for name in plain if (value := getattr(module, name)) != plain[name]]:
        raise ValueError(f"a policy's memory cannot be of a {type(module).__name__} with {', '.join(other)}")
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    numbers = {name: value.detach().cpu().numpy() for name, value in module.named_parameters()}
    units = [tuple(numbers[f"{name}_l{index}"] for name in names) for index in range(module.num_layers)]
    return Memory("gru" if isinstance(module, nn.GRU) else "lstm", units)  # type: ignore[arg-type]


def set_layers(modules: Iterable[nn.Module], weights: Sequence[Layer]) -> None:
    """Give the linear layers among the modules these numbers."""
    linear = [module for module in modules if isinstance(module, nn.Linear)]
    with torch.no_grad():
        for layer, (weight, bias) in zip(linear, weights, strict=True):
            layer.weight.copy_(torch.from_numpy(weight.copy()))
            layer.bias.copy_(torch.from_numpy(bias.copy()))


def check_symmetric(weights: Sequence[Layer], mirror: Mirror) -> None:
    """Raise ValueError unless the layers map mirror images to mirror images."""
    sides = images(mirror, [len(bias) for _, bias in weights[:-1]], len(weights[-1][1]))
    for index, ((weight, bias), here, there) in enumerate(zip(weights, sides[:-1], sides[1:], strict=True)):
        image = mirror_image(weight, bias, here, there)
        if not (np.allclose(weight, image[0], atol=1e-5) and np.allclose(bias, image[1], atol=1e-5)):
            raise ValueError(
                f"layer {index} of the policy to start from does not treat left and right alike, as the networks of this "
                "recipe do: start from a policy of such a recipe (walk), or train with one whose networks may differ"
            )
