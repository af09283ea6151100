"""A panel: the frozen, hashed manifest of a held-out evaluation.

A panel fixes the task, the random streams and the groups that results are reported for; it knows nothing of the policy.
Its streams are those of the split "panel", which training cannot reach, or, to judge while training, of "validation". The panels of the suite are files in
``locoenvs/evidence/panels``; :func:`panel_for` builds the same panel for another environment.
"""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass

from locoenvs.envs.registration import IDS
from locoenvs.envs.registration import task as task_of
from locoenvs.tasks import documents, formats
from locoenvs.tasks.changes import renamed
from locoenvs.tasks.entries import TileShare
from locoenvs.tasks.names import nearest
from locoenvs.tasks.recipes import ActuatorKind
from locoenvs.tasks.recipes import task as recipe_task
from locoenvs.tasks.robot import CONFIG
from locoenvs.tasks.task import Commands, Curriculum, Task

FORMAT = "locoenvs.panel"

LARGEST = 2**20
"""Robots of the largest panel."""

Quantity = Literal[
    "commanded_speed", "commanded_yaw_rate", "since_push", "friction", "terrain", "level", "terrain_and_level"
]
"""What robots or moments are grouped by: m/s, rad/s (size), s, 1, kind of tile, level of the tile, both."""


@dataclass(frozen=True, config=CONFIG)
class Group:
    """The robots or moments whose quantity is in [low, high); None is no bound."""

    label: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, config=CONFIG)
class Stratum:
    """A way to split a panel's robots or moments into groups. Those of terrain and level follow from the terrain."""

    quantity: Quantity
    groups: tuple[Group, ...] = ()


@dataclass(frozen=True, config=CONFIG)
class Panel:
    """What a policy is evaluated on: ``num_robots`` robots do the first episode of ``seed``'s held-out streams."""

    name: str
    description: str
    task: Task
    seed: Annotated[int, Field(ge=0, lt=2**31)]
    num_robots: Annotated[int, Field(ge=1, le=LARGEST)]
    strata: tuple[Stratum, ...]
    split: Literal["panel", "validation"] = "panel"

    def __post_init__(self) -> None:
        if self.task.curriculum.enabled or self.task.rewards.penalty_schedule is not None:
            raise ValueError(
                f"panel {self.name!r}: what it measures must not change while it runs: no curriculum, no schedule"
            )

    @property
    def hash(self) -> str:
        """Twelve hex digits that change when anything of the panel does."""
        return _hash_of(documents.stored(self))

    def to_json(self) -> str:
        """The panel's manifest."""
        return json.dumps({"format": FORMAT, "hash": self.hash, "panel": documents.stored(self)}, indent=2) + "\n"

    @staticmethod
    def from_json(text: str | bytes, name: str = "the panel's manifest") -> Panel:
        """The panel of a manifest; errors call it ``name``. Raises ValueError for one that was changed since it was written."""
        document = documents.parsed(text, name)
        documents.check_format(document, "a panel's manifest", FORMAT, name=name)
        panel = document.get("panel")
        panel = formats.with_task(panel, name) if isinstance(panel, dict) else panel
        manifest = documents.valid(_MANIFEST, {**document, "panel": panel}, name)
        panel = manifest.panel
        if (found := _hash_of(document["panel"])) != manifest.hash:
            raise ValueError(
                f"panel {panel.name!r} was changed: its hash is {found}, its manifest says {manifest.hash}. "
                "A panel is never edited: make another one under another name"
            )
        return panel


def _hash_of(panel: dict[str, Any]) -> str:
    """The hash of a panel's document: whatever its format, that of the oldest that says the same."""
    return documents.digest({**panel, "task": formats.oldest(panel["task"])})


@dataclass(frozen=True, config=CONFIG)
class _Manifest:
    """What :meth:`Panel.to_json` writes."""

    format: Literal["locoenvs.panel"]
    hash: documents.Hash
    panel: Panel


_MANIFEST: TypeAdapter[_Manifest] = TypeAdapter(_Manifest)

PANELS: dict[str, str] = {
    "flat": "Loco/AnymalC-Flat-v0",
    "rough": "Loco/AnymalC-Rough-v0",
    "crossing": "Loco/AnymalC-Rough-v0",
    "rough2": "Loco/AnymalC-Rough-v0",
    "beyond": "Loco/AnymalC-Rough-v0",
    "classes": "Loco/AnymalC-Rough-v0",
}
"""The panels of the suite, and the environment that each is for."""


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
    return _BUILDERS[name or ground](whose, dataclasses.replace(task, robot=undrawn))


def panel_of(task: Task, name: str | None = None, actuator: ActuatorKind | None = None) -> Panel:
    """The panel of that name for the robot of a task: by default that of the task's own ground and kind of actuator.

    ``name`` may be the file of a manifest (.json), for the same robot. A task that sees other things than the suite's is given what it sees, with the panel's noise where the panel has the same slot.
    A robot that the suite does not have gets the panel of the paper's task for it. Raises ValueError for an unknown panel.
    """
    actuator = actuator or task.actuator.kind
    name = name or ("flat" if task.terrain.kind == "plane" else "rough")
    if name.endswith(".json"):
        return _seen_by(task, _panel_in(Path(name), task))
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
    return _seen_by(task, _BUILDERS[name](task.robot.name, undrawn))


def _panel_in(file: Path, task: Task) -> Panel:
    """The panel of a manifest. Raises ValueError for one of another robot."""
    panel = Panel.from_json(documents.read(file), str(file))
    if panel.task.robot.name != task.robot.name:
        raise ValueError(f"{file} is for robot {panel.task.robot.name!r}, not {task.robot.name!r}")
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
        strata = tuple(s for s in panel.strata if task.terrain.kind == "tiles" or s.quantity not in _OF_TILES)
        panel = dataclasses.replace(panel, name=f"{panel.name}, on another task", task=task, strata=strata)
    if not changes:
        return panel
    task = panel.task.with_(changes)
    return dataclasses.replace(panel, name=renamed(panel.name, len(changes)), task=task)


_OF_TILES = ("terrain", "level", "terrain_and_level")


def validation_of(task: Task) -> Panel:
    """What a training is judged on while it goes on: like its held-out panel, but with streams, and a map, of its own.

    Whatever stops a training or picks a policy by it leaves the held-out panel untouched.
    """
    held_out = panel_of(task)
    terrain = held_out.task.terrain
    if terrain.kind == "tiles":
        terrain = dataclasses.replace(terrain, seed=terrain.seed + 1000)
    return dataclasses.replace(
        held_out,
        name=f"{held_out.name}-validation",
        description=f"For judging while training. {held_out.description}",
        task=dataclasses.replace(held_out.task, terrain=terrain),
        strata=(),
        split="validation",
    )


_FRICTION = Stratum("friction", (Group("low", None, 0.75), Group("middle", 0.75, 1.0), Group("high", 1.0, None)))
_PUSHED = Stratum("since_push", (Group("within 2 s of a push", 0.0, 2.0), Group("undisturbed", 2.0, None)))


def _flat(robot: str, task: Task) -> Panel:
    return Panel(
        name=f"{robot}-flat-1",
        description="20 s on a plane with a new command every 5 s, pushes and sensor noise.",
        task=dataclasses.replace(task, commands=dataclasses.replace(task.commands, resample_every=5.0)),
        seed=0,
        num_robots=256,
        strata=(
            Stratum(
                "commanded_speed", (Group("standing", None, 0.2), Group("slow", 0.2, 0.7), Group("fast", 0.7, None))
            ),
            Stratum(
                "commanded_yaw_rate",
                (Group("straight", None, 0.25), Group("turning", 0.25, 0.75), Group("spinning", 0.75, None)),
            ),
            _FRICTION,
            _PUSHED,
        ),
    )


_STRAIGHT = Commands(forward=(0.75, 0.75), sideways=(-0.1, 0.1), mode="yaw_rate", yaw_rate=(0.0, 0.0))
"""What the robots are asked to do in the paper's section 4.2."""


def _rough(robot: str, task: Task) -> Panel:
    # The border is as wide as a robot can walk, so that none leaves the map.
    terrain = dataclasses.replace(task.terrain, seed=1000, border=20.0)
    return Panel(
        name=f"{robot}-rough-1",
        description="Two robots on every tile of a held-out map cross it at 0.75 m/s forward, with pushes and noise.",
        task=dataclasses.replace(task, terrain=terrain, curriculum=Curriculum(enabled=False), commands=_STRAIGHT),
        seed=0,
        num_robots=2 * terrain.levels * terrain.columns,
        strata=(Stratum("terrain"), Stratum("level"), Stratum("terrain_and_level"), _FRICTION, _PUSHED),
    )


def _crossing(robot: str, task: Task) -> Panel:
    """Figure 5 of the paper: success against the height of stairs and obstacles and against the slope, up and down."""
    kinds = ("slope_up", "slope_down", "obstacles", "stairs_up", "stairs_down")
    return _crossed(
        f"{robot}-crossing-1",
        "Eighty robots on each level of slopes, obstacles and stairs cross their tile at 0.75 m/s within 10 s.",
        task,
        seed=1001,
        robots=80,
        shares=tuple(TileShare(kind, 1 / len(kinds)) for kind in kinds),
    )


def _crossed(
    name: str, description: str, task: Task, seed: int, robots: int, shares: tuple[TileShare, ...], **terrain: Any
) -> Panel:
    """So many robots on each level of each kind of tile cross it at 0.75 m/s within 10 s."""
    ground = dataclasses.replace(task.terrain, seed=seed, border=20.0, shares=shares, **terrain)
    return Panel(
        name=name,
        description=description,
        task=dataclasses.replace(
            task,
            terrain=ground,
            curriculum=Curriculum(enabled=False),
            commands=_STRAIGHT,
            timing=dataclasses.replace(task.timing, episode_length=10.0),
        ),
        seed=0,
        num_robots=robots * len(shares) * ground.levels,
        strata=(Stratum("terrain"), Stratum("level"), Stratum("terrain_and_level"), _FRICTION),
    )


def _rough2(robot: str, task: Task) -> Panel:
    """Ground that training never has: another seed, smaller platforms, deeper treads, stairs that are met at an angle."""
    deep = {"tread": 0.4}
    kinds: tuple[tuple[str, float, dict[str, Any]], ...] = (
        ("slope_up", 0.1, {}),
        ("slope_down", 0.1, {}),
        ("rough", 0.1, {}),
        ("obstacles", 0.2, {}),
        ("stairs_up", 0.1, deep),
        ("stairs_down", 0.1, deep),
        ("turned_stairs_up", 0.15, {}),
        ("turned_stairs_down", 0.15, {}),
    )
    shares = tuple(TileShare(kind, share, parameters=parameters) for kind, share, parameters in kinds)
    terrain = dataclasses.replace(task.terrain, seed=2000, border=20.0, platform=2.1, shares=shares)
    return dataclasses.replace(
        _rough(robot, dataclasses.replace(task, terrain=terrain)),
        name=f"{robot}-rough2-1",
        description="Two robots on every tile of a map with platforms, treads and orientations that training does not have.",
        task=dataclasses.replace(task, terrain=terrain, curriculum=Curriculum(enabled=False), commands=_STRAIGHT),
    )


def _beyond(robot: str, task: Task) -> Panel:
    """Figure 5's right ends: harder than anything in training."""
    slope = {"slope": (math.tan(math.radians(26)), math.tan(math.radians(35)))}
    step, box = {"riser": (0.205, 0.25)}, {"height": (0.21, 0.3)}
    kinds = (("slope_up", slope), ("slope_down", slope), ("obstacles", box), ("stairs_up", step), ("stairs_down", step))
    return _crossed(
        f"{robot}-beyond-1",
        "Eighty robots on each level of slopes of 26 to 35 degrees, obstacles of 0.21 to 0.3 m and stairs of 0.205 to 0.25 m.",
        task,
        seed=2001,
        robots=80,
        shares=tuple(TileShare(kind, 1 / len(kinds), parameters=parameters) for kind, parameters in kinds),
    )


def _classes(robot: str, task: Task) -> Panel:
    """Kinds of ground that no recipe trains on."""
    kinds = ("curbs", "gaps", "stepping_stones", "ridges", "wave", "turned_stairs_up", "turned_stairs_down")
    return _crossed(
        f"{robot}-classes-1",
        "Forty robots on each level of curbs, gaps, stepping stones, ridges, waves and stairs that are met at an angle.",
        task,
        seed=2002,
        robots=40,
        shares=tuple(TileShare(kind, 1 / len(kinds)) for kind in kinds),
        columns=21,
    )


_BUILDERS = {
    "flat": _flat,
    "rough": _rough,
    "crossing": _crossing,
    "rough2": _rough2,
    "beyond": _beyond,
    "classes": _classes,
}


def write_manifests(folder: Path) -> None:
    """Write the manifests of the suite's panels."""
    for name, env_id in PANELS.items():
        (folder / f"{name}.json").write_text(panel_for(env_id, name=name).to_json())


if __name__ == "__main__":
    write_manifests(Path(sys.argv[1]))
