"""What the robots are told: by hand, or as in the training."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

from locoenvs.mdp import commands
from locoenvs.mdp.mdp import Mdp
from locoenvs.mdp.state import Episodes
from locoenvs.numerics.arrays import Array
from locoenvs.numerics.rotation import heading, wrap_to_pi
from locoenvs.tasks.task import Commands

Mode = Literal["yaw rate", "heading", "hold", "as in training"]
MODES: tuple[Mode, ...] = ("yaw rate", "heading", "hold", "as in training")

FASTEST = 3.0
"""m/s and rad/s: as much as can be told."""


@dataclass(frozen=True)
class Order:
    """What the robots are told.

    Args:
        mode: "yaw rate" and "heading" are by hand, "hold" is to stand still, "as in training" draws commands as the task does.
        forward, sideways: m/s.
        yaw_rate: rad/s, in mode "yaw rate".
        heading: rad, in mode "heading".
    """

    mode: Mode = "hold"
    forward: float = 0.0
    sideways: float = 0.0
    yaw_rate: float = 0.0
    heading: float = 0.0

    def changed(self, **values: float) -> Order:
        """The order with other values, within :data:`FASTEST`; by hand, if it was not."""
        within = {name: min(max(value, -FASTEST), FASTEST) for name, value in values.items() if name != "heading"}
        if "heading" in values:
            within["heading"] = float(wrap_to_pi(values["heading"]))
        mode: Mode = self.mode if self.mode in ("yaw rate", "heading") else "yaw rate"
        return dataclasses.replace(self, mode=mode, **within)


def commanded(mdp: Mdp, own: Commands, order: Order, episodes: Episodes) -> Array:
    """The robots' commands (N, 4) for the next control step. ``own`` are the commands of the task as it was trained."""
    xp, quaternion = mdp.xp, episodes.readout.base_quaternion
    if order.mode == "as in training":
        trained = dataclasses.replace(mdp, task=dataclasses.replace(mdp.task, commands=own))
        drawn = commands.draw(trained, episodes.key, episodes.number, episodes.step * 0)
        command = xp.where((episodes.step == 0)[:, None], drawn, episodes.command)
        command = commands.resampled(trained, command, episodes.key, episodes.number, episodes.step)
        return commands.steered(trained, command, quaternion)
    zero = xp.zeros_like(episodes.command[:, 0])
    if order.mode == "hold":
        return xp.stack([zero, zero, zero, heading(quaternion)], axis=-1)
    rate = zero + order.yaw_rate
    if order.mode == "heading":
        error = wrap_to_pi(zero + order.heading - heading(quaternion))
        rate = (own.heading_gain * error).clip(-own.max_yaw_rate, own.max_yaw_rate)
    return xp.stack([zero + order.forward, zero + order.sideways, rate, zero + order.heading], axis=-1)
