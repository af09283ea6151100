"""What every learner's adapter of the environment needs."""

from __future__ import annotations

from typing import Any

import gymnasium

from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.numerics.arrays import convert


def bare(env: object, adapter: str) -> LocoVectorEnv:
    """``env`` if it is the batched environment itself and resets in the same step, which ``adapter`` needs.

    Raises:
        TypeError: naming what is around the environment, or its autoreset mode, and what to do.
        ValueError: if its random streams are those of held-out panels, which no learner may see.
    """
    if not isinstance(env, LocoVectorEnv):
        got = f"{adapter} needs the environment of gymnasium.make(id, num_envs=N) itself, got {type(env).__name__}"
        if isinstance(getattr(env, "unwrapped", None), LocoVectorEnv):
            why = "a TimeLimit or another wrapper breaks batches and hides time-outs; take it off (env.unwrapped)"
        elif isinstance(env, gymnasium.vector.VectorEnv):
            mode = env.metadata.get("autoreset_mode")
            why = f"a vector of single robots, of autoreset mode {getattr(mode, 'value', mode)}; make the batch instead"
        else:
            why = "that is no batch of robots; make one with num_envs"
        raise TypeError(f"{got}: {why}")
    if env.autoreset_mode.name != "SAME_STEP":
        raise TypeError(
            f"the environment has autoreset_mode={env.autoreset_mode.name.lower()!r}, which gives {adapter} steps that "
            "belong to no episode: make it with autoreset_mode='same_step'"
        )
    check_split(env.split, adapter)
    return env


def check_split(split: str, adapter: str) -> None:
    """Raise ValueError for the streams that policies are judged on: a result on them would no longer be of anything unseen."""
    if split in ("panel", "validation"):
        raise ValueError(
            f"the environment has split={split!r}, which is held out, and {adapter} is for training: make it with "
            "split='train', and judge what was trained by locoenvs eval"
        )


def torch_device(env: LocoVectorEnv, observation: Any) -> Any:
    """The torch device on which a learner should work: the one asked for, or where the environment's arrays are."""
    import torch

    seen = observation["policy"] if isinstance(observation, dict) else observation
    return torch.device(env.device) if env.device else convert(seen, "torch").device
