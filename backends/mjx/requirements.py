"""Which versions of jax, MJX and Warp work together, and what is said when they do not."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from locoenvs import install

OLDEST_JAX = (0, 10, 2)
WARP = (1, 18)
"""MJX 3.17 is generated for this version of Warp; a last number does not matter."""

Versions = Mapping[str, str | None]


def installed() -> dict[str, str | None]:
    """Package -> its version, None where it is missing."""
    return {name: _version(name) for name in ("jax", "jaxlib", "mujoco", "mujoco-mjx", "warp-lang")}


def problem(versions: Versions) -> str | None:
    """What is wrong with these versions; None if they work together."""
    jax, mujoco, mjx, warp = (versions[name] for name in ("jax", "mujoco", "mujoco-mjx", "warp-lang"))
    if missing := [name for name, there in versions.items() if there is None]:
        return f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed"
    if _numbers(jax) < OLDEST_JAX:
        return f"jax {jax} is too old, it must be {_dotted(OLDEST_JAX)} or newer"
    if mjx != mujoco:
        return f"mujoco-mjx {mjx} and mujoco {mujoco} must have the same version"
    if _numbers(warp)[:2] != WARP:
        return f"warp-lang {warp} does not fit mujoco-mjx {mjx}, it must be {_dotted(WARP)}"
    return None


def check(versions: Versions | None = None) -> None:
    """Raises ImportError naming what is installed, what is needed and the line that installs it."""
    versions = installed() if versions is None else versions
    wrong = problem(versions)
    if wrong is not None:
        here = ", ".join(f"{name} {there or 'missing'}" for name, there in versions.items())
        needed = f"jax >= {_dotted(OLDEST_JAX)}, mujoco-mjx of mujoco's version, warp-lang {_dotted(WARP)}"
        raise ImportError(f"backend 'mjx': {wrong}. Installed: {here}. Needed: {needed}. {install.line('mjx')}")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _dotted(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))


def _numbers(text: str | None) -> tuple[int, ...]:
    """The leading numbers of a version: "0.10.2.dev1" is (0, 10, 2)."""
    numbers: list[int] = []
    for part in (text or "").split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)
