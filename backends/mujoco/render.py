"""Pictures of one robot, without a display."""

from __future__ import annotations

import importlib
from typing import Protocol

import mujoco
import numpy as np

from locoenvs.backends import mujoco_engine
from locoenvs.backends.mujoco.ground_looks import texture_of
from locoenvs.backends.mujoco.model import CONTACT_GROUP
from locoenvs.backends.mujoco.near_ground import NearGround

_FOLLOW = 0.2
"""Share of the way to the robot that the camera goes each frame."""
_JUMP = 1.0
"""A robot farther from where the camera looks than this, m, was put somewhere else: the camera goes there at once."""
_BELOW = 0.12
"""The camera looks at a point so far below the base, m: the middle of the robot."""


class Renderer:
    """Draws the robot of ``model`` in any state; the camera follows the base of each of several robots smoothly.

    The picture is drawn by what the environment variable MUJOCO_GL names ("egl", "osmesa", "glfw"); without it by EGL,
    or by OSMesa where there is no EGL. Raises ValueError for another value, OSError where it does not work.

    Args:
        model: a model of :func:`locoenvs.backends.mujoco.model.compile_model`, with its visuals.
        width, height: of the picture, pixels, at most 1920 x 1080.
        azimuth: where the camera looks, degrees counterclockwise from world x.
        elevation: how far it looks up, degrees; it looks from higher up where the ground would hide the robot.
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
        self._ground = NearGround(model)
        self._ground.show(model.qpos0[:2])
        self._model = model = self._ground.model
        self._data = mujoco.MjData(model)
        self._scene = mujoco.MjvScene(model, maxgeom=model.ngeom + 100)
        self._option = mujoco.MjvOption()
        self._option.geomgroup[CONTACT_GROUP] = contacts
        self._camera = mujoco.MjvCamera()
        self._camera.azimuth, self._camera.elevation, self._camera.distance = azimuth, elevation, distance
        self._elevation = elevation
        self._looks: dict[int, tuple[np.ndarray, float]] = {}  # robot -> where the camera looks, and how far up
        self._rectangle = mujoco.MjrRect(0, 0, width, height)
        self._gl = _gl_context(width, height)
        self._closed = False
        self._gl.make_current()
        self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)

    def frame(self, qpos: np.ndarray, robot: int = 0) -> np.ndarray:
        """The robot of that number at ``qpos`` (nq,), as (height, width, 3) uint8, the top row first."""
        self._gl.make_current()
        self._data.qpos = qpos
        if self._ground.show(self._data.qpos[:2]):
            mujoco.mjr_uploadHField(self._model, self._context, 0)
            if (texture := texture_of(self._model)) >= 0:
                mujoco.mjr_uploadTexture(self._model, self._context, texture)
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_comPos(self._model, self._data)
        mujoco.mj_camlight(self._model, self._data)
        far = np.full(3, 1e9)  # the first frame of a robot goes there at once
        self._camera.lookat, self._camera.elevation = self._looks.get(robot, (far, self._elevation))
        self._follow(self._data.qpos[:3] - (0.0, 0.0, _BELOW))
        self._looks[robot] = self._camera.lookat.copy(), self._camera.elevation
        mujoco.mjv_updateScene(
            self._model, self._data, self._option, None, self._camera, mujoco.mjtCatBit.mjCAT_ALL, self._scene
        )
        picture = np.empty((self._rectangle.height, self._rectangle.width, 3), np.uint8)
        mujoco.mjr_render(self._rectangle, self._scene, self._context)
        mujoco.mjr_readPixels(picture, None, self._rectangle, self._context)
        return picture[::-1].copy()

    def close(self) -> None:
        """Free the graphics memory. The renderer cannot be used after it; closing twice is harmless."""
        if not self._closed:
            self._closed = True
            self._gl.make_current()
            self._context.free()
            self._gl.free()

    def _follow(self, center: np.ndarray) -> None:
        """Look at ``center``, from the least height above it from which the ground does not hide it."""
        camera = self._camera
        share = _FOLLOW if np.linalg.norm(center - camera.lookat) < _JUMP else 1.0
        camera.lookat += share * (center - camera.lookat)
        elevation = self._elevation
        while elevation > -80 and self._hidden(elevation):
            elevation -= 5.0
        camera.elevation += share * (elevation - camera.elevation)

    def _hidden(self, elevation: float) -> bool:
        """Whether the ground comes within 10 degrees of the line from the robot to a camera at this elevation."""
        up, around = np.radians(elevation + 10.0), np.radians(self._camera.azimuth)
        towards = -np.array([np.cos(up) * np.cos(around), np.cos(up) * np.sin(around), np.sin(up)])
        start = self._camera.lookat + (0.0, 0.0, _BELOW)
        ground_only = np.array([1, 0, 0, 0, 0, 0], np.uint8)
        hit = mujoco.mj_ray(self._model, self._data, start, towards, ground_only, True, -1, np.zeros(1, np.int32))
        return 0 <= hit < self._camera.distance


class _GLContext(Protocol):
    """What MuJoCo's OpenGL contexts have in common."""

    def make_current(self) -> None: ...
    def free(self) -> None: ...


def _gl_context(width: int, height: int) -> _GLContext:
    """An OpenGL context that needs no display, chosen when it is made rather than when MuJoCo is imported."""
    name = mujoco_engine.library()
    try:
        return importlib.import_module(f"mujoco.{name}").GLContext(width, height)
    except Exception as error:  # each library fails in its own way
        others = ", ".join(other for other in mujoco_engine.LIBRARIES if other != name)
        raise OSError(
            f"this machine cannot draw with {name!r} ({error}): set MUJOCO_GL to one of {others}; 'osmesa' needs no "
            "graphics card but the system package libosmesa6"
        ) from error
