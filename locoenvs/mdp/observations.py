"""What the policy sees of a state."""

from __future__ import annotations

from array_api_compat import array_namespace

from locoenvs.mdp.mdp import Mdp
from locoenvs.mdp.sensing import exact, sensed, slots
from locoenvs.mdp.state import Episodes, Observation
from locoenvs.mdp.terrain import ground_height
from locoenvs.numerics import compiled, rng
from locoenvs.numerics.arrays import Array
from locoenvs.numerics.rotation import heading


def observe(mdp: Mdp, episodes: Episodes) -> Observation:
    """What the policy sees of ``episodes``, and the same without noise.

    The noise of a robot is a draw at its (episode, step), so observing twice gives the same numbers.
    """
    task, values = mdp.task, slots(mdp, episodes)
    clip = task.observations.clip
    true = mdp.xp.concat(list(values.values()), axis=-1)
    readings = true if exact(task) else sensed(mdp, episodes, values)
    noisy = any(slot.noise is not None for slot in task.observations.slots)
    counter = episodes.key, episodes.number, episodes.step
    if noisy and (kernels := compiled.kernels(readings, *counter)):
        purpose = int(rng.Purpose.OBSERVATION_NOISE)
        policy, clean = kernels.noisy(readings, mdp.scale, mdp.noise, *counter, purpose, clip)
        return Observation(policy, clean if readings is true else (true * mdp.scale).clip(-clip, clip))
    policy = readings * mdp.scale
    critic = (policy if readings is true else true * mdp.scale).clip(-clip, clip)
    if not noisy:
        return Observation(critic if readings is true else policy.clip(-clip, clip), critic)
    draws = rng.uniform(*counter, rng.Purpose.OBSERVATION_NOISE, policy.shape[1])
    return Observation((policy + (draws * 2 - 1) * mdp.noise).clip(-clip, clip), critic)


def height_samples(mdp: Mdp, position: Array, quaternion: Array) -> Array:
    """clip(base height - offset - ground height, +-clip) at the scan's points, (num_envs, K) m."""
    xp, scan = array_namespace(position), mdp.task.observations.heights
    assert scan is not None
    angle = heading(quaternion)
    cos, sin, ground = xp.cos(angle), xp.sin(angle), mdp.height_map
    if kernels := compiled.kernels(position, angle):
        place = *ground.origin, 1 / ground.cell
        return kernels.height_samples(mdp.ground, *place, position, cos, sin, mdp.scan_points, scan.offset, scan.clip)
    cos, sin = cos[:, None], sin[:, None]
    forward, sideways = mdp.scan_points[None, :, 0], mdp.scan_points[None, :, 1]
    x = position[:, 0:1] + cos * forward - sin * sideways
    y = position[:, 1:2] + sin * forward + cos * sideways
    below = ground_height(mdp.ground, ground.origin, ground.cell, x, y)
    return (position[:, 2:3] - scan.offset - below).clip(-scan.clip, scan.clip)
