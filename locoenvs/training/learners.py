"""Learners by name. A learner is any installed package with an entry point in the group ``locoenvs.learners``.

The entry point is a function ``train(env_id, settings, task=None) -> Path`` that returns the run folder; the project's own also
take their ``ppo`` settings, see :mod:`locoenvs.wrappers.training`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from locoenvs import install
from locoenvs.tasks.names import nearest
from locoenvs.training.run import Run
from locoenvs.training.settings import TrainSettings

GROUP = "locoenvs.learners"


TOGETHER = ("rsl_rl", "skrl")
"""Those that several processes can train one run with, see :mod:`locoenvs.training.ranks`."""


def check_together(name: str, processes: int) -> None:
    """Raise ValueError for more than one process of a learner that trains in one."""
    if processes > 1 and name not in TOGETHER:
        raise ValueError(
            f"learner {name!r} trains in one process, {processes} are asked for: take --learner {' or '.join(TOGETHER)}, or one process"
        )


def own(name: str) -> bool:
    """Whether the learner is this project's."""
    return bool(install.requirements(name.replace("_", "-")))


def installed() -> dict[str, Callable[[], Any]]:
    """Name -> loader of each learner."""
    return {name: point.load for name, point in install.plugins(GROUP).items()}


def missing(name: str) -> str | None:
    """The first package that a learner of this project needs and that is not installed; nothing is imported."""
    for package in install.requirements(name.replace("_", "-")):
        found = re.match(r"[\w.-]+", package)
        assert found is not None
        try:
            version(found[0])
        except PackageNotFoundError:
            return found[0]
    return None


def load(name: str, choices: Mapping[str, Callable[[], Any]] | None = None) -> Callable[..., Path]:
    """The learner of that name, among ``choices`` (those that are installed).

    Raises ValueError for a name that nobody provides and ImportError, with the line to install it, for one whose library
    is missing.
    """
    choices = installed() if choices is None else choices
    if name not in choices:
        raise ValueError(nearest("learner", name, list(choices)))
    package = missing(name)
    try:
        if package is not None:
            raise ModuleNotFoundError(name=package)
        return choices[name]()
    except ImportError as error:
        how = install.line(name.replace("_", "-")) if own(name) else f"see the package that provides {name!r}"
        raise ImportError(f"learner {name!r} needs {error.name}: {how}") from error


def train(env_id: str, learner: str | None = None, task: Any = None, ppo: Any = None, **settings: Any) -> Path:
    """Train a policy, as ``locoenvs train`` does, and return its run folder.

    ``learner`` is "rsl_rl" by default, or that of the run to resume. ``settings`` are those of :class:`TrainSettings`.
    ``task`` and ``ppo`` (:class:`~locoenvs.wrappers.ppo.PPOConfig`) replace those of the recipe.
    """
    arguments = {name: value for name, value in {"task": task, "ppo": ppo}.items() if value is not None}
    asked = TrainSettings(env_id, **settings)
    if learner is None:
        learner = "rsl_rl" if asked.resume is None else Run.open(Path(asked.resume)).recipe()["learner"]
    return load(learner)(env_id, asked, **arguments)
