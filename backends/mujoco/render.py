"""Pictures of one robot, without a display."""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from typing import Protocol

import mujoco
import numpy as np

from locoenvs.backends import mujoco_engine
from locoenvs.backends.mujoco.ground_looks import texture_of
from locoenvs.backends.mujoco.model import CONTACT_GROUP, drawn_model
from locoenvs.backends.mujoco.near_ground import NearGround
from locoenvs.mdp.state import Camera
from locoenvs.mdp.terrain import HeightMap
from locoenvs.tasks.task import Task

_FOLLOW = 0.2
"""Share of the way to the robot that the camera goes each frame."""
_JUMP = 1.0
"""A robot farther from where the camera looks than this, m, was put somewhere else: the camera goes there at once."""
FILLED, DOWN = 0.85, -40.0
"""Several robots fill such a part of a picture, and the camera looks down on them by so many degrees."""
_BELOW = 0.12
"""The camera looks at a point so far below the base, m: the middle of the robot."""


CAMERAS: dict[Camera, tuple[float, float, float]] = {
    "corner": (140.0, -18.0, 2.2),
    "side": (90.0, -10.0, 2.4),
    "front": (180.0, -12.0, 2.4),
    "behind": (0.0, -24.0, 2.6),
    "above": (90.0, -89.0, 3.0),
}
"""Where a camera looks, degrees counterclockwise from world x, how far up, degrees, and its distance from the robot's base, m. It
looks from higher up where the ground would hide the robot."""

MOST_TOGETHER = 400
"""No more robots than this are drawn in one picture."""


class Renderer:
    """Draws the robot of ``model`` in any state; the camera follows the base of each of several robots smoothly.

    The picture is drawn by what the environment variable MUJOCO_GL names ("egl", "osmesa", "glfw"); without it by EGL,
    or by OSMesa where there is no EGL. Raises ValueError for another value, OSError where it does not work.

    Args:
        model: a model of :func:`locoenvs.backends.mujoco.model.compile_model`, with its visuals.
        width, height: of the picture, pixels, at most 1920 x 1080.
        camera: where one robot is seen from, see :data:`CAMERAS`.
        azimuth, elevation, distance: instead of the camera's.
        contacts: also draw the spheres that touch the ground.
        near: draw only the ground around one robot, which is much faster.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        width: int = 640,
        height: int = 480,
        *,
        camera: Camera = "corner",
        azimuth: float | None = None,
        elevation: float | None = None,
        distance: float | None = None,
        contacts: bool = False,
        near: bool = True,
    ) -> None:
        largest = model.vis.global_
        if not (0 < width <= largest.offwidth and 0 < height <= largest.offheight):
            raise ValueError(
                f"a picture of {width} x {height} pixels: at most {largest.offwidth} x {largest.offheight}"
            )
        self._ground = NearGround(model, None if near else math.inf)
        self._ground.show(model.qpos0[:2])
        self._model = model = self._ground.model
        self._data = mujoco.MjData(model)
        self._scene = mujoco.MjvScene(model, maxgeom=model.ngeom + 100)
        self._option = mujoco.MjvOption()
        self._option.geomgroup[CONTACT_GROUP] = contacts
        self._camera = mujoco.MjvCamera()
        if camera not in CAMERAS:
            raise ValueError(f"camera={camera!r}: there are {', '.join(CAMERAS)}")
        asked = [
            mine if mine is not None else usual for mine, usual in zip((azimuth, elevation, distance), CAMERAS[camera])
        ]
        self._camera.azimuth, self._camera.elevation, self._camera.distance = asked
        self._elevation = self._camera.elevation
        self._overview: tuple[np.ndarray, float] | None = None  # where the camera looks at several robots, from how far
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
        self._show_ground(qpos[:2])
        self._pose(qpos)
        far = np.full(3, 1e9)  # the first frame of a robot goes there at once
        self._camera.lookat, self._camera.elevation = self._looks.get(robot, (far, self._elevation))
        self._follow(self._data.qpos[:3] - (0.0, 0.0, _BELOW))
        self._looks[robot] = self._camera.lookat.copy(), self._camera.elevation
        mujoco.mjv_updateScene(
            self._model, self._data, self._option, None, self._camera, mujoco.mjtCatBit.mjCAT_ALL, self._scene
        )
        return self._drawn(self._scene)

    def _where_all_are_seen(self, places: np.ndarray) -> tuple[np.ndarray, float]:
        """Where to look, and from how far, m, so that ``places`` (N, 3) fill most of the picture."""
        up, around = np.radians(self._camera.elevation), np.radians(self._camera.azimuth)
        ahead = np.array([np.cos(up) * np.cos(around), np.cos(up) * np.sin(around), np.sin(up)])
        right = np.array([np.sin(around), -np.cos(around), 0.0])
        axes = np.stack([right, np.cross(right, ahead)])
        half = np.tan(np.radians(self._model.vis.global_.fovy / 2))
        room = FILLED * half * np.array([self._rectangle.width / self._rectangle.height, 1.0])
        at, nearest = places.mean(axis=0), self._camera.distance
        distance = nearest + float(np.ptp(places, axis=0).max())
        for _ in range(20):  # what is near is larger: the middle and the distance depend on each other
            away = places - at + distance * ahead
            seen = (away @ axes.T) / np.maximum(away @ ahead, 0.1 * distance)[:, None]
            low, high = seen.min(axis=0), seen.max(axis=0)
            at = at + distance * (low + high) / 2 @ axes
            distance = max(distance * float(((high - low) / 2 / room).max()), nearest)
        return at, distance

    def _show_ground(self, place: np.ndarray) -> None:
        """Have the ground around ``place`` (x, y) m."""
        if self._ground.show(place):
            mujoco.mjr_uploadHField(self._model, self._context, 0)
            if (texture := texture_of(self._model)) >= 0:
                mujoco.mjr_uploadTexture(self._model, self._context, texture)

    def _pose(self, qpos: np.ndarray) -> None:
        self._data.qpos = qpos
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_comPos(self._model, self._data)
        mujoco.mj_camlight(self._model, self._data)

    def _drawn(self, scene: mujoco.MjvScene) -> np.ndarray:
        """The picture of ``scene``, in which the ground casts no shadow: decoration does not.

        By so high a sun it would hardly cast one on itself. But MuJoCo draws the shadows' map a texel smaller to each side than it reads
        it, and so steps and the corners of the map would be speckled.
        """
        picture = np.empty((self._rectangle.height, self._rectangle.width, 3), np.uint8)
        ground = self._model.geom("ground").id
        for geom in scene.geoms:
            if geom.objtype == mujoco.mjtObj.mjOBJ_GEOM and geom.objid == ground:
                geom.category = mujoco.mjtCatBit.mjCAT_DECOR
                break
        mujoco.mjr_render(self._rectangle, scene, self._context)
        mujoco.mjr_readPixels(picture, None, self._rectangle, self._context)
        return picture[::-1].copy()

    def picture(self, qpos: np.ndarray, robot: int | Sequence[int]) -> np.ndarray:
        """The robot of that number, or the robots of those together, at their rows of ``qpos`` (N, nq), as :meth:`frame`."""
        if isinstance(robot, int | np.integer):
            return self.frame(np.array(qpos[robot], np.float64), int(robot))
        return self.crowd(np.array(qpos[list(robot)], np.float64))

    def crowd(self, qpos: np.ndarray) -> np.ndarray:
        """Robots at ``qpos`` (N, nq) in one picture, seen from so far that all are in it. Raises ValueError for too many.

        The first picture says where the camera stands.
        """
        if not 1 <= len(qpos) <= MOST_TOGETHER:
            raise ValueError(f"{len(qpos)} robots in one picture: from 1 to {MOST_TOGETHER}")
        self._camera.elevation = min(self._elevation, DOWN)
        if self._overview is None:
            self._overview = self._where_all_are_seen(qpos[:, :3])
            farthest = self._model.vis.map  # in units of the scene's extent
            farthest.zfar = max(farthest.zfar, 3 * self._overview[1] / self._model.stat.extent)
        self._camera.lookat, self._camera.distance = self._overview
        scene = mujoco.MjvScene(self._model, maxgeom=self._model.ngeom * len(qpos) + 100)
        self._gl.make_current()
        self._show_ground(self._overview[0][:2])
        for index, each in enumerate(qpos):
            self._pose(each)
            if index == 0:
                mujoco.mjv_updateScene(
                    self._model, self._data, self._option, None, self._camera, mujoco.mjtCatBit.mjCAT_ALL, scene
                )
            else:
                robot = int(mujoco.mjtCatBit.mjCAT_DYNAMIC)
                mujoco.mjv_addGeoms(self._model, self._data, self._option, mujoco.MjvPerturb(), robot, scene)
        return self._drawn(scene)

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


def renderer_of(
    task: Task, height_map: HeightMap, robot: int | Sequence[int], size: tuple[int, int], camera: Camera
) -> Renderer:
    """What draws one robot of a task, with the ground near it, or several on all of the ground."""
    near = isinstance(robot, int)
    return Renderer(drawn_model(task, height_map, near), *size, camera=camera, near=near)


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
