"""What is installed is what the repository holds, and the README's commands and examples work."""

import importlib.metadata
import importlib.util
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytest.importorskip("packaging")

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import locoenvs
from locoenvs.cli.app import main
from locoenvs.cli.arguments import changes_given

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETUPTOOLS = PROJECT["tool"]["setuptools"]
PAGES = (
    "index",
    "first-steps",
    "install",
    "commands",
    "results",
    "your-own-task",
    *(f"coming-from/{name}" for name in ("legged_gym", "isaaclab", "mjlab", "playground")),
)
README = "\n".join((ROOT / page).read_text() for page in ("README.md", *(f"docs/{page}.md" for page in PAGES)))
"""The README, and the pages that say how to begin."""
EXTRAS = PROJECT["project"]["optional-dependencies"]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    lines = "".join(blocks("bash")).replace("\\\n", " ").splitlines()
    return [line.split(" #")[0].strip() for line in lines if line.strip() and not line.startswith("#")]


def test_the_version_is_the_same_everywhere() -> None:
    version = PROJECT["project"]["version"]
    assert locoenvs.__version__ == version
    assert importlib.metadata.version("locoenvs") == version
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None and newest[1] == version


def test_every_folder_with_code_is_a_listed_package() -> None:
    prefixes = {folder: name for name, folder in SETUPTOOLS["package-dir"].items()}
    on_disk = {
        ".".join([prefixes[folder], *path.parent.relative_to(ROOT / folder).parts])
        for folder in prefixes
        for path in (ROOT / folder).rglob("*.py")
    }
    assert on_disk == set(SETUPTOOLS["packages"])


def is_evidence(path: Path) -> bool:
    """Whether a file tells how a policy or a figure came about: it stays in the repository."""
    return path.is_relative_to("benchmarks/results") or path.name in ("recipe.json", "ledger.jsonl")


def test_every_file_that_is_no_code_is_listed_package_data_or_evidence() -> None:
    folders = SETUPTOOLS["package-dir"]
    others = {
        path.relative_to(ROOT)
        for folder in folders.values()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix != ".py" and "__pycache__" not in path.parts
    }
    listed = {
        path.relative_to(ROOT)
        for package, patterns in SETUPTOOLS["package-data"].items()
        for pattern in patterns
        for path in (ROOT / folders[package]).glob(pattern)
        if path.is_file()
    }
    assert not any(map(is_evidence, listed))
    assert {path for path in others if not is_evidence(path)} == listed
    assert Path("locoenvs/py.typed") in listed
    assert sum((ROOT / path).stat().st_size for path in listed) < 7.6e6, (
        "twelve policies of at most 0.9 MB, and 0.3 MB of all else"
    )


def test_the_index_page_names_its_authors_and_links_to_nothing_that_is_not_there() -> None:
    project = PROJECT["project"]
    assert project["authors"] and all(url.startswith("https://") for url in project["urls"].values())
    links = re.findall(r"\]\(([^)]+)\)", (ROOT / project["readme"]).read_text())
    assert all(link.startswith("https://") for link in links), links


@pytest.mark.parametrize(
    "entry", sorted(importlib.metadata.distribution("locoenvs").entry_points), ids=lambda e: f"{e.group}:{e.name}"
)
def test_entry_points_resolve(entry: importlib.metadata.EntryPoint) -> None:
    if entry.group == "locoenvs.learners":
        library = {"sb3": "stable_baselines3", "skrl_jax": "flax"}.get(entry.name, entry.name)
        pytest.importorskip(library, reason=f"needs the extra {entry.name.replace('_', '-')}")
    if entry.name == "isaaclab":
        try:
            entry.load()
        except ImportError as error:
            assert "docs/isaaclab.md" in str(error)
            pytest.skip(str(error))
    assert entry.load() is not None


def test_registering_twice_is_harmless(recwarn: pytest.WarningsRecorder) -> None:
    locoenvs.register()
    assert not [str(warning.message) for warning in recwarn]


def constraints() -> dict[str, Requirement]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(need.name): need for need in found}


def wanted(extra: str) -> list[Requirement]:
    """What the base install asks for, and an extra of it with all extras that this one names."""
    needs = list(map(Requirement, PROJECT["project"]["dependencies"] + EXTRAS.get(extra, [])))
    inner = [other for need in needs if need.name == "locoenvs" for other in need.extras]
    return [*needs, *(need for other in inner for need in wanted(other))]


def test_every_dependency_of_every_extra_is_pinned() -> None:
    pins = constraints()
    loose = {name for name, pin in pins.items() if not str(pin.specifier).startswith("==")}
    assert loose == {"mujoco"}, "which of two versions it is, the extras say"
    names = {canonicalize_name(need.name) for extra in EXTRAS for need in wanted(extra)} - {"locoenvs"}
    assert names <= set(pins)
    assert str(pins["torch"].specifier) == "==2.13.0"


@pytest.mark.parametrize("extra", ["", *EXTRAS])
def test_mujoco_is_the_newest_that_an_extra_can_have(extra: str) -> None:
    needs = [need for need in wanted(extra) if need.name == "mujoco"] + [constraints()["mujoco"]]
    released = ["3.16.0", "3.17.0", "3.17.1", "3.18.0", "4.0.0", "4.0.1", "4.1.0", "5.0.0"]
    allowed = [version for version in released if all(need.specifier.contains(version) for need in needs)]
    with_mjx = bool({"mujoco-mjx", "brax"} & {need.name for need in wanted(extra)})
    assert allowed[-1] == ("3.17.0" if with_mjx else "4.0.0")


@pytest.mark.parametrize("command", dict.fromkeys(commands()))
def test_readme_commands_exist(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = [word for word in shlex.split(command) if not re.match(r"[A-Z_]+=", word)]
    if words[0] == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert set(words[1:]) <= set(targets)
    elif words[0] == "pip":
        named = re.search(r"\[([\w,-]+)\]", command)
        assert named is None or set(named[1].split(",")) <= set(EXTRAS)
    elif words[0] == "locoenvs":
        flags = [word.split("=")[0] for word in words if word.startswith("--")]
        depth = 3 if words[1] in ("actuator", "robot") else 2  # these have commands of their own
        path = [word for word in words[1:depth] if not word.startswith("-")]
        with pytest.raises(SystemExit) as ended:
            main([*path, "--help"])
        said = capsys.readouterr()
        assert ended.value.code == 0, said.err
        assert all(flag in said.out for flag in flags), f"{flags} not all in:\n{said.out}"
    elif words[:2] == ["python", "-m"]:
        assert importlib.util.find_spec(words[2]) is not None
    else:
        assert words[:2] in (["git", "clone"], ["cd", "locoenvs"]), f"nothing checks {command!r}"


@pytest.mark.parametrize("change", sorted(set(re.findall(r'--set "?([\w.]+=[^\s"`]+)', README))))
def test_what_readme_commands_set_can_be_set(change: str) -> None:
    from locoenvs.training.ppo import PPOConfig, changed_ppo

    (name, value), task = next(iter(changes_given([change]).items())), locoenvs.task("Loco/AnymalC-Rough-v0")
    if name.startswith("ppo."):
        assert changed_ppo(PPOConfig(), {name: value}) != PPOConfig()
    else:
        assert task.with_({name: value}).hash != task.hash


@pytest.mark.parametrize("example", blocks("python"))
def test_readme_examples_run(example: str) -> None:
    small = re.sub(r"num_envs=\d+", "num_envs=4", example)
    subprocess.run([sys.executable, "-c", small], check=True, cwd=ROOT, timeout=280)
