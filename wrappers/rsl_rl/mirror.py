"""Networks that act in the mirror image of a state by the mirror image of the action, exactly and at no extra cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from rsl_rl.models import MLPModel
from torch import nn

from locoenvs.symmetry import Mirror

Image = tuple[np.ndarray, np.ndarray]
"""A mirror image of a vector as (index, sign): image = sign * vector[index]; its own inverse."""


class MirrorLinear(nn.Linear):
    """A linear layer that maps mirror images to mirror images.

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
        image = self.weight[self.index_out][:, self.index_in] * self.sign_in * self.sign_out[:, None]
        return (self.weight + image) / 2, (self.bias + self.bias[self.index_out] * self.sign_out) / 2

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        weight, bias = self.projected()
        return nn.functional.linear(input, weight, bias)


class MirrorMLPModel(MLPModel):
    """RSL-RL's MLP whose layers are :class:`MirrorLinear`: hidden units come in pairs that the mirror swaps.

    For observations that are one policy group (or one critic group) of the task.
    """

    def __init__(
        self, obs: Any, obs_groups: Any, obs_set: str, output_dim: int, mirror: Mirror, **settings: Any
    ) -> None:
        super().__init__(obs, obs_groups, obs_set, output_dim, **settings)
        here: Image = (mirror.observation_index, mirror.observation_sign)
        output: Image = (mirror.action_index, mirror.action_sign) if output_dim > 1 else (np.zeros(1, int), np.ones(1))
        images = [here, *(_swap(width) for width in settings["hidden_dims"]), output]
        linear = iter([MirrorLinear(*pair) for pair in zip(images[:-1], images[1:], strict=True)])
        layers = (next(linear) if isinstance(layer, nn.Linear) else layer for layer in self.mlp)
        self.mlp: nn.Sequential = nn.Sequential(*layers)


def _swap(width: int) -> Image:
    """Hidden units i and i + width / 2 are each other's mirror images."""
    return np.roll(np.arange(width), width // 2), np.ones(width)
