"""A source checkout works by itself from every folder, what is installed works beside one, and two checkouts never mix."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from locoenvs import install

ROOT = Path(__file__).parents[2]
FOLDERS = ("locoenvs", "backends", "wrappers", "benchmarks")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

USE = """
import json, sys
import gymnasium, locoenvs
from locoenvs.envs import backends
from locoenvs.training import learners

env = gymnasium.make("Loco/AnymalC-Rough-v0", num_envs=2, actuator="pd", options={"contact": "mujoco"})
env.reset(seed=0)
env.step(env.action_space.sample())
import locoenvs.wrappers.extras, locoenvs.benchmarks.throughput
files = {name: m.__file__ for name, m in sys.modules.items() if name.partition(".")[0] == "locoenvs"}
print(json.dumps([files, sorted(backends.installed()), sorted(learners.installed())]))
"""


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second checkout, ``clone``, and ``site``, a copy as pip installs it."""
    folder = tmp_path_factory.mktemp("copies")
    leave = shutil.ignore_patterns("__pycache__", "results", "ledger.jsonl", "isaaclab")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / "clone" / name, ignore=leave)
        inside = "locoenvs" if name == "locoenvs" else f"locoenvs/{name}"
        shutil.copytree(ROOT / name, folder / "site" / inside, ignore=leave, dirs_exist_ok=True)
    shutil.copyfile(ROOT / "pyproject.toml", folder / "clone" / "pyproject.toml")
    metadata = folder / "site" / "locoenvs-0.1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: locoenvs\nVersion: 0.1.0\n")
    groups = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
        for group, points in PROJECT["entry-points"].items()
    ]
    (metadata / "entry_points.txt").write_text("\n".join(groups))
    return folder


def used(cwd: Path, path: Path | None) -> tuple[set[Path], list[str], list[str]]:
    """The roots that an environment's modules come from, and the backends and learners there, where it is used in ``cwd``."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["NUMBA_DISABLE_JIT"] = "1"  # the kernels of each copy would be compiled anew
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    ran = subprocess.run(
        [sys.executable, "-c", USE], cwd=cwd, env=environment, capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    files, backends, learners = json.loads(ran.stdout.splitlines()[-1])
    roots = set()
    for name, file in files.items():
        parts = Path(file).parts
        top = "locoenvs" if name == "locoenvs" or name.split(".")[1] not in FOLDERS else name.split(".")[1]
        roots.add(Path(*parts[: parts.index(top)]))
    return roots, backends, learners


@pytest.mark.parametrize(
    ("cwd", "path", "root"),
    [
        ("clone", None, "clone"),  # python finds what lies in the working folder first
        (".", "clone", "clone"),
        ("site", "clone", "site"),
        ("clone", "site", "clone"),
        (".", "site", "site"),
        ("clone/docs", "clone", "clone"),
    ],
)
def test_all_of_it_comes_from_one_place(copies: Path, cwd: str, path: str | None, root: str) -> None:
    (copies / cwd).mkdir(exist_ok=True)
    roots, backends, learners = used(copies / cwd, None if path is None else copies / path)
    expected = {copies / "site"} if root == "site" else {copies / "clone"}
    if root == "site":
        expected |= {copies / "site" / "locoenvs"}  # where the three other folders are
    assert roots <= expected, roots
    assert set(backends) >= set(PROJECT["entry-points"]["locoenvs.backends"])
    assert set(learners) >= set(PROJECT["entry-points"]["locoenvs.learners"])


def test_a_checkout_needs_no_installation(copies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "entry_points", lambda group: [])
    assert set(install.plugins("locoenvs.backends")) == set(PROJECT["entry-points"]["locoenvs.backends"])
    assert install.requirements("rsl-rl") == PROJECT["optional-dependencies"]["rsl-rl"]
    assert install.requirements("somebody-elses") == []


def point(name: str, value: str, owner: str | None) -> Any:
    made = EntryPoint(name, value, "locoenvs.backends")
    vars(made)["dist"] = None if owner is None else SimpleNamespace(name=owner)
    return made


@pytest.mark.parametrize("root", [ROOT, None])
def test_a_name_of_two_packages_is_refused_by_both(root: Path | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another package's backend does not take the place of ours, nor two others' that of each other, in a checkout or not."""
    monkeypatch.setattr(install, "checkout", lambda: root)
    ours = point("mujoco", "locoenvs.backends.mujoco:make", "locoenvs")
    for given, owners in (
        ([ours, point("mujoco", "theirs:make", "theirs")], "'mujoco' is of 'locoenvs' and of 'theirs'"),
        ([ours, point("toy", "a:make", "a"), point("toy", "b:make", "b")], "'toy' is of 'a' and of 'b'"),
        ([ours, point("toy", "a:make", "a"), point("toy", "b:make", None)], "'toy' is of 'a' and of 'an unknown package'"),
    ):  # fmt: skip
        monkeypatch.setattr(install, "entry_points", lambda group, given=given: given)
        with pytest.raises(ValueError, match=f"^locoenvs.backends: {owners}, with one name: uninstall one of them"):
            install.plugins("locoenvs.backends")


def test_other_packages_plug_in_and_another_installation_of_this_one_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    given = [
        point("mujoco", "stale:make", "locoenvs"),
        point("toy", "toy:make", "toy"),
        point("bare", "bare:make", None),
    ]
    monkeypatch.setattr(install, "entry_points", lambda group: given)
    found = install.plugins("locoenvs.backends")
    assert found["mujoco"].value == "locoenvs.backends.mujoco:make"
    assert found["toy"].value == "toy:make" and found["bare"].value == "bare:make"


def test_the_line_that_installs_works_from_every_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert install.line("skrl") == f'pip install -c "{ROOT}/constraints.txt" -e "{ROOT}[skrl]"'
    assert install.line() == f'pip install -c "{ROOT}/constraints.txt" -e "{ROOT}"'
    monkeypatch.setattr(install, "checkout", lambda: None)
    recorded: dict[str, Any] = {"url": ROOT.as_uri(), "dir_info": {}}
    monkeypatch.setattr(
        install, "distribution", lambda name: SimpleNamespace(read_text=lambda file: json.dumps(recorded))
    )
    assert install.line("skrl") == f'pip install -c "{ROOT}/constraints.txt" "{ROOT}[skrl]"'
    recorded["url"] = (tmp_path / "gone").as_uri()
    assert install.line("skrl") == 'pip install -c constraints.txt ".[skrl]" in a checkout of locoenvs'
    recorded["url"] = "https://example.org/locoenvs-0.1.0.whl"
    assert install.line("viz") == 'pip install -c constraints.txt ".[viz]" in a checkout of locoenvs'


def test_pip_takes_the_line(tmp_path: Path) -> None:
    """pip reads the line as it stands, from another folder: it resolves to this project with that extra."""
    words = shlex.split(install.line("policy"))
    assert words[:2] == ["pip", "install"]
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", "--no-build-isolation", *words[2:]]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    told = ran.stdout + ran.stderr
    assert f"Obtaining {ROOT.as_uri()}" in told and "Invalid requirement" not in told, told[-2000:]
