"""The environment on the device, and what the device says of itself."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Any

import numpy as np

from locoenvs.benchmarks import parity
from locoenvs.benchmarks.gpu.plan import ACTUATOR, IDS, Ground, Job
from locoenvs.envs.registration import make_vector
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.numerics.arrays import convert


def environment(job: Job, ground: Ground, robots: int, **options: object) -> LocoVectorEnv:
    """The environment on the device."""
    return make_vector(
        IDS[ground], robots, actuator=ACTUATOR, backend="mjx", device=job.device, array="jax", options=options
    )


def random_actions(env: LocoVectorEnv, count: int) -> list[Any]:
    """Actions of an untrained policy on the device: standard normal."""
    draw = np.random.default_rng(0)
    shape = (count, env.num_envs, env.mdp.num_joints)
    return [convert(action, "jax", env.simulator.device) for action in draw.standard_normal(shape, dtype=np.float32)]


def simulator(env: LocoVectorEnv) -> Any:
    """The backend's own simulator, with what only it has."""
    return env.simulator


def wait(env: LocoVectorEnv) -> None:
    """Until the device has done all that it was given."""
    import jax

    jax.block_until_ready(env.state.physics)


def memory(env: LocoVectorEnv) -> dict[str, int]:
    """Device memory of this process, MiB: what jax uses now, the most it used since the process began, and what the
    driver says that the process holds, most of which jax reserves ahead."""
    usage = {}
    statistics_ = simulator(env).device.memory_stats() or {}
    for name, ours in (("bytes_in_use", "jax_mib_in_use"), ("peak_bytes_in_use", "process_peak_jax_mib_so_far")):
        if name in statistics_:
            usage[ours] = statistics_[name] // 2**20
    query = ["nvidia-smi", "--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"]
    if shutil.which(query[0]):
        lines = subprocess.run(query, capture_output=True, text=True, check=False).stdout.splitlines()
        mine = [line.split(",")[1] for line in lines if line.split(",")[0].strip() == str(os.getpid())]
        if mine and mine[0].strip().isdigit():
            usage["process_mib"] = int(mine[0])
    return usage


def implementation(job: Job) -> parity.Name:
    """The implementation that the device gets by itself, by its name."""
    env = environment(job, "flat", 1)
    name = simulator(env).name
    env.close()
    return name


def card() -> dict[str, str]:
    """The GPU, as its driver describes it; empty where there is none."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    if not shutil.which(query[0]):
        return {}
    lines = subprocess.run(query, capture_output=True, text=True, check=False).stdout.splitlines()
    return {"gpu": lines[0]} if lines else {}
