"""The task's records as JAX pytrees, so that they go in and out of compiled functions."""

from __future__ import annotations

import dataclasses

import jax

from locoenvs.mdp import state
from locoenvs.mdp.mdp import Mdp

_registered = False


def register() -> None:
    """Register them, once."""
    global _registered
    if _registered:
        return
    _registered = True
    for record in (found for found in vars(state).values() if dataclasses.is_dataclass(found)):
        names = [field.name for field in dataclasses.fields(record)]
        jax.tree_util.register_dataclass(record, names, [])


def arrays_of(mdp: Mdp) -> dict[str, jax.Array]:
    """The arrays of a task made ready, by name: what a compiled function takes as an argument, not as a constant."""
    return {
        field.name: value
        for field in dataclasses.fields(mdp)
        if isinstance(value := getattr(mdp, field.name), jax.Array)
    }
