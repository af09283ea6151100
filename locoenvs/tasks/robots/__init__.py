"""The robots of the suite. Each is one module of this package, or of another one that names it as an entry point of the
group ``locoenvs.robots``, whose ``SUITE`` is a :class:`locoenvs.tasks.suite.SuiteRobot`."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import warnings
from importlib.metadata import EntryPoint

from locoenvs.install import plugins
from locoenvs.tasks.robot import Robot
from locoenvs.tasks.suite import SuiteRobot

GROUP = "locoenvs.robots"


def _registered() -> dict[str, SuiteRobot]:
    """Id -> robot. Raises ValueError for two of one id or one name; a robot of another package that cannot be loaded is
    left out with a warning."""
    own = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    others = [suite for point in plugins(GROUP).values() if (suite := _loaded(point)) is not None]
    robots: dict[str, SuiteRobot] = {}
    for suite in [*(module.SUITE for module in own), *others]:
        for there in robots.values():
            if suite.id == there.id or suite.robot.name == there.robot.name:
                raise ValueError(
                    f"two robots of the suite are called {suite.id!r} ({suite.robot.name!r}) and {there.id!r} "
                    f"({there.robot.name!r}): ids and names must differ"
                )
        robots[suite.id] = suite
    return robots


def _loaded(point: EntryPoint) -> SuiteRobot | None:
    try:
        suite: SuiteRobot = point.load()
        return suite
    except Exception as error:  # whatever another package raises must not keep everybody's robots away
        before = "" if point.module not in sys.modules else f" (import locoenvs before {point.module})"
        warnings.warn(f"robot {point.name!r} of {point.value} is left out: {error}{before}", stacklevel=2)
        return None


SUITE: dict[str, SuiteRobot] = _registered()
"""Name, as in an environment id, -> robot with its tasks."""

ROBOTS: dict[str, Robot] = {name: suite.robot for name, suite in SUITE.items()}
"""Name, as in an environment id, -> robot."""


def suite_of(robot: Robot) -> SuiteRobot:
    """What the robot of that name brings to the suite; nothing but itself if it is not of it."""
    found = [suite for suite in SUITE.values() if suite.robot.name == robot.name]
    return found[0] if found else SuiteRobot("Robot", robot)
