"""Arrays in and out: from the engine's namespace to the caller's, without a copy where both can share memory."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any, Literal, TypeAlias

import numpy as np
from array_api_compat import is_jax_array, is_torch_array

Array: TypeAlias = Any
"""Of whichever namespace is in use: the array API standard names no common type."""

Kind = Literal["numpy", "torch", "jax"]
KINDS: tuple[Kind, ...] = ("numpy", "torch", "jax")


def library(kind: Kind) -> ModuleType:
    """torch, jax.numpy or numpy. Raises ImportError naming what to install."""
    try:
        return importlib.import_module({"torch": "torch", "jax": "jax.numpy", "numpy": "numpy"}[kind])
    except ImportError as error:
        raise ImportError(f"array={kind!r} needs {kind}, which is not installed: pip install {kind}") from error


def kind_of(xp: ModuleType) -> Kind:
    """The kind of the arrays of a namespace, one of array_api_compat's."""
    parts = xp.__name__.split(".")  # array_api_compat.torch, jax.numpy, ...
    return "torch" if "torch" in parts else "jax" if "jax" in parts else "numpy"


def device_of(array: Array) -> object:
    """Where ``array`` lives, as array functions take it; None for one that is traced, which lives nowhere yet."""
    return getattr(array, "device", None)


def is_traced(array: Array) -> bool:
    """Whether ``array`` stands for an array of a program that jax is tracing."""
    return is_jax_array(array) and isinstance(array, importlib.import_module("jax").core.Tracer)


def on_cpu(array: Array) -> bool:
    """Whether looking at the values of ``array`` waits for no accelerator."""
    if is_jax_array(array):
        return all(device.platform == "cpu" for device in array.devices())
    return not is_torch_array(array) or array.device.type == "cpu"


def convert(array: Array, kind: Kind, device: object = None) -> Array:
    """``array`` as an array of ``kind`` on ``device`` (None: where it is, or the library's default).

    Memory is shared between numpy and torch on the CPU and, by DLPack, from jax to torch. It is copied where the result
    could not be written to, or would change when the original is written to while jax still reads it.
    """
    if kind == "numpy":
        if type(array) is np.ndarray:
            return array
        if is_jax_array(array):
            return np.array(array)
        return array.detach().cpu().numpy() if is_torch_array(array) else np.asarray(array)
    if kind == "torch":
        return _to_torch(array, device)
    return _to_jax(array, device)


def _to_torch(array: Array, device: object) -> Array:
    torch = library("torch")
    if is_torch_array(array):
        made = array.detach()
    elif is_jax_array(array):
        made = torch.from_dlpack(array)
    else:
        values = np.asarray(array)
        made = torch.from_numpy(np.atleast_1d(values)).reshape(values.shape)
    return made if device is None else made.to(device)


def _to_jax(array: Array, device: object) -> Array:
    jnp = library("jax")
    if is_torch_array(array):
        array = jnp.from_dlpack(array.detach().clone(memory_format=library("torch").contiguous_format))
    elif not is_jax_array(array):
        array = jnp.array(array)
    if device is None:
        return array
    jax = importlib.import_module("jax")
    if isinstance(device, str):
        platform, _, index = device.partition(":")
        device = jax.devices(platform)[int(index or 0)]
    return jax.device_put(array, device)
