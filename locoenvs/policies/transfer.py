"""The network of a trained policy, widened or reordered for the observations of another task of a robot with the same joints."""

from __future__ import annotations

import numpy as np

from locoenvs.mdp.layout import layout
from locoenvs.policies.policy import Layer, Policy
from locoenvs.tasks.task import Task


def layers_for(policy: Policy, task: Task) -> list[Layer]:
    """The layers that act on ``task``'s observations as ``policy`` does on its own: what it never saw has no weight.

    A trained normalization becomes part of the first layer. Raises ValueError, naming both sides of every difference, if
    the policy's actions mean something else, or if it needs an observation that the task does not have.
    """
    policy.check(task, start=True)
    layers = policy.layers()
    weight, bias = layers[0]
    columns = {slot.name: slot for slot in layout(policy.task)}
    widened = np.zeros((len(weight), layout(task)[-1].stop), dtype=np.float32)
    for slot in layout(task):
        own = columns.pop(slot.name, None)
        if own is None:
            continue
        if (own.stop - own.start, own.scale) != (slot.stop - slot.start, slot.scale):
            raise ValueError(
                f"observation {slot.name!r}: the policy of {policy.folder} has {own.stop - own.start} values times "
                f"{own.scale}, the task {slot.stop - slot.start} times {slot.scale}"
            )
        widened[:, slot.start : slot.stop] = weight[:, own.start : own.stop]
    if columns:
        raise ValueError(f"the policy of {policy.folder} needs observations that the task lacks: {', '.join(columns)}")
    return [(widened, bias), *layers[1:]]
