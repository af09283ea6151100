"""Where version 0.1.0 had locoenvs.tasks.suite: robot files written for it import it from here. Goes with version 0.3."""

import warnings

from locoenvs.tasks.suite import *  # noqa: F403  (whatever the module has)

warnings.warn("locoenvs.suite is locoenvs.tasks.suite now", DeprecationWarning, stacklevel=2)
