"""Pictures of one robot, without a screen."""

from __future__ import annotations

import mujoco
import numpy as np


class Renderer:
    """Draws one robot on its ground from a camera that follows the base."""

    def __init__(self, model: mujoco.MjModel, width: int = 640, height: int = 480) -> None:
        self._model, self._data = model, mujoco.MjData(model)
        self._renderer = mujoco.Renderer(model, height=height, width=width)
        self._camera = mujoco.MjvCamera()
        self._camera.distance, self._camera.azimuth, self._camera.elevation = 2.2, 125, -18

    def frame(self, qpos: np.ndarray) -> np.ndarray:
        """The picture, (height, width, 3) uint8, of generalized positions ``qpos`` (nq,)."""
        self._data.qpos[:] = qpos
        mujoco.mj_forward(self._model, self._data)
        self._camera.lookat[:] = self._data.qpos[:3] - [0, 0, 0.1]
        self._renderer.update_scene(self._data, self._camera)
        return self._renderer.render()

    def close(self) -> None:
        """Free the drawing context."""
        self._renderer.close()
