"""The window that shows one robot, where there is a display to open it on."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from locoenvs.mdp.state import Simulator


def has_display() -> bool:
    """Whether a window can be opened on this machine."""
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def window(simulator: Simulator) -> Callable[[object, int], None]:
    """The backend's ``show(physics, robot)``, which draws one robot in a window."""
    instead = "use render_mode='rgb_array', which needs no display"
    show = getattr(simulator, "show", None)
    if show is None:
        raise ValueError(f"render_mode='human': this backend opens no window; {instead}")
    if not has_display():
        raise ValueError(f"render_mode='human': there is no display to open a window on; {instead}")
    return show
