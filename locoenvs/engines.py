"""Physics engines by name. A backend is any installed package with an entry point in the group ``locoenvs.backends``.

The entry point is a function ``make(task, height_map, num_envs, *, device=None, **options) -> Simulator`` whose keyword
arguments are the backend's options.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points

from locoenvs.recipes import nearest
from locoenvs.state import Simulator
from locoenvs.task import Task
from locoenvs.terrain import HeightMap

GROUP = "locoenvs.backends"
EXTRAS = {"mujoco": "pip install locoenvs"}
"""What to install for the backends of this project."""


def installed() -> dict[str, Callable[[], Callable[..., Simulator]]]:
    """Name -> loader of each backend that is installed."""
    return {point.name: point.load for point in entry_points(group=GROUP)}


def resolve(name: str) -> str:
    """The backend that a name means: "auto" is the best one on this machine."""
    return "mujoco" if name == "auto" else name


def load(name: str) -> Callable[..., Simulator]:
    """The backend of that name.

    Raises ValueError for a name that nobody provides and ImportError, with the line to install it, for one whose
    engine is missing.
    """
    found, name = installed(), resolve(name)
    if name not in found:
        raise ValueError(nearest("backend", name, ["auto", *found]))
    try:
        return found[name]()
    except ImportError as error:
        raise ImportError(
            f"backend {name!r} needs {error.name or 'a package'}, which is not installed: "
            f"{EXTRAS.get(name, f'see the package that provides {name!r}')}. Installed backends: {', '.join(found)}"
        ) from error


def build(
    name: str, task: Task, height_map: HeightMap, num_envs: int, device: str | None, options: Mapping[str, object]
) -> Simulator:
    """The task compiled by the backend of that name. Raises ValueError for an option that the backend does not have."""
    make = load(name)
    parameters = inspect.signature(make).parameters.values()
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        known = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name != "device"]
        for option in options:
            if option not in known:
                raise ValueError(nearest(f"option of backend {resolve(name)!r}", option, known))
    return make(task, height_map, num_envs, device=device, **options)
