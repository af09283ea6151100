"""Threads that wait give up their core: physics, networks and whatever else runs share the cores of a machine."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("torch")
pytest.importorskip("rsl_rl")

SEEN = """
import os, sys

class Seen:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            print("torch", os.environ.get("GOMP_SPINCOUNT"), os.environ.get("KMP_BLOCKTIME"))
            sys.exit()

sys.meta_path.insert(0, Seen())
from locoenvs.training import learners
learners.load("rsl_rl")
"""


@pytest.mark.parametrize(("own", "expected"), [({}, "torch 10000 1"), ({"GOMP_SPINCOUNT": "7"}, "torch 7 1")])
def test_a_training_says_so_before_torch_is_imported(own: dict[str, str], expected: str) -> None:
    environment = {name: v for name, v in os.environ.items() if name not in ("GOMP_SPINCOUNT", "KMP_BLOCKTIME")}
    ran = subprocess.run([sys.executable, "-c", SEEN], env={**environment, **own}, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert ran.stdout.splitlines()[0] == expected
