"""The panels of the suite, which are files in ``locoenvs/evidence/panels``, and the same panels for other robots and policies.

:func:`panel_for` builds the one of another environment, :func:`panel_of` the one for a policy by its task.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from locoenvs.envs.registration import IDS
from locoenvs.envs.registration import task as task_of
from locoenvs.evidence.builders import BUILDERS
from locoenvs.evidence.manifest import Group, Panel, Stratum
from locoenvs.evidence.quantities import QUANTITIES
from locoenvs.policies.policy import fits
from locoenvs.tasks import documents
from locoenvs.tasks.changes import renamed
from locoenvs.tasks.names import nearest
from locoenvs.tasks.recipes import ActuatorKind
from locoenvs.tasks.recipes import task as recipe_task
from locoenvs.tasks.task import Task

__all__ = [
    "PANELS",
    "Group",
    "Panel",
    "Stratum",
    "changed",
    "judge_while_training",
    "load_panel",
    "panel_for",
    "panel_in",
    "panel_of",
    "small",
    "validation_of",
    "write_manifests",
]
"""What a panel is made of is found here too."""

PANELS: dict[str, str] = {
    "flat": "Loco/AnymalC-Flat-v0",
    "rough": "Loco/AnymalC-Rough-v0",
    "crossing": "Loco/AnymalC-Rough-v0",
    "rough2": "Loco/AnymalC-Rough-v0",
    "beyond": "Loco/AnymalC-Rough-v0",
    "classes": "Loco/AnymalC-Rough-v0",
    "disturb": "Loco/AnymalC-Flat-v0",
    "disturb2": "Loco/AnymalC-Flat-v0",
    "disturb_rough": "Loco/AnymalC-Rough-v0",
}
"""The panels of the suite, and the environment that each is for."""

VALIDATION_SEEDS = 50_000
"""What is added to the terrain seed of a held-out panel for the map of its validation: no panel of the suite has such a seed."""

LIGHT = 2
"""By default a validation has this part of the robots of the whole panel: 128 on flat ground, one on every tile of rough ground."""

SMOKE, SMOKE_ROBOTS, SMOKE_SECONDS = ":smoke", 16, 8.0
"""What is put behind a panel's name for a small one, and how small it is."""


def load_panel(name: str) -> Panel:
    """The panel of the suite with that name, from its manifest."""
    if name not in PANELS:
        raise ValueError(nearest("panel", name, list(PANELS)))
    file = resources.files("locoenvs.evidence") / "panels" / f"{name}.json"
    return Panel.from_json(file.read_bytes(), str(file))


def panel_for(env_id: str, actuator: ActuatorKind = "pd", name: str | None = None) -> Panel:
    """A panel for an environment of the suite, by default that of its ground, with its robot and one of its actuators."""
    task = task_of(env_id, actuator=actuator)
    robot, ground = IDS[env_id]
    undrawn = dataclasses.replace(task.robot, visuals=())  # how a robot looks is no part of a measurement
    whose = robot if actuator == "pd" else f"{robot}-{actuator}"
    return BUILDERS[name or ground](whose, dataclasses.replace(task, robot=undrawn))


def panel_of(task: Task, name: str | None = None, actuator: ActuatorKind | None = None) -> Panel:
    """The panel of that name for the robot of a task: by default that of the task's own ground and kind of actuator.

    ``name`` may be the file of a manifest (.json), for the same robot; with :data:`SMOKE` at its end it is a small one. A task that sees other things than the suite's is given what it sees, with the panel's noise where the panel has the same slot.
    A robot that the suite does not have gets the panel of the paper's task for it. Raises ValueError for an unknown panel.
    """
    if name is not None and name.endswith(SMOKE):
        return small(panel_of(task, name.removesuffix(SMOKE), actuator))
    actuator = actuator or task.actuator.kind
    name = name or ("flat" if task.terrain.kind == "plane" else "rough")
    if name.endswith(".json"):
        return _seen_by(task, panel_in(Path(name), task.robot.name))
    shipped = load_panel(name)
    if shipped.task.robot.name == task.robot.name and shipped.task.actuator.kind == actuator:
        return _seen_by(task, shipped)
    ground = IDS[PANELS[name]][1]
    fitting = [i for i, (_, own) in IDS.items() if own == ground and task_of(i).robot.name == task.robot.name]
    if fitting:
        return _seen_by(task, panel_for(fitting[0], actuator, name))
    if actuator != task.actuator.kind:
        raise ValueError(f"robot {task.robot.name!r} is none of the suite's: it has the one actuator of its task")
    own = dataclasses.replace(recipe_task(task.robot, ground, actuator="pd"), actuator=task.actuator)
    undrawn = dataclasses.replace(own, robot=dataclasses.replace(task.robot, visuals=()))
    return _seen_by(task, BUILDERS[name](task.robot.name, undrawn))


def small(panel: Panel) -> Panel:
    """The panel with few robots, for a few seconds: for a quick look, and to try what runs panels."""
    timing = panel.task.timing
    timing = dataclasses.replace(timing, episode_length=min(timing.episode_length, SMOKE_SECONDS))
    task = dataclasses.replace(panel.task, timing=timing)
    return dataclasses.replace(
        panel, name=f"{panel.name}-smoke", task=task, num_robots=min(panel.num_robots, SMOKE_ROBOTS)
    )


def panel_in(file: Path, robot: str) -> Panel:
    """The panel of a manifest. Raises ValueError for one that is not for ``robot``."""
    panel = Panel.from_json(documents.read(file), str(file))
    if panel.task.robot.name != robot:
        raise ValueError(f"{file} is for robot {panel.task.robot.name!r}, not {robot!r}")
    return panel


def _seen_by(task: Task, panel: Panel) -> Panel:
    """The panel for robots that see what those of ``task`` do."""
    own = {(slot.name, slot.parameters): slot for slot in panel.task.observations.slots}
    slots = tuple(
        dataclasses.replace(slot, noise=own[key].noise if (key := (slot.name, slot.parameters)) in own else slot.noise)
        for slot in task.observations.slots
    )
    observations = dataclasses.replace(task.observations, slots=slots)
    if observations == panel.task.observations:
        return panel
    return dataclasses.replace(
        panel, name=f"{panel.name}-own-view", task=dataclasses.replace(panel.task, observations=observations)
    )


def changed(panel: Panel, changes: Mapping[str, Any], task: Task | None = None) -> Panel:
    """Another panel: with ``task`` in the place of its own if given, without what changes as it runs, and with ``changes`` of it."""
    if task is not None:
        task = dataclasses.replace(
            task,
            curriculum=dataclasses.replace(task.curriculum, enabled=False),
            rewards=dataclasses.replace(task.rewards, penalty_schedule=None),
        )
        tiles = task.terrain.kind == "tiles"
        strata = tuple(s for s in panel.strata if tiles or QUANTITIES[s.quantity].of != "tile")
        panel = dataclasses.replace(panel, name=f"{panel.name}, on another task", task=task, strata=strata)
    if not changes:
        return panel
    task = panel.task.with_(changes)
    return dataclasses.replace(panel, name=renamed(panel.name, len(changes)), task=task)


def validation_of(task: Task) -> Panel:
    """What a training is judged on while it goes on: like its held-out panel, but with streams, and a map, of its own.

    Whatever stops a training or picks a policy by it leaves the held-out panel untouched. A task with kinds of tile that the panel
    lacks is judged on its own kinds, in their shares: else nobody would see whether it learns them.
    """
    held_out = panel_of(task)
    terrain, name = held_out.task.terrain, held_out.name
    if terrain.kind == "tiles":
        if not {share.kind for share in task.terrain.shares} <= {share.kind for share in terrain.shares}:
            terrain, name = dataclasses.replace(terrain, shares=task.terrain.shares), f"{name}-own-ground"
        terrain = dataclasses.replace(terrain, seed=terrain.seed + VALIDATION_SEEDS)
    return dataclasses.replace(
        held_out,
        name=f"{name}-validation",
        description=f"For judging while training. {held_out.description}",
        task=dataclasses.replace(held_out.task, terrain=terrain),
        strata=(),
        split="validation",
    )


def judge_while_training(task: Task, robots: int | None = None, whole: bool = False) -> Panel:
    """What the policy of a task is judged on while it is trained: :func:`validation_of`, or where the suite has no such robot the task itself.

    With so many ``robots``, else all where ``whole``, else a light one. Rough ground is told kind by kind.
    """
    panel = _validation(task)
    count = robots or (panel.num_robots if whole else max(panel.num_robots // LIGHT, 1))
    strata = (Stratum("terrain"),) if panel.task.terrain.kind == "tiles" else ()
    return dataclasses.replace(panel, num_robots=count, strata=strata)


def _validation(task: Task) -> Panel:
    try:
        panel = validation_of(task)
        if fits(task, panel.task):
            return panel
    except ValueError:
        pass  # there is no panel for such a robot
    terrain, rewards, whole = task.terrain, dataclasses.replace(task.rewards, penalty_schedule=None), 256
    if terrain.kind == "tiles":
        whole = 2 * terrain.levels * terrain.columns
        terrain = dataclasses.replace(terrain, seed=terrain.seed + VALIDATION_SEEDS)
    curriculum = dataclasses.replace(task.curriculum, enabled=False)
    robot = dataclasses.replace(task.robot, visuals=())
    return Panel(
        name=f"{task.robot.name}-own-validation",
        description="For judging while training: the task itself, on other streams and another map.",
        task=dataclasses.replace(task, robot=robot, terrain=terrain, rewards=rewards, curriculum=curriculum),
        seed=0,
        num_robots=whole,
        strata=(),
        split="validation",
    )


def write_manifests(folder: Path) -> None:
    """Write the manifests of the suite's panels."""
    for name, env_id in PANELS.items():
        (folder / f"{name}.json").write_text(panel_for(env_id, name=name).to_json())


if __name__ == "__main__":
    write_manifests(Path(sys.argv[1]))
