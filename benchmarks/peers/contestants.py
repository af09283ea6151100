"""Who is measured: what each needs installed, what it simulates, and what about it cannot be compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from locoenvs.benchmarks.throughput import IDS, SEPARATE_ROBOTS

Peer = Literal["gymnasium", "envpool", "unilab"]


@dataclass(frozen=True)
class Library:
    """What is installed together into one environment."""

    name: Peer
    requirements: tuple[str, ...]
    shown: tuple[str, ...]
    """Distributions whose versions the result tells."""


@dataclass(frozen=True)
class Contestant:
    """One environment. ``against`` is the name of this project's contestant that it is divided by."""

    name: str
    library: str
    kind: Literal["locoenvs", "separate", "gymnasium", "envpool", "unilab"]
    task: str
    robot: str
    ground: Literal["flat", "rough"]
    against: str
    differs: str
    mode: Literal["", "sync", "async"] = ""
    most_robots: int | None = None


OURS = "locoenvs"
"""The library of this project, which runs in the environment that this program runs in."""

LIBRARIES = (
    Library("gymnasium", ("gymnasium[mujoco]==1.4.0", "mujoco==4.0.0"), ("gymnasium", "mujoco", "numpy")),
    Library("envpool", ("envpool==1.2.5",), ("envpool", "numpy")),
    Library(
        "unilab",
        ("unilab[mujoco]==1.5.2", "torch==2.13.0"),  # of this torch a build without CUDA is easily had
        ("unilab", "unisim-core", "mjbatch-uni", "mujoco", "rsl-rl-lib", "torch"),
    ),
)

_ANT = "a robot of 8 joints, of capsules and a sphere; no terrain, commands, noise or pushes"
_GO1 = (
    "only the feet touch the ground; MuJoCo's solver is cut to 1 iteration with 5 of its line search; noise, no pushes"
)


def _ours(robot: str, env_id: str, ground: Literal["flat", "rough"], differs: str) -> Contestant:
    name = f"locoenvs, {robot} {ground}"
    return Contestant(name, OURS, "locoenvs", env_id, robot, ground, name, differs)


def _separate(mode: Literal["sync", "async"]) -> Contestant:
    return Contestant(
        f"locoenvs, one robot each, {mode}", OURS, "separate", IDS["flat"], "ANYmal C", "flat",
        "locoenvs, ANYmal C flat", "the same task, in Gymnasium's vectorization", mode, SEPARATE_ROBOTS,
    )  # fmt: skip


def _ant(mode: Literal["sync", "async"]) -> Contestant:
    return Contestant(
        f"Gymnasium, Ant-v5, {mode}", "gymnasium", "gymnasium", "Ant-v5", "Ant", "flat",
        "locoenvs, ANYmal C flat", _ANT, mode, SEPARATE_ROBOTS,
    )  # fmt: skip


CONTESTANTS = (
    _ours("ANYmal C", IDS["flat"], "flat", "noise and pushes; PD drives; what touches are spheres"),
    _ours(
        "ANYmal C", IDS["rough"], "rough",
        "as on flat ground; slopes, rough ground, stairs and obstacles on 200 tiles, 108 heights in the observation",
    ),  # fmt: skip
    _ours("A1", "Loco/A1-Flat-v0", "flat", "as ANYmal C"),
    _ours("A1", "Loco/A1-Rough-v0", "rough", "as ANYmal C"),
    _separate("sync"),
    _separate("async"),
    _ant("sync"),
    _ant("async"),
    Contestant(
        "EnvPool, Ant-v5", "envpool", "envpool", "Ant-v5", "Ant", "flat", "locoenvs, ANYmal C flat", _ANT,
    ),
    Contestant(
        "EnvPool, Go1 flat", "envpool", "envpool", "Go1JoystickFlatTerrain-v1", "Go1", "flat", "locoenvs, A1 flat",
        _GO1,
    ),
    Contestant(
        "EnvPool, Go1 rough", "envpool", "envpool", "Go1JoystickRoughTerrain-v1", "Go1", "rough", "locoenvs, A1 rough",
        _GO1 + "; ground of bumps up to 0.05 m, the same for all, no stairs, no curriculum, no heights observed",
    ),
    Contestant(
        "UniLab, Go2 flat", "unilab", "unilab", "go2_joystick_flat/mujoco", "Go2", "flat", "locoenvs, A1 flat",
        "boxes, cylinders and feet touch the ground; no noise, no pushes; PD gains drawn for each episode; "
        "meshes for looking at, which are not in its package, are replaced",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Learning:
    """One training: PPO on the CPU with the same numbers for all."""

    name: str
    library: str
    task: str
    differs: str


LEARNING = (
    Learning("locoenvs, A1 flat", OURS, "Loco/A1-Flat-v0", "RSL-RL; no normalization of observations"),
    Learning("UniLab, Go2 flat", "unilab", "go2_joystick_flat/mujoco", "RSL-RL; observations are normalized"),
)
NO_LEARNER = {
    "gymnasium": "has no learner of its own",
    "envpool": "has no learner of its own",
}
HIDDEN, HORIZON, EPOCHS, MINIBATCHES = (512, 256, 128), 24, 5, 4
"""Of every training: neurons, control steps of a robot in an update, passes over its samples, parts of a pass."""
