"""Files outlive the code that wrote them: a task that gets a field later still loads, verifies and resumes all that there is."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

WITH_A_FIELD = """
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder, SourceFileLoader

FIELD = "    action_clip: Positive = 100.0\\n"

class Loader(SourceFileLoader):
    def get_code(self, fullname):
        source = self.get_data(self.path).decode()
        assert source.count(FIELD) == 1
        return compile(source.replace(FIELD, FIELD + "    wind: NonNegative = documents.later(0.0)\\n"), self.path, "exec")

class Finder(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "locoenvs.tasks.task":
            spec = PathFinder.find_spec(name, path)
            spec.loader = Loader(name, spec.origin)
            return spec

import sys
sys.meta_path.insert(0, Finder())
"""
"""Python whose ``Task`` has one field more than ours."""

FILES = """
import dataclasses
import json
from pathlib import Path
from locoenvs.evidence.panel import PANELS, Panel, load_panel
from locoenvs.policies.policy import load_policy
from locoenvs.tasks.task import Task
import locoenvs

folders = sorted((Path(locoenvs.__file__).parent / "policies" / "shipped").iterdir())
assert len(folders) > 5
for folder in folders:
    policy = load_policy(folder)
    assert policy.task.wind == 0 and policy.task.hash == policy.document["task_hash"], folder
for name in PANELS:
    panel = load_panel(name)
    file = Path(locoenvs.__file__).parent / "evidence" / "panels" / f"{name}.json"
    assert panel.task.wind == 0 and panel.hash == json.loads(file.read_text())["hash"], name
    assert "wind" not in panel.to_json() and Panel.from_json(panel.to_json()) == panel
task = load_panel("flat").task
windy = dataclasses.replace(task, wind=3.0)
assert windy.hash != task.hash and Task.from_json(windy.to_json()) == windy
"""

RUN = """
import sys
from pathlib import Path
from locoenvs.training.run import Run
from locoenvs.training.settings import TrainSettings
from locoenvs.wrappers.rsl_rl import train

before = Run.open(Path(sys.argv[1]))
recipe = before.recipe()
assert "id" not in recipe and recipe["versions"]["locoenvs"] == "0.1.0"
train("Loco/AnymalC-Flat-v0", TrainSettings("Loco/AnymalC-Flat-v0", resume=sys.argv[1], updates=2))
assert [line["update"] for line in before.records() if line["kind"] == "update"] == [1, 2]
assert before.recipe()["task_hash"] == recipe["task_hash"] and before.recipe()["task"] == recipe["task"]
"""


def run(script: str, *arguments: str) -> None:
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]


def test_shipped_policies_and_panels_keep_their_hashes_when_tasks_get_a_field() -> None:
    run(WITH_A_FIELD + FILES)


@pytest.mark.parametrize("before", [WITH_A_FIELD, ""], ids=["with a field more", "as it is"])
def test_a_run_of_version_0_1_0_goes_on(before: str, tmp_path: Path) -> None:
    pytest.importorskip("rsl_rl")
    shutil.copytree(Path(__file__).parent / "run-0.1.0", tmp_path / "run")
    run(before + RUN, str(tmp_path / "run"))
