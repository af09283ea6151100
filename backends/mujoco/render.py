"""Pictures of one robot, without a display."""

from __future__ import annotations

import ctypes.util
import importlib
import os
import sys
from typing import Any

import mujoco
import numpy as np

from locoenvs.backends.mujoco.model import CONTACT_GROUP

_FOLLOW = 0.2
"""Share of the way to the robot that the camera goes each frame."""
_JUMP = 1.0
"""A robot farther from where the camera looks than this, m, was put somewhere else: the camera goes there at once."""


class Renderer:
    """Draws the robot of ``model`` in any state; the camera follows its base smoothly.

    The picture is drawn by what the environment variable MUJOCO_GL names ("egl", "osmesa", "glfw"); without it by EGL,
    or by OSMesa where there is no EGL.

    Args:
        model: a model of :func:`locoenvs.backends.mujoco.model.compile_model`.
        width, height: of the picture, pixels, at most 1920 x 1080.
        azimuth: where the camera looks, degrees counterclockwise from world x.
        elevation: how far it looks up, degrees.
        distance: from the robot's base, m.
        contacts: also draw the spheres that touch the ground.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        width: int = 640,
        height: int = 480,
        *,
        azimuth: float = 140.0,
        elevation: float = -18.0,
        distance: float = 2.2,
        contacts: bool = False,
    ) -> None:
        largest = model.vis.global_
        if not (0 < width <= largest.offwidth and 0 < height <= largest.offheight):
            raise ValueError(
                f"a picture of {width} x {height} pixels: at most {largest.offwidth} x {largest.offheight}"
            )
        self._model, self._data = model, mujoco.MjData(model)
        self._scene = mujoco.MjvScene(model, maxgeom=model.ngeom + 100)
        self._option = mujoco.MjvOption()
        self._option.geomgroup[CONTACT_GROUP] = contacts
        self._camera = mujoco.MjvCamera()
        self._camera.azimuth, self._camera.elevation, self._camera.distance = azimuth, elevation, distance
        self._camera.lookat = 1e9  # far from any robot: the first frame goes there at once
        self._rectangle = mujoco.MjrRect(0, 0, width, height)
        self._gl = _gl_context(width, height)
        self._gl.make_current()
        self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)

    def frame(self, qpos: np.ndarray) -> np.ndarray:
        """The robot at ``qpos`` (nq,), as (height, width, 3) uint8, the top row first."""
        self._data.qpos = qpos
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_comPos(self._model, self._data)
        mujoco.mj_camlight(self._model, self._data)
        base, looked_at = self._data.qpos[:3], self._camera.lookat
        near = np.linalg.norm(base - looked_at) < _JUMP
        self._camera.lookat = looked_at + _FOLLOW * (base - looked_at) if near else base
        mujoco.mjv_updateScene(
            self._model, self._data, self._option, None, self._camera, mujoco.mjtCatBit.mjCAT_ALL, self._scene
        )
        picture = np.empty((self._rectangle.height, self._rectangle.width, 3), np.uint8)
        self._gl.make_current()
        mujoco.mjr_render(self._rectangle, self._scene, self._context)
        mujoco.mjr_readPixels(picture, None, self._rectangle, self._context)
        return picture[::-1].copy()

    def close(self) -> None:
        """Free the graphics memory. The renderer cannot be used after it; closing twice is harmless."""
        if self._gl is not None:
            self._gl.make_current()
            self._context.free()
            self._gl.free()
            self._gl = None


def _gl_context(width: int, height: int) -> Any:  # one of MuJoCo's GLContext classes, which share no base
    """An OpenGL context that needs no display, chosen when it is made rather than when MuJoCo is imported."""
    name = os.environ.get("MUJOCO_GL", "").lower()
    if not name:
        name = ("egl" if ctypes.util.find_library("EGL") else "osmesa") if sys.platform == "linux" else "glfw"
    return importlib.import_module(f"mujoco.{name}").GLContext(width, height)
