"""A recurrent actor of RSL-RL as a policy of this suite. The suite's own trainings make feed-forward ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rsl_rl.models import RNNModel
from rsl_rl.modules import GaussianDistribution
from torch import nn

from locoenvs.policies.policy import save_policy
from locoenvs.tasks.task import Task
from locoenvs.wrappers.networks import ACTIVATIONS, layers, memory


def save_recurrent_policy(
    folder: Path, task: Task, actor: RNNModel, provenance: Mapping[str, object] | None = None
) -> None:
    """Write an actor that was trained on ``task`` with RSL-RL, an MLP after a GRU or an LSTM, to ``folder``.

    It must see the observations of the group "policy" alone. Raises ValueError for an actor whose actions are not the MLP's output, and for
    activations that a policy cannot have.
    """
    if not (actor.distribution is None or isinstance(actor.distribution, GaussianDistribution)):
        raise ValueError(
            f"an actor with {type(actor.distribution).__name__} cannot be a policy: use GaussianDistribution"
        )
    used = {type(module) for module in actor.mlp if not isinstance(module, nn.Linear)}
    names = [name for name, kind in ACTIVATIONS.items() if used <= {kind}]
    if not names:
        found = ", ".join(sorted(kind.__name__ for kind in used))
        raise ValueError(f"an actor with {found} cannot be a policy: use {', '.join(ACTIVATIONS)}")
    mean = std = None
    if actor.obs_normalization:
        mean, std = (
            actor.obs_normalizer.mean.cpu().numpy(),
            (actor.obs_normalizer.std + actor.obs_normalizer.eps).cpu().numpy(),
        )
    save_policy(folder, task, layers(actor.mlp), names[0], mean, std, provenance, memory(actor.rnn.rnn))
