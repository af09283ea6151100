"""Arrays in and out: from the engine's namespace to the caller's, without a copy where both can share memory."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Literal

import numpy as np
from array_api_compat import is_jax_array, is_numpy_array, is_torch_array

from locoenvs.state import Array

Kind = Literal["numpy", "torch", "jax"]
KINDS: tuple[Kind, ...] = ("numpy", "torch", "jax")


def library(kind: Kind) -> ModuleType:
    """torch or jax.numpy. Raises ImportError naming what to install."""
    try:
        return importlib.import_module({"torch": "torch", "jax": "jax.numpy", "numpy": "numpy"}[kind])
    except ImportError as error:
        raise ImportError(f"array={kind!r} needs {kind}: pip install {kind}") from error


def convert(array: Array, kind: Kind, device: object = None) -> Array:
    """``array`` as an array of ``kind`` on ``device`` (None: where it is, or the library's default)."""
    if kind == "numpy":
        if is_numpy_array(array):
            return array
        return np.asarray(array.detach().cpu() if is_torch_array(array) else array)
    if kind == "torch":
        torch = library("torch")
        if is_torch_array(array):
            made = array
        elif is_numpy_array(array):
            made = torch.from_numpy(np.atleast_1d(array)).reshape(array.shape)
        else:
            made = torch.from_dlpack(array)
        return made if device is None else made.to(device)
    jnp = library("jax")
    if is_jax_array(array):
        return array
    return jnp.asarray(array.detach().cpu().numpy() if is_torch_array(array) else array)
