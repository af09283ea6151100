"""Isaac Lab's conventions and ours: quaternion order, and joints and bodies by name."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def wxyz_to_xyzw(quaternion: torch.Tensor) -> torch.Tensor:
    """Quaternions (..., 4), real part last."""
    return torch.cat([quaternion[..., 1:], quaternion[..., :1]], dim=-1)


def xyzw_to_wxyz(quaternion: torch.Tensor) -> torch.Tensor:
    """Quaternions (..., 4), real part first."""
    return torch.cat([quaternion[..., 3:], quaternion[..., :3]], dim=-1)


def indices(what: str, wanted: Sequence[str], there: Sequence[str]) -> list[int]:
    """Where each of the ``wanted`` names stands among those that are ``there``. Raises ValueError for a missing one."""
    missing = [name for name in wanted if name not in there]
    if missing:
        raise ValueError(f"Isaac Lab's robot lacks the {what} {missing}; it has {list(there)}")
    return [list(there).index(name) for name in wanted]


def inverse(order: Sequence[int]) -> list[int]:
    """The permutation that undoes ``order``."""
    made = [0] * len(order)
    for place, index in enumerate(order):
        made[index] = place
    return made
