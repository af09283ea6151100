"""What sensors give: the true values of the slots, as the task's randomizations have them read otherwise and come late."""

from __future__ import annotations

from collections.abc import Mapping

from locoenvs.mdp.draws import DRIVE, Draw, drive_numbers, longest, of_stage
from locoenvs.mdp.layout import layout
from locoenvs.mdp.mdp import Mdp
from locoenvs.mdp.state import Episodes
from locoenvs.numerics.arrays import Array, device_of
from locoenvs.tasks.task import Task
from locoenvs.tasks.vocabulary import OBSERVATION_SLOTS


def slots(mdp: Mdp, episodes: Episodes) -> dict[str, Array]:
    """What there is to see: name -> (num_envs, size) in the slot's unit."""
    return {
        slot.name: OBSERVATION_SLOTS[slot.name].function(mdp, episodes, **slot.parameters)
        for slot in mdp.task.observations.slots
    }


def exact(task: Task) -> bool:
    """Whether sensors give the true values at once."""
    return not any(of_stage(task, "sensors", "lag")) and not _misread(task)


def sensed(mdp: Mdp, episodes: Episodes, values: Mapping[str, Array]) -> Array:
    """What sensors give of the true ``values``, now or late, (num_envs, O)."""
    now = _now(mdp, episodes, values)
    if episodes.sensed is None:
        return now
    xp, task = mdp.xp, mdp.task
    delay = xp.zeros_like(now[:, :1])
    for name, word, entry in of_stage(task, "lag"):
        delay = delay + word.function(Draw(name, episodes.key, episodes.number, episodes.step), mdp, **entry.parameters)
    steps, late = xp.round(delay * (1 / task.timing.control_dt)), now
    for index in range(episodes.sensed.shape[1]):
        late = xp.where(steps == index + 1, episodes.sensed[:, index], late)
    known = [not OBSERVATION_SLOTS[slot.name].sensed for slot in layout(task) for _ in range(slot.start, slot.stop)]
    return xp.where(xp.asarray(known, device=device_of(mdp.scale)), now, late)


def remembered(mdp: Mdp, episodes: Episodes) -> Array | None:
    """:attr:`Episodes.sensed` one control step after ``episodes``; None for a task without late sensors."""
    if episodes.sensed is None:
        return None
    now = _now(mdp, episodes, slots(mdp, episodes))
    return mdp.xp.concat([now[:, None], episodes.sensed[:, :-1]], axis=1)


def from_the_begin(mdp: Mdp, episodes: Episodes) -> Array | None:
    """:attr:`Episodes.sensed` where an episode begins: as if the robots had stood there."""
    past = longest(mdp.task, "lag", mdp.task.timing.control_dt)
    if not past:
        return None
    now = _now(mdp, episodes, slots(mdp, episodes))
    return mdp.xp.concat([now[:, None]] * past, axis=1)


def _now(mdp: Mdp, episodes: Episodes, values: Mapping[str, Array]) -> Array:
    seen = dict(values)
    drive = drive_numbers(mdp, episodes.key, episodes.number) if _misread(mdp.task) else None
    if drive is not None and "joint_position" in seen:
        seen["joint_position"] = seen["joint_position"] + drive[list(DRIVE).index("offset")]
    for name, word, entry in of_stage(mdp.task, "sensors"):
        draw = Draw(name, episodes.key, episodes.number, episodes.step)
        seen |= word.function(draw, mdp, episodes, seen, **entry.parameters)
    return mdp.xp.concat([seen[name] for name in values], axis=-1)


def _misread(task: Task) -> bool:
    """Whether encoders are off."""
    return any("offset" in word.quantities for _, word, _ in of_stage(task, "drive"))
