"""The game-inspired curriculum: who moves a level up or down when an episode ends (section 3.1 of the paper)."""

from __future__ import annotations

from locoenvs.mdp.mdp import Mdp
from locoenvs.mdp.state import Episodes
from locoenvs.numerics import rng
from locoenvs.numerics.arrays import Array


def next_level(mdp: Mdp, episodes: Episodes) -> Array:
    """The level of each robot's next episode, (num_envs,) int32, if its episode ended now."""
    xp, config, terrain = mdp.xp, mdp.task.curriculum, mdp.task.terrain
    center = mdp.tile_centers[episodes.level, episodes.column, :2]
    position = episodes.readout.base_position[:, :2]
    from_center = xp.abs(position - center)
    radius = xp.sqrt(xp.sum(from_center**2, axis=-1))
    if config.promote == "border":
        solved = xp.max(from_center, axis=-1) > terrain.tile / 2
    else:
        solved = radius > terrain.tile / 2
    if config.demote == "commanded":
        moved = xp.sqrt(xp.sum((position - episodes.start_position) ** 2, axis=-1))
        failed = moved < config.demote_fraction * episodes.commanded_distance
    else:
        speed = xp.sqrt(xp.sum(episodes.command[:, :2] ** 2, axis=-1))
        failed = radius < config.demote_fraction * speed * mdp.task.timing.episode_length
    level = episodes.level + xp.astype(solved, xp.int32) - xp.astype(failed & ~solved, xp.int32)
    beyond = rng.uniform(episodes.key, episodes.number, episodes.step, rng.Purpose.LEVEL, 1)[:, 0]
    anywhere = xp.astype(beyond * terrain.levels, xp.int32)
    return xp.where(level >= terrain.levels, anywhere, level.clip(0, None))


def first_level(mdp: Mdp, key: Array, robot: Array) -> Array:
    """The level that each robot starts the first episode on, (num_envs,) int32."""
    xp, config, terrain = mdp.xp, mdp.task.curriculum, mdp.task.terrain
    if not config.enabled:
        return robot // terrain.columns % terrain.levels
    zero = robot * 0
    draws = rng.uniform(key, zero, zero, rng.Purpose.LEVEL, 1)[:, 0]
    return xp.astype(draws * (config.initial_level + 1), xp.int32)
