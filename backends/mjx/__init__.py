"""MuJoCo MJX, the backend for GPUs: JAX or Warp, one compiled program, no copies on the way to the learner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from locoenvs.backends import mujoco_engine
from locoenvs.backends.mjx import requirements

requirements.check()

import os  # noqa: E402

os.environ.setdefault("NPROC", "8")  # jax can deadlock on two cores unless told to make more threads
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # a learner shares the GPU

import warp  # noqa: E402

warp.config.quiet = True  # MJX initializes it, and it would introduce itself on the standard output

mujoco_engine.load()  # before any module here imports MuJoCo

from locoenvs.backends.mjx.simulator import Contact, Impl, MjxSimulator  # noqa: E402
from locoenvs.mdp.terrain import HeightMap  # noqa: E402
from locoenvs.tasks.task import Task  # noqa: E402

if TYPE_CHECKING:
    from locoenvs.backends.mujoco.model import Cone


def make(
    task: Task,
    height_map: HeightMap,
    num_envs: int,
    *,
    device: str | None = None,
    impl: Impl | None = None,
    contact: Contact = "triangles",
    cone: Cone = "elliptic",
    graph: str | None = None,
    devices: int = 1,
) -> MjxSimulator:
    """The entry point of the backend ``mjx``: robots on ``device`` ("cuda", "cuda:1", "cpu"; None is the first GPU, or the
    CPU), by ``impl`` "warp" or "jax" (None: "warp" on a GPU, "jax" on the CPU), with the ``cone`` "elliptic" or
    "pyramidal", spread over so many ``devices``."""
    if impl not in (None, "jax", "warp"):
        raise ValueError(f"impl={impl!r}: there are 'jax' and 'warp'")
    return MjxSimulator(
        task, height_map, num_envs, device=device, impl=impl, contact=contact, cone=cone, graph=graph, devices=devices
    )
