"""Where a robot's bodies are, from its data alone."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from locoenvs.robot import Body

Frames = dict[str, tuple[np.ndarray, np.ndarray]]
"""Rotation (3, 3) and position (3,) m of each body in the base's frame."""


def frames(bodies: Iterable[Body]) -> Frames:
    """The frames of bodies, parents first, in the default pose."""
    placed: Frames = {}
    for body in bodies:
        turn, at = (np.eye(3), np.zeros(3)) if body.parent is None else placed[body.parent]
        at = at if body.parent is None else at + turn @ np.array(body.position)
        if body.joint is not None:
            x, y, z = body.joint.axis
            cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
            angle = body.joint.default
            turn = turn @ (np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)
        placed[body.name] = turn, at
    return placed
