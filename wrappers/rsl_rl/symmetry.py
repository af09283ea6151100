"""The mirror image of a minibatch in RSL-RL's convention."""

from __future__ import annotations

from collections.abc import Callable

import torch
from tensordict import TensorDict

from locoenvs.symmetry import Mirror


def augmentation(mirror: Mirror) -> Callable[..., tuple[TensorDict | None, torch.Tensor | None]]:
    """RSL-RL's ``data_augmentation_func``: the given rows, followed by their mirror images."""
    observation_index, action_index = torch.as_tensor(mirror.observation_index), torch.as_tensor(mirror.action_index)
    observation_sign, action_sign = torch.as_tensor(mirror.observation_sign), torch.as_tensor(mirror.action_sign)

    def augment(
        env: object, obs: TensorDict | None = None, actions: torch.Tensor | None = None
    ) -> tuple[TensorDict | None, torch.Tensor | None]:
        both = both_actions = None
        if obs is not None:
            images = {
                name: torch.cat([group, group[:, observation_index.to(group.device)] * observation_sign.to(group.device)])
                for name, group in obs.items()
            }
            both = TensorDict(images, batch_size=[2 * obs.batch_size[0]], device=obs.device)
        if actions is not None:
            image = actions[:, action_index.to(actions.device)] * action_sign.to(actions.device)
            both_actions = torch.cat([actions, image])
        return both, both_actions

    return augment
