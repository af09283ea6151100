"""MuJoCo is imported whatever MUJOCO_GL says, and what it warns of goes to Python's logging alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BREAK = """
import logging, numpy as np
from locoenvs.tasks.task import PDActuator, Task, Terrain
from locoenvs.tasks.robots import ROBOTS
from locoenvs.envs.vector import LocoVectorEnv
{logging}
task = Task(robot=ROBOTS["A1"], terrain=Terrain(kind="plane"), actuator=PDActuator())
env = LocoVectorEnv(task, 8, backend="mujoco", options={{"threads": 2}})
env.reset(seed=0)
env.simulator._qvel[:5] = np.nan
*_, info = env.step(np.zeros((8, 12), np.float32))
print([env.reset_reasons[reason] for reason in info["reset_reason"]].count("broken_physics"))
"""


def run(folder: Path, *command: str, gl: str = "osmesa") -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join(filter(None, (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": paths, "MUJOCO_GL": gl}
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )


def test_broken_robots_leave_no_file_and_no_word(tmp_path: Path) -> None:
    result = run(tmp_path, "-c", BREAK.format(logging=""))
    assert (result.stdout, result.stderr) == ("5\n", "")
    assert list(tmp_path.iterdir()) == []


def test_what_mujoco_says_of_them_is_in_pythons_log(tmp_path: Path) -> None:
    result = run(tmp_path, "-c", BREAK.format(logging="logging.basicConfig(level=logging.DEBUG)"))
    said = [line for line in result.stderr.splitlines() if line.startswith("DEBUG:locoenvs.backends.mujoco:")]
    assert len(said) == 5 and all("in QVEL" in line for line in said)
    assert list(tmp_path.iterdir()) == []


def test_a_handler_of_the_users_own_stays(tmp_path: Path) -> None:
    own = "import mujoco; mujoco.set_mju_user_warning(lambda message: print('mine'))\n"
    result = run(tmp_path, "-c", own + BREAK.format(logging=""))
    assert result.stdout.count("mine") == 5 and result.stderr == ""


@pytest.mark.parametrize("value", ["nonsense", "cgl"])
def test_a_bad_mujoco_gl_breaks_nothing_that_does_not_draw(tmp_path: Path, value: str) -> None:
    result = run(tmp_path, "-m", "locoenvs", "list", gl=value)
    assert result.returncode == 0 and "Loco/A1-Flat-v0" in result.stdout and result.stderr == ""
    result = run(
        tmp_path, "-c", BREAK.format(logging=f"import os; assert os.environ['MUJOCO_GL'] == '{value}'"), gl=value
    )
    assert (result.stdout, result.stderr) == ("5\n", "")


def test_drawing_names_the_values_of_mujoco_gl_in_one_line(tmp_path: Path) -> None:
    pytest.importorskip("imageio_ffmpeg")
    pytest.importorskip("onnxruntime")
    result = run(tmp_path, "-m", "locoenvs", "play", "a1_flat", "--out", "a.mp4", "--backend", "mujoco", gl="nonsense")
    assert result.returncode == 2
    *_, last = result.stderr.splitlines()
    assert last == "locoenvs: MUJOCO_GL='nonsense' draws nothing: set it to one of egl, osmesa, glfw"


def test_a_library_that_is_not_there_is_told_when_something_is_drawn(tmp_path: Path) -> None:
    """MuJoCo's own import raises an AttributeError where the system has no EGL."""
    script = (
        "import ctypes.util, sys\n"
        "find = ctypes.util.find_library\n"
        "ctypes.util.find_library = lambda name: None if name == 'EGL' else find(name)\n"
        "from locoenvs.backends.mujoco import render\n"
        "assert not hasattr(sys.modules['mujoco'], 'GLContext'), 'imported as if told not to draw'\n"
        "sys.modules['mujoco.egl'] = None\n"
        "try:\n"
        "    render._gl_context(10, 10)\n"
        "except OSError as error:\n"
        "    print(error)\n"
    )
    result = run(tmp_path, "-c", script, gl="egl")
    assert "this machine cannot draw with 'egl'" in result.stdout and "osmesa, glfw" in result.stdout, result.stderr
