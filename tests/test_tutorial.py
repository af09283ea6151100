"""docs/adding-a-robot.md, done: from a URDF to an environment that trains, in a package of one's own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("tutorial")

PAGE = (Path(__file__).parents[1] / "docs" / "adding-a-robot.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200"}
    return subprocess.run([sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True)


def locoenvs(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    """Run a line of the page."""
    program, *arguments = line.partition("#")[0].split()
    assert program == "locoenvs"
    return run(folder, "-m", "locoenvs", *arguments)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with puppy.urdf and the puppy.py that the page makes of it."""
    made = tmp_path_factory.mktemp("puppy")
    body, leg = blocks("xml")
    legs = [
        leg.format(leg=name, x=x, y=y)
        for name, x, y in (("FL", 0.18, 0.12), ("FR", 0.18, -0.12), ("RL", -0.18, 0.12), ("RR", -0.18, -0.12))
    ]
    (made / "puppy.urdf").write_text(body.format(legs="".join(legs)))
    convert = blocks("bash")[0].strip()
    result = locoenvs(made, convert)
    assert result.returncode == 0, result.stderr
    text = (made / "puppy.py").read_text()
    # What the table tells a human to choose.
    text = re.sub(
        r"(name='\w+_hip', .*?)default=0.0, stiffness=20.0, damping=0.5",
        r"\1default=0.5, stiffness=40.0, damping=0.5",
        text,
    )
    text = re.sub(
        r"(name='\w+_knee', .*?)default=0.0, stiffness=20.0, damping=0.5",
        r"\1default=-1.0, stiffness=40.0, damping=0.5",
        text,
    )
    text = text.replace("penalized=()", f"penalized={tuple(f'{side}_thigh' for side in ('FL', 'FR', 'RL', 'RR'))!r}")
    text = re.sub(r"start_height=[\d.]+", "start_height=0.42", text)
    text = re.sub(r"^SUITE = .*$", blocks("python")[0].strip(), text, flags=re.MULTILINE)
    assert text.count("default=0.5") == text.count("default=-1.0") == 4
    (made / "puppy.py").write_text(text)
    metadata = made / "puppy-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: puppy\nVersion: 1.0\n")
    group, line = re.findall(r'entry-points\."(.*?)"\]\n(.*)', blocks("toml")[0])[0]
    (metadata / "entry_points.txt").write_text(f"[{group}]\n{line.replace(chr(34), '')}\n")
    return made


def test_the_numbers_are_those_of_the_description(folder: Path) -> None:
    script = (
        "import locoenvs\n"
        "from puppy import ROBOT as r\n"
        "assert abs(r.mass - (6 + 4 * 0.7)) < 1e-9 and len(r.joints) == 8\n"
        "assert set(r.feet) == {'FL_shank', 'FR_shank', 'RL_shank', 'RR_shank'}, r.feet\n"
        "assert dict(r.mirror)['FR_hip'] == 1.0 and r.mirror[0][0] != r.joint_names[0]\n"
        "knee = next(j for j in r.joints if j.name == 'FL_knee')\n"
        "assert (knee.axis, knee.lower, knee.upper, knee.torque_limit) == ((0, 1, 0), -2.5, 2.5, 20)\n"
        "assert knee.velocity_limit == 20\n"
        "shank = next(b for b in r.bodies if b.name == 'FL_shank')\n"
        "assert shank.position == (0, 0, -0.2) and shank.center_of_mass == (0, 0, -0.1)\n"
        "assert shank.inertia == (0.0008, 0.0008, 0.00005, 0, 0, 0)\n"
    )
    result = run(folder, "-c", script)
    assert result.returncode == 0, result.stderr


def test_imported_before_locoenvs_it_is_left_out_with_a_word_why(folder: Path) -> None:
    result = run(folder, "-c", "import puppy; print(puppy.ROBOT.name)")
    assert result.stdout == "puppy\n" and "import locoenvs before puppy" in result.stderr


def test_the_check_finds_nothing_wrong(folder: Path) -> None:
    pytest.importorskip("matplotlib")
    result = locoenvs(folder, blocks("bash")[1].strip())
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("ok") >= 10 and "look" not in result.stdout.replace("look at", "")


def test_an_error_names_line_and_field_as_the_page_says(folder: Path) -> None:
    lines = (folder / "puppy.py").read_text().splitlines()
    number = next(n for n, line in enumerate(lines, 1) if "'FL_thigh'" in line and "Body(" in line)
    wrong = "\n".join(line.replace("mass=0.5", "mass=-0.5") if n == number else line for n, line in enumerate(lines, 1))
    (folder / "wrong.py").write_text(wrong)
    result = locoenvs(folder, "locoenvs robot check wrong.py")
    assert result.returncode == 2
    expected = blocks("text")[0].strip().replace("puppy.py, line 12", f"wrong.py, line {number}")
    assert result.stderr.strip() == expected


def test_it_is_an_environment_that_trains(folder: Path) -> None:
    pytest.importorskip("rsl_rl")
    pytest.importorskip("google.protobuf")
    listed, train, *_ = blocks("bash")[2].strip().splitlines()
    assert "Loco/Puppy-Rough-v0" in locoenvs(folder, listed).stdout
    result = locoenvs(folder, f"{train} --updates 1 --num-envs 16 --panels none")
    assert result.returncode == 0, result.stderr
    assert (folder / "runs" / "puppy" / "policy" / "policy.onnx").is_file()
    make = blocks("python")[1].strip().replace("num_envs=4096", "num_envs=4, task=small")
    script = (
        "import dataclasses, gymnasium, locoenvs\n"
        "from locoenvs.envs.registration import task\n"
        "big = task('Loco/Puppy-Rough-v0')\n"
        "assert big.rewards.terms['joint_torques'].weight == -2e-4\n"
        "small = dataclasses.replace(big, terrain=dataclasses.replace(big.terrain, levels=2, columns=7, border=2.0))\n"
        f"{make}\n"
        "print(env.reset(seed=0)[0].shape)\n"
    )
    result = run(folder, "-c", script)
    assert result.stdout == f"(4, {9 + 3 + 3 * 8 + 108})\n", result.stderr
