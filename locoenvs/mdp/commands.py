"""What the robot is asked to do, and when it is asked something new."""

from __future__ import annotations

from locoenvs.mdp.mdp import Mdp
from locoenvs.numerics import rng, rows
from locoenvs.numerics.arrays import Array
from locoenvs.numerics.rotation import heading, wrap_to_pi


def draw(mdp: Mdp, key: Array, episode: Array, step: Array) -> Array:
    """A new command, (num_envs, 4): forward m/s, sideways m/s, yaw rate rad/s, heading rad."""
    xp, config = mdp.xp, mdp.task.commands
    u = rng.uniform(key, episode, step, rng.Purpose.COMMAND, 4)
    forward, sideways = rng.between(u[:, 0], *config.forward), rng.between(u[:, 1], *config.sideways)
    moving = forward * forward + sideways * sideways >= config.minimum_speed**2
    zero = xp.zeros_like(forward)
    return xp.stack(
        [
            xp.where(moving, forward, zero),
            xp.where(moving, sideways, zero),
            rng.between(u[:, 2], *config.yaw_rate),
            rng.between(u[:, 3], *config.heading),
        ],
        axis=-1,
    )


def resampled(
    mdp: Mdp, command: Array, key: Array, episode: Array, step: Array, factor: Array | float | None = None
) -> Array:
    """The command, drawn anew with its chance for the robots whose time has come; ``factor`` () scales the chance."""
    interval, chance = mdp.task.commands.resample_every, mdp.task.commands.resample_chance
    if interval is None:
        return command
    due = step % round(interval / mdp.task.timing.control_dt) == 0
    if rows.nobody(due):
        return command
    if factor is not None:
        chance = chance * factor
    if factor is not None or chance < 1.0:
        due = due & (rng.uniform(key, episode, step, rng.Purpose.COMMAND_CHANGE, 1)[:, 0] < chance)
    return mdp.xp.where(due[:, None], draw(mdp, key, episode, step), command)


def steered(mdp: Mdp, command: Array, quaternion: Array) -> Array:
    """The command with its yaw rate set from the heading error, if the task commands headings."""
    xp, config = mdp.xp, mdp.task.commands
    if config.mode != "heading":
        return command
    error = wrap_to_pi(command[:, 3] - heading(quaternion))
    rate = (config.heading_gain * error).clip(-config.max_yaw_rate, config.max_yaw_rate)
    return xp.stack([command[:, 0], command[:, 1], rate, command[:, 3]], axis=-1)
