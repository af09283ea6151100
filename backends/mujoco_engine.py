"""MuJoCo as it is imported here: whatever MUJOCO_GL says, and without a log file in the user's folder."""

from __future__ import annotations

import ctypes.util
import importlib
import logging
import os
import sys

LOG = logging.getLogger("locoenvs.backends.mujoco")
"""Where MuJoCo's warnings go. Those of robots whose numbers broke are at the level DEBUG: the environment counts them."""

_DRAWS_NOT = ("disable", "disabled", "off", "false", "0")
_CHOOSES = ("", "enable", "enabled", "on", "true", "1")
LIBRARIES = {"linux": ("egl", "osmesa", "glfw"), "darwin": ("cgl", "glfw")}.get(sys.platform, ("glfw",))
"""What can draw here, as MUJOCO_GL names it."""
_SYSTEM_LIBRARY = {"egl": "EGL", "osmesa": "OSMesa"}
_SAME = {"glx": "glfw", "wgl": "glfw"}


def load() -> None:
    """Import MuJoCo and take its warnings; whoever imports it again gets this one.

    It reads MUJOCO_GL at its import, and raises where it does not know the value or its library is missing, though
    most of what is done with it draws nothing. Here such a value is found when something is drawn.
    """
    value = os.environ.get("MUJOCO_GL")
    if value is None or "mujoco" in sys.modules or _imports(_value(value)):
        importlib.import_module("mujoco")
    else:
        os.environ["MUJOCO_GL"] = "disable"
        try:
            importlib.import_module("mujoco")
        finally:
            os.environ["MUJOCO_GL"] = value
    _take_warnings()


def library() -> str:
    """The library that draws: what MUJOCO_GL names; without it EGL, or OSMesa where there is no EGL.

    Raises ValueError for a value that is not allowed.
    """
    value = _value(os.environ.get("MUJOCO_GL", ""))
    if value in _CHOOSES:
        headless = "egl" if ctypes.util.find_library("EGL") else "osmesa"
        return {"linux": headless, "darwin": "cgl"}.get(sys.platform, "glfw")
    name = _SAME.get(value, value)
    if name not in LIBRARIES:
        raise ValueError(
            f"MUJOCO_GL={os.environ['MUJOCO_GL']!r} draws nothing: set it to one of {', '.join(LIBRARIES)}"
        )
    return name


def _value(text: str) -> str:
    return text.lower().strip()


def _imports(value: str) -> bool:
    """Whether MuJoCo can be imported with this value of MUJOCO_GL."""
    if value in _SYSTEM_LIBRARY and value in LIBRARIES:
        return ctypes.util.find_library(_SYSTEM_LIBRARY[value]) is not None
    return value in (*_DRAWS_NOT, *_CHOOSES, *LIBRARIES)


def _take_warnings() -> None:
    """Warnings go to Python's logging, instead of the console and MUJOCO_LOG.TXT, unless someone else takes them."""
    import mujoco

    config = mujoco.MjLogConfig.get()
    config.logto_file = False
    config.set()
    if mujoco.get_mju_user_warning() is None:
        mujoco.set_mju_user_warning(_warn)


def _warn(message: str) -> None:
    LOG.log(logging.DEBUG if "The simulation is unstable" in message else logging.WARNING, "%s", message)
