"""Where version 0.1.0 had locoenvs.tasks.robot: robot files written for it import it from here. Goes with version 0.3."""

import warnings

from locoenvs.tasks.robot import *  # noqa: F403  (whatever the module has)

warnings.warn("locoenvs.robot is locoenvs.tasks.robot now", DeprecationWarning, stacklevel=2)
