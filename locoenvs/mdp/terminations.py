"""What ends an episode as a failure, besides physics that breaks. Time limit and the edge of the map are in :mod:`locoenvs.mdp.step`."""

from __future__ import annotations

from locoenvs.mdp.rewards import Step, squared_norm
from locoenvs.numerics.arrays import Array
from locoenvs.tasks.robot import Positive
from locoenvs.tasks.vocabulary import termination


@termination()
def base_contact(s: Step, force: Positive = 1.0) -> Array:
    """A terminating body's contact force exceeds ``force`` N."""
    forces = squared_norm(s.readout.contact_force[:, s.mdp.terminating])
    return s.mdp.xp.any(forces > force**2, axis=-1)
