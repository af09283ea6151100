"""Each learner's extra is enough by itself: it trains where nothing can be imported that the extra does not install."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("packaging")

from packaging.requirements import Requirement

from locoenvs import install
from locoenvs.training import learners

HIDE = """
import sys
from importlib.machinery import PathFinder

absent = set(sys.argv[1].split(","))


class Installed(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in absent else super().find_spec(name, path, target)


sys.meta_path[sys.meta_path.index(PathFinder)] = Installed
"""

TRAIN = """
from locoenvs import install
from locoenvs.training import learners
from locoenvs.envs.registration import task
from locoenvs.wrappers.ppo import PPOConfig

env_id = "Loco/AnymalC-Flat-v0"
settings = PPOConfig(num_envs=4, horizon=4, epochs=1, minibatches=1, hidden=(8,), updates=1)
learners.train(env_id, sys.argv[2], task(env_id, recipe="walk", actuator="pd"), settings, run=sys.argv[3])
assert not absent & {name.partition(".")[0] for name in sys.modules}
"""


def installed_by(name: str, *extras: str) -> set[str]:
    """The distributions that ``pip install name[extras]`` brings, by their normalized names."""
    found: set[tuple[str, str]] = set()
    wanted = [(name, extra) for extra in ("", *extras)]
    while wanted:
        distribution, extra = wanted.pop()
        distribution = re.sub(r"[-_.]+", "-", distribution).lower()
        if (distribution, extra) in found:
            continue
        found.add((distribution, extra))
        for line in importlib.metadata.requires(distribution) or []:
            need = Requirement(line)
            if need.marker is None or need.marker.evaluate({"extra": extra}):
                wanted += [(need.name, other) for other in ("", *need.extras)]
    return {distribution for distribution, _ in found}


def without_others(extra: str) -> list[str]:
    """The modules here that an installation with one extra would not have."""
    brought = installed_by("locoenvs", extra)
    return [
        module
        for module, owners in importlib.metadata.packages_distributions().items()
        if not brought & {re.sub(r"[-_.]+", "-", owner).lower() for owner in owners}
    ]


@pytest.mark.parametrize("learner", sorted(learners.installed()))
def test_a_learners_extra_is_enough(learner: str, tmp_path: Path) -> None:
    if (package := learners.missing(learner)) is not None:
        pytest.skip(f"{package} is not installed")
    absent = without_others(learner.replace("_", "-"))
    others = {"rsl_rl", "skrl", "stable_baselines3", "rl_games", "brax"} & set(absent)
    assert len(others) >= 4, "the other learners are absent"
    command = [sys.executable, "-c", HIDE + TRAIN, ",".join(absent), learner, str(tmp_path / "run")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert result.returncode == 0, result.stderr[-2000:]
    assert (tmp_path / "run" / "policy" / "policy.onnx").exists()


VIEW = """
import threading
from locoenvs.cli.app import main
from locoenvs.tools.view.page import Page

run = Page.run
Page.run = lambda page, over: (threading.Timer(0.5, over.set).start(), run(page, over))
main(["view", "anymal_c_flat", "--port", "0"])
found = absent - {"_distutils_hack"} & {name.partition(".")[0] for name in sys.modules}
assert not found, found
"""


def test_the_viewers_extra_is_enough_to_see_a_policy_walk() -> None:
    pytest.importorskip("viser")
    absent = without_others("view")
    assert {"onnxruntime", "onnx", "torch", "matplotlib"} <= set(absent)
    result = subprocess.run(
        [sys.executable, "-c", HIDE + VIEW, ",".join(absent)], capture_output=True, text=True, timeout=100
    )
    assert result.returncode == 0, result.stderr[-2000:]
    assert int(re.search(r"(\d+) control steps", result.stdout)[1]) > 0, result.stdout


def test_the_viewers_extra_is_small() -> None:
    pytest.importorskip("viser")
    added = installed_by("locoenvs", "view") - installed_by("locoenvs")
    files = [file for name in added for file in importlib.metadata.files(name) or []]
    assert {"viser", "protobuf"} <= added and "onnx" not in added
    assert sum(Path(str(file.locate())).stat().st_size for file in files if Path(str(file.locate())).is_file()) < 100e6


IMPORT = """
import importlib

for name in sys.argv[2].split(","):
    try:
        importlib.import_module(f"locoenvs.wrappers.{name}")
    except ImportError as error:
        print(error)
"""

ADAPTERS = {
    "rsl_rl": ("rsl_rl", "rsl-rl"),
    "sb3": ("stable_baselines3", "sb3"),
    "rl_games": ("rl_games", "rl-games"),
    "brax": ("brax", "brax"),
    "skrl": ("skrl", "skrl"),
    "skrl.with_jax": ("flax", "skrl-jax"),
}


@pytest.mark.parametrize("modules", [[name for name in ADAPTERS if name != "skrl.with_jax"], ["skrl.with_jax"]])
def test_an_adapter_without_its_library_says_what_to_install(modules: list[str]) -> None:
    needs = [ADAPTERS[name] for name in modules]
    absent = ",".join(library for library, _ in needs)
    command = [sys.executable, "-c", HIDE + IMPORT, absent, ",".join(modules)]
    result = subprocess.run(command, capture_output=True, text=True)
    told = [f"{library} is not installed: {install.line(extra)}" for library, extra in needs]
    assert result.stdout.splitlines() == told, result.stderr[-2000:]


def test_all_extras_fit_into_one_environment() -> None:
    result = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
