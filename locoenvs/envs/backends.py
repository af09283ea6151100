"""Backends by name. A backend is any installed package with an entry point in the group ``locoenvs.backends``; the simulators
that it makes stand on a physics engine.

The entry point is a function ``make(task, height_map, num_envs, *, device=None, **options) -> Simulator`` whose keyword
arguments are the backend's options.
"""

from __future__ import annotations

import functools
import inspect
import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from locoenvs import install
from locoenvs.mdp.draws import quantities, varying
from locoenvs.mdp.state import Simulator
from locoenvs.mdp.terrain import HeightMap
from locoenvs.tasks.names import nearest
from locoenvs.tasks.task import Task

GROUP = "locoenvs.backends"
UNDECLARED_ACTUATORS = frozenset({"pd"})
UNDECLARED_RANDOMIZES = frozenset({"friction", "payload"})
"""What a backend can do that does not say so by ``actuators`` and ``randomizes``."""

EXTRAS = {"mujoco": "", "mjx": "mjx"}
"""The extras of this project that its backends need."""


def installed() -> dict[str, Callable[[], Callable[..., Simulator]]]:
    """Name -> loader of each backend that is installed."""
    return {name: point.load for name, point in install.plugins(GROUP).items()}


def resolve(name: str) -> str:
    """The backend that a name means: "auto" is the best one on this machine."""
    return best()[0] if name == "auto" else name


@functools.cache
def best() -> tuple[str, str]:
    """The best backend on this machine, and why: MJX on an NVIDIA GPU, native MuJoCo otherwise."""
    gpu = _nvidia_gpu()
    if gpu is None:
        return "mujoco", "no NVIDIA GPU here"
    if os.environ.get("JAX_PLATFORMS", "cuda").split(",")[0] not in ("cuda", "gpu"):
        return "mujoco", f"JAX_PLATFORMS={os.environ['JAX_PLATFORMS']} keeps jax off the NVIDIA GPU"
    plugins = ("jax-cuda13-plugin", "jax-cuda12-plugin")
    if not all(map(_is_installed, ("jax", "mujoco-mjx", "warp-lang"))) or not any(map(_is_installed, plugins)):
        return "mujoco", f'there is {gpu}, but not what uses it: {install.line("mjx")} "jax[cuda13]"'
    return "mjx", f"MuJoCo Warp on {gpu}"


def _nvidia_gpu() -> str | None:
    """The first NVIDIA GPU that this process may use, found without loading its driver; None without one."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"):
        return None
    for described in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        lines = (line.partition(":") for line in described.read_text().splitlines())
        return next((value.strip() for name, _, value in lines if name == "Model"), "an NVIDIA GPU")
    return "an NVIDIA GPU" if Path("/dev/nvidia0").exists() else None


def _is_installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


@functools.cache
def _say(name: str, why: str) -> None:
    """Tell the user, once, and only in the process that the user started."""
    if multiprocessing.parent_process() is None:
        print(f"locoenvs: backend {name} ({why})", file=sys.stderr)


def load(name: str) -> Callable[..., Simulator]:
    """The backend of that name.

    Raises ValueError for a name that nobody provides and ImportError, with the line to install it, for one whose
    engine is missing.
    """
    backends, name = installed(), resolve(name)
    if name not in backends:
        raise ValueError(nearest("backend", name, ["auto", *backends]))
    try:
        return backends[name]()
    except ImportError as error:
        if error.name is None:  # it says itself what is wrong
            raise
        how = install.line(EXTRAS[name]) if name in EXTRAS else f"see the package that provides {name!r}"
        raise ImportError(
            f"backend {name!r} needs {error.name}, which is not installed: {how}. Installed backends: {', '.join(backends)}"
        ) from error


def build(
    name: str, task: Task, height_map: HeightMap, num_envs: int, device: str | None, options: Mapping[str, object]
) -> Simulator:
    """The simulator that the backend of that name makes of the task. Raises ValueError for an option that the backend does not have."""
    if name == "auto":
        _say(*best())
    make = load(name)
    parameters = inspect.signature(make).parameters.values()
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        known = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name != "device"]
        for option in options:
            if option not in known:
                raise ValueError(nearest(f"option of backend {resolve(name)!r}", option, known))
    simulator = make(task, height_map, num_envs, device=device, **options)
    try:
        _check_able(resolve(name), simulator, task)
    except ValueError:
        simulator.close()
        raise
    return simulator


def _check_able(name: str, simulator: Simulator, task: Task) -> None:
    """Raise ValueError for a task that varies, or is driven by, what the backend does not say that it can."""
    if task.actuator.kind not in (runs := getattr(simulator, "actuators", UNDECLARED_ACTUATORS)):
        raise ValueError(
            f"backend {name!r} does not run the actuator {task.actuator.kind!r} of the task; it runs {', '.join(sorted(runs))}: "
            "take that by --actuator, actuator= in Python, or another backend"
        )
    can = getattr(simulator, "randomizes", UNDECLARED_RANDOMIZES)
    if lacking := sorted(quantities(task) - can):
        raise ValueError(
            f"backend {name!r} cannot vary {', '.join(lacking)}, which the task does; it can vary {', '.join(sorted(can))}: "
            f"take out of the task what does, {' '.join(f'--set {field}=null' for field in varying(task, lacking))}, "
            "or take another backend"
        )
