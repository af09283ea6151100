"""The panels of the suite, each as a function of a robot's name and its task."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from locoenvs.evidence.manifest import Group, Panel, Stratum
from locoenvs.evidence.quantities import SECTOR
from locoenvs.tasks.entries import Entry, TileShare
from locoenvs.tasks.task import Commands, Curriculum, Pushes, Task

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


def _disturbed(
    name: str, description: str, panel: Panel, robots: int, strata: tuple[Stratum, ...], **terms: Any
) -> Panel:
    """A panel with all at once that may go wrong, drawn for each robot from wide ranges."""
    task = panel.task
    lighter, heavier = (round(share * task.robot.mass, 1) for share in (-0.1, 0.2))
    shift = round(0.1 * task.robot.start_height, 3)
    disturbances: dict[str, dict[str, Any]] = {
        "center_of_mass": {"offset": (-shift, shift)},
        "encoder_offset": {"offset": (-0.03, 0.03)},
        "action_delay": {"delay": (0.0, 0.04)},
        "observation_delay": {"delay": (0.0, 0.04)},
        "imu_bias": {"angular_velocity": 0.1, "gravity": 0.05},
        "weak_motor": {"factor": (0.4, 1.0)},
        **terms,
    }
    slots = tuple(
        dataclasses.replace(slot, noise=None if slot.noise is None else 2 * slot.noise)
        for slot in task.observations.slots
    )
    randomization = dataclasses.replace(
        task.randomization,
        friction=(0.2, 1.25),
        payload=(lighter, heavier),
        pushes=Pushes(interval=7.0, speed=(0.5, 2.0)),
        terms={word: Entry(parameters=parameters) for word, parameters in disturbances.items()},
    )
    return dataclasses.replace(
        panel,
        name=name,
        description=description,
        num_robots=robots,
        task=dataclasses.replace(
            task,
            randomization=randomization,
            observations=dataclasses.replace(task.observations, slots=slots),
        ),
        strata=(
            *strata,
            _between("friction", "", 0.2, 0.4, 0.6, 0.9, 1.25),
            _between("payload", " kg", lighter, 0.0, round(heavier / 2, 1), heavier),
            _between("center_of_mass", " m", 0.0, round(0.8 * shift, 3), round(1.1 * shift, 3), round(1.8 * shift, 3)),
            _between("weakest_motor", "", 0.4, 0.6, 0.8, 1.0),
            _between("encoder_offset", " rad", 0.0, 0.017, 0.03),
            _between("gyroscope_bias", " rad/s", 0.0, 0.1, 0.18),
            _between("gravity_bias", "", 0.0, 0.05, 0.09),
            _between("action_delay", " s", 0.0, 0.01, 0.02, 0.03, 0.04),
            _between("observation_delay", " s", 0.0, 0.01, 0.03, 0.04),
            _between("push_speed", " m/s", 0.5, 1.0, 1.5, 2.0),
            Stratum(
                "push_direction",
                tuple(
                    Group(label, (2 * index - 1) * SECTOR, (2 * index + 1) * SECTOR)
                    for index, label in enumerate(("ahead", "to the left", "back", "to the right"))
                ),
            ),
        ),
    )


def _between(quantity: str, unit: str, *ends: float) -> Stratum:
    """Groups between each end and the next; the first and the last are open."""
    last = len(ends) - 2
    return Stratum(
        quantity,
        tuple(
            Group(f"{low:g} to {high:g}{unit}", low if index > 0 else None, high if index < last else None)
            for index, (low, high) in enumerate(zip(ends, ends[1:]))
        ),
    )


def _disturb(robot: str, task: Task) -> Panel:
    return _disturbed(
        f"{robot}-disturb-1",
        "20 s on a plane as in flat, with twice the noise, and with friction, payload, off-centre load, pushes, a weak motor, offsets, "
        "biases and delays from wide ranges, all at once.",
        _flat(robot, task),
        robots=1024,
        strata=(),
    )


def _disturb2(robot: str, task: Task) -> Panel:
    """The robots, draws and pushes of disturb, told apart by the phase of the gait, too."""
    panel = _disturb(robot, task)
    phase = Stratum(
        "push_feet", (Group("in flight", None, 1), Group("on one or two", 1, 3), Group("on three or four", 3, None))
    )
    return dataclasses.replace(
        panel,
        name=f"{robot}-disturb2-1",
        description="The robots of disturb, also told apart by how many feet stood on the ground when a push came.",
        strata=(*panel.strata, phase),
    )


def _disturb_rough(robot: str, task: Task) -> Panel:
    return _disturbed(
        f"{robot}-disturb_rough-1",
        "The map of rough with the disturbances of disturb, and with height samples that slide, are off and are missing.",
        _rough(robot, task),
        robots=800,
        strata=(
            Stratum("terrain"),
            Stratum("level"),
            _between("height_drift", " m", 0.0, 0.06, 0.09, 0.15),
            _between("height_offset", " m", -0.05, -0.02, 0.02, 0.05),
        ),
        height_drift={"distance": 0.1},
        height_offset={"offset": (-0.05, 0.05)},
        height_dropout={"share": 0.05},
    )


BUILDERS = {
    "flat": _flat,
    "rough": _rough,
    "crossing": _crossing,
    "rough2": _rough2,
    "beyond": _beyond,
    "classes": _classes,
    "disturb": _disturb,
    "disturb2": _disturb2,
    "disturb_rough": _disturb_rough,
}
