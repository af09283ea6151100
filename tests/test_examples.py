"""The examples, run as they are from a folder of their own: each is short, and does what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
LONGEST = 40


def run(name: str, folder: Path, *arguments: str) -> str:
    """What an example prints."""
    result = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments], cwd=folder, capture_output=True, text=True, timeout=600
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_examples_are_short_and_say_what_they_are(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert sum(bool(line.strip()) for line in lines) <= LONGEST
    assert lines[0].startswith('"""')


def test_a_reward_term_trains(tmp_path: Path) -> None:
    printed = run("reward_term.py", tmp_path, "--updates", "3", "--num_envs", "16")
    ledger = next(tmp_path.glob("runs/*/ledger.jsonl")).read_text()
    assert ledger.count('"kind": "update"') == 3 and '"foot_clearance": -' in ledger
    assert "[-" in printed


def test_a_reward_term_steps_on_mjx(tmp_path: Path) -> None:
    pytest.importorskip("mujoco.mjx")
    native = run("reward_term.py", tmp_path, "--updates", "0", "--num_envs", "4")
    mjx = run("reward_term.py", tmp_path, "--updates", "0", "--num_envs", "4", "--backend", "mjx")

    def numbers(printed: str) -> list[float]:
        return [float(word) for word in printed.strip("[]\n ").split()]

    assert numbers(mjx) == pytest.approx(numbers(native), rel=1e-3)


def test_an_observation_slot_with_its_mirror(tmp_path: Path) -> None:
    first, second = run("observation_slot.py", tmp_path).splitlines()
    assert first.startswith("gait_clock 1 [") and second == "[-1. -1.]"


def test_a_kind_of_tile(tmp_path: Path) -> None:
    run("tile_kind.py", tmp_path)
    assert (tmp_path / "moats.png").stat().st_size > 10_000


def test_a_randomization(tmp_path: Path) -> None:
    assert run("randomization.py", tmp_path).startswith("paper, and 2 changes [")


def test_a_robot(tmp_path: Path) -> None:
    printed = run("robot.py", tmp_path).splitlines()
    assert len([line for line in printed if line.startswith("ok  ")]) == 10
    assert not [line for line in printed if line.startswith("look")]


def test_a_backend(tmp_path: Path) -> None:
    assert "'stands on the map'" in run("backend.py", tmp_path)


def test_a_learner(tmp_path: Path) -> None:
    assert "'resume'" in run("learner.py", tmp_path)


def test_the_lab_of_parallelism(tmp_path: Path) -> None:
    few = (
        "--robots",
        "8",
        "16",
        "--samples",
        "1536",
        "--validate_robots",
        "4",
        "--panels",
        "flat:smoke",
        "disturb:smoke",
    )
    printed = run("lab_parallelism.py", tmp_path, *few)
    assert "8 robots, 8 updates, flat:smoke: success_rate" in printed and "16 robots, 4 updates" in printed
    assert printed.splitlines()[-2].startswith(("no difference", "not promoted", "better", "promoted"))
    assert (tmp_path / "runs/lab.html").stat().st_size > 100_000
