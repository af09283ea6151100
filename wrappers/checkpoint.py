"""Checkpoints as files, and the state of global random numbers in them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch

from locoenvs.training.run import Run


def load_checkpoint(run: Run) -> dict[str, Any]:
    """The newest checkpoint that can be read. Only tensors and plain values are loaded, never code."""
    unreadable = {}
    for path in (run.checkpoint, run.previous_checkpoint):
        try:
            state = torch.load(path, weights_only=True, map_location="cpu")
            if not isinstance(state, dict) or "learner" not in state:
                raise ValueError("it is not a checkpoint of a training run of this version")
        except FileNotFoundError:
            continue
        except Exception as error:  # torch raises many kinds for a file that is cut short or foreign
            unreadable[path] = f"{path}: {type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
            continue
        for problem in unreadable.values():
            warnings.warn(f"going on from the checkpoint before: {problem}", stacklevel=2)
        if unreadable:
            run.set_aside_newest()
        return state
    raise ValueError(
        f"no checkpoint can be read: {'; '.join(unreadable.values())}. Restore one from a backup, or start a new run"
    )


def numpy_rng() -> dict[str, Any]:
    """The state of numpy's global generator as plain values."""
    _, keys, position, has_gauss, gauss = np.random.get_state()
    numbers = torch.from_numpy(np.asarray(keys, dtype=np.int64))
    return {"keys": numbers, "position": int(position), "has_gauss": int(has_gauss), "gauss": float(gauss)}


def set_numpy_rng(saved: dict[str, Any]) -> None:
    keys = saved["keys"].numpy().astype(np.uint32)
    np.random.set_state(("MT19937", keys, saved["position"], saved["has_gauss"], saved["gauss"]))


def gpu_rng(alone: bool) -> list[torch.Tensor]:
    """The states of the generators of this process's GPUs: all of them, or where it is not ``alone`` its own one."""
    if not torch.cuda.is_available():
        return []
    return torch.cuda.get_rng_state_all() if alone else [torch.cuda.get_rng_state()]


def set_gpu_rng(saved: list[torch.Tensor], alone: bool) -> None:
    """Go on from what was saved. On another number of GPUs the one that this process uses takes the first one's."""
    if not torch.cuda.is_available() or not saved:
        return
    if alone and len(saved) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(saved)
    else:
        torch.cuda.set_rng_state(saved[0])
