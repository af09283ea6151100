"""Native MuJoCo, the backend for machines without a GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from locoenvs.backends import mujoco_engine
from locoenvs.mdp.terrain import HeightMap
from locoenvs.tasks.task import Task

mujoco_engine.load()  # before any module here imports MuJoCo

if TYPE_CHECKING:
    from locoenvs.backends.mujoco.contact import Contact
    from locoenvs.backends.mujoco.model import Cone
    from locoenvs.backends.mujoco.simulator import MujocoSimulator


def make(
    task: Task,
    height_map: HeightMap,
    num_envs: int,
    *,
    device: str | None = None,
    threads: int = 0,
    contact: Contact = "triangles",
    cone: Cone = "elliptic",
) -> MujocoSimulator:
    """The entry point of the backend ``mujoco``: robots on the CPU, on ``threads`` threads (0: all cores), whose contacts on
    uneven ground are this project's own, or by ``contact`` "mujoco" MuJoCo's; ``cone`` is "elliptic" or "pyramidal"."""
    if device not in (None, "cpu"):
        raise ValueError(f"backend 'mujoco' runs on the CPU, got device={device!r}: use device=None")
    from locoenvs.backends.mujoco.simulator import MujocoSimulator  # model and pictures need no such new MuJoCo

    return MujocoSimulator(task, height_map, num_envs, threads=threads, contact=contact, cone=cone)
