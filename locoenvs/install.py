"""Where this package lives, what plugs into it, and the line that installs more of it.

A source checkout works by itself, from any folder and without being installed: its four folders become one package when
``locoenvs`` is imported, and what the project itself provides to its entry-point groups is read from its own
``pyproject.toml``. So nothing of another checkout, or of an installed one, gets in.
"""

from __future__ import annotations

import functools
import json
import tomllib
from importlib.metadata import EntryPoint, PackageNotFoundError, distribution, entry_points
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

NAME = "locoenvs"

scripts = dict[Path, str]()
"""Scripts of the user's own that were imported here by ``--plugin``, and the hash of each."""


@functools.cache
def checkout() -> Path | None:
    """The source checkout that this code lies in; None where it was installed as a copy."""
    root = Path(__file__).resolve().parents[1]
    return root if (root / "backends" / "__init__.py").is_file() and _project(root) is not None else None


def plugins(group: str) -> dict[str, EntryPoint]:
    """Name -> what is installed under it in an entry-point group: the project's own, then those of other packages.

    Raises ValueError for a name that two packages give.
    """
    points = [
        ("an unknown package" if point.dist is None else point.dist.name, point) for point in entry_points(group=group)
    ]
    if (root := checkout()) is not None:
        own = (_project(root) or {}).get("entry-points", {}).get(group, {})
        mine = [(NAME, EntryPoint(name, value, group)) for name, value in own.items()]
        points = mine + [(owner, point) for owner, point in points if owner != NAME]
    by_name, owners = dict[str, EntryPoint](), dict[str, str]()
    for owner, point in points:
        if point.name in by_name:
            raise ValueError(
                f"{group}: {point.name!r} is of {owners[point.name]!r} and of {owner!r}, with one name: uninstall one of them"
            )
        by_name[point.name], owners[point.name] = point, owner
    return by_name


def requirements(extra: str) -> list[str]:
    """What an extra of this project asks for, such as ``rsl-rl-lib>=5.5,<6``."""
    if (root := checkout()) is not None:
        return list((_project(root) or {})["optional-dependencies"].get(extra, []))
    marked = [line.partition(";") for line in distribution(NAME).requires or []]
    return [name.strip() for name, _, marker in marked if f'extra == "{extra}"' in marker.replace("'", '"')]


def line(extra: str = "") -> str:
    """The command that installs this project with an extra. It works from every folder where the checkout is known."""
    brackets = f"[{extra}]" if extra else ""
    if (root := checkout()) is not None:
        return f'pip install -c "{root / "constraints.txt"}" -e "{root}{brackets}"'
    if (root := _installed_from()) is not None:
        return f'pip install -c "{root / "constraints.txt"}" "{root}{brackets}"'
    return f'pip install -c constraints.txt ".{brackets}" in a checkout of {NAME}'


@functools.cache
def _project(root: Path) -> dict[str, Any] | None:
    """The table [project] of a checkout of this project; None of anything else."""
    try:
        project = tomllib.loads((root / "pyproject.toml").read_text()).get("project", {})
    except (OSError, ValueError):
        return None
    return project if project.get("name") == NAME else None


def _installed_from() -> Path | None:
    """The checkout that pip made the installed copy from, if it is still there."""
    try:
        recorded = distribution(NAME).read_text("direct_url.json")
    except PackageNotFoundError:
        return None
    url = urlparse(json.loads(recorded)["url"]) if recorded else None
    if url is None or url.scheme != "file":
        return None
    root = Path(url2pathname(url.path))
    return root if _project(root) is not None else None
