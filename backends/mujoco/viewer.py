"""A window that shows one robot."""

from __future__ import annotations

import mujoco
import mujoco.viewer
import numpy as np


class Window:
    """MuJoCo's own viewer, whose camera follows the robot of ``model``. It needs a display; closed, it stays closed."""

    def __init__(self, model: mujoco.MjModel) -> None:
        self._model, self._data = model, mujoco.MjData(model)
        self._handle = mujoco.viewer.launch_passive(model, self._data, show_left_ui=False, show_right_ui=False)
        with self._handle.lock():
            camera = self._handle.cam
            camera.type, camera.trackbodyid = mujoco.mjtCamera.mjCAMERA_TRACKING, 1
            camera.azimuth, camera.elevation, camera.distance = 140.0, -18.0, 3.0

    def show(self, qpos: np.ndarray) -> None:
        """Draw the robot at ``qpos`` (nq,)."""
        if not self._handle.is_running():
            return
        with self._handle.lock():
            self._data.qpos = qpos
            mujoco.mj_forward(self._model, self._data)
        self._handle.sync()

    def close(self) -> None:
        """Close the window; closing twice is harmless."""
        self._handle.close()
