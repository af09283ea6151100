"""Whether Isaac Lab is here, which one, with which physics; and what is said when it is not."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

RECIPE = "see docs/isaaclab.md of locoenvs for install recipes"

OLDEST = (0, 50)
"""The oldest package ``isaaclab`` that is taken for Isaac Lab 2.3, whose own count up to 0.54; 3.0's count from 4 on."""

MODULES = {
    "newton": ("isaaclab_newton", "newton", "mujoco_warp"),
    "physx": ("isaacsim",),
    "ovphysx": ("isaaclab_ovphysx", "ovphysx"),
}
"""What each physics needs beside Isaac Lab: Newton's MuJoCo solver, PhysX in Isaac Sim, PhysX on its own."""


@dataclass(frozen=True)
class Installation:
    """An Isaac Lab. ``major`` is 2 or 3, the release's; ``package`` the version of its package ``isaaclab``."""

    major: int
    package: str
    physics: tuple[str, ...]


def find() -> Installation:
    """The Isaac Lab of this environment. Raises ImportError if there is none, or one that is too old."""
    if not _is_there("isaaclab"):
        raise ImportError(
            f"backend 'isaaclab' needs Isaac Lab 3.0 or 2.3, and there is no package 'isaaclab': {RECIPE}"
        )
    package = _version()
    major = 3 if _is_there("isaaclab.physics") else 2
    if major == 2 and _numbers(package) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise ImportError(
            f"backend 'isaaclab' needs Isaac Lab 3.0 or 2.3 (package isaaclab {oldest} or newer), found {package}: {RECIPE}"
        )
    return Installation(major, package, tuple(name for name in _offered(major) if not missing(name)))


def _offered(major: int) -> tuple[str, ...]:
    """The physics of that release."""
    return ("physx",) if major == 2 else tuple(MODULES)


def missing(physics: str) -> list[str]:
    """The packages that this physics lacks here."""
    return [module for module in MODULES[physics] if not _is_there(module)]


def choose(installation: Installation, physics: str | None) -> str:
    """The physics asked for, or the first that is here. Raises ImportError saying what it lacks."""
    if physics is None:
        if installation.physics:
            return installation.physics[0]
        lacks = "; ".join(f"{name} lacks {', '.join(missing(name))}" for name in _offered(installation.major))
        raise ImportError(
            f"Isaac Lab {installation.major} (package {installation.package}) is here without any physics: {lacks}. {RECIPE}"
        )
    if physics not in MODULES:
        raise ValueError(f"physics={physics!r}: there are {', '.join(map(repr, MODULES))}")
    if physics in installation.physics:
        return physics
    if physics not in _offered(installation.major):
        raise ImportError(
            f"physics={physics!r} needs Isaac Lab 3.0, found 2.3 (package {installation.package}): {RECIPE}"
        )
    raise ImportError(
        f"physics={physics!r} needs {', '.join(missing(physics))}, not installed beside Isaac Lab {installation.major} (package "
        f"{installation.package}). Here: {', '.join(installation.physics) or 'none'}. {RECIPE}"
    )


def device(name: str | None) -> str:
    """The torch device of that name; None is the first GPU, or the CPU. Raises ValueError for one that is not there."""
    import torch

    if name is None:
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda") or (index and not index.isdigit()):
        raise ValueError(f"device={name!r}: there are 'cpu', 'cuda', 'cuda:1' and so on")
    if kind == "cpu":
        return "cpu"
    count = torch.cuda.device_count()
    if int(index or 0) >= count:
        raise ValueError(
            f"device={name!r}: torch {torch.__version__} sees {count or 'no'} NVIDIA GPU{'s' if count != 1 else ''} here; "
            "use device='cpu', or install a CUDA build of torch"
        )
    return f"cuda:{int(index or 0)}"


def check_driver(physics: str) -> None:
    """Raises RuntimeError where ``ovphysx`` cannot run: Isaac Lab 3.0 takes pinned memory for it, also on the CPU."""
    if physics != "ovphysx":
        return
    import warp

    if not warp.is_cuda_available():
        raise RuntimeError(
            "physics='ovphysx': Isaac Lab 3.0 needs an NVIDIA driver for it, also with device='cpu', and warp finds none "
            "here; use physics='newton'"
        )


def start_kit(physics: str, installation: Installation) -> None:
    """Start Isaac Sim, without a window, where the physics runs in it and it does not run yet."""
    if physics != "physx":
        return
    kit = sys.modules.get("omni.kit.app")
    if kit is None or kit.get_app() is None:
        from isaaclab.app import AppLauncher

        AppLauncher(headless=True)


def _is_there(module: str) -> bool:
    if module in sys.modules:
        return sys.modules[module] is not None
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _version() -> str:
    try:
        import isaaclab

        if given := getattr(isaaclab, "__version__", None):
            return str(given)
    except ImportError:  # 2.3 without Isaac Sim
        pass
    try:
        return version("isaaclab")
    except PackageNotFoundError:
        return "unknown"


def _numbers(text: str) -> tuple[int, ...]:
    numbers = []
    for part in text.split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)
