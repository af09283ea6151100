"""Imports run one way, benchmarks -> wrappers -> backends -> locoenvs, and nothing heavy is imported before it is asked for."""

import ast
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import SLOW

ROOT = Path(__file__).parents[1]
FOLDERS = {
    "locoenvs": "locoenvs",
    "backends": "locoenvs.backends",
    "wrappers": "locoenvs.wrappers",
    "benchmarks": "locoenvs.benchmarks",
}
ENGINES = {"mujoco", "warp", "newton", "isaaclab", "isaacsim", "isaacgym", "pxr", "brax.envs"}
LEARNERS = {"rsl_rl", "skrl", "stable_baselines3", "rl_games", "brax.training", "wandb"}
FORBIDDEN = {
    "locoenvs": {"locoenvs.backends", "locoenvs.wrappers", "locoenvs.benchmarks"} | ENGINES | LEARNERS,
    "backends": {"locoenvs.wrappers", "locoenvs.benchmarks"} | LEARNERS,
    "wrappers": {"locoenvs.backends", "locoenvs.benchmarks"}
    | (ENGINES - {"brax.envs"}),  # Brax's learner asks for its Env
    "benchmarks": set[str](),
}
ISAAC_LAB = {"isaaclab", "isaaclab_newton", "isaaclab_physx", "isaaclab_ovphysx", "isaaclab_rl", "isaaclab_tasks"}
ISAAC_LAB |= {"isaacsim", "omni", "ovphysx", "newton", "pxr"}
MDP = ("reward", "curriculum", "command", "observation", "termination")
"""What physics must know nothing of: no name that a backend imports from locoenvs contains one of these."""


def module_name(path: Path) -> str:
    folder, *inner = path.relative_to(ROOT).with_suffix("").parts
    return ".".join([FOLDERS[folder], *inner]).removesuffix(".__init__")


def imports(source: str, module: str, is_package: bool) -> Iterator[tuple[str, bool]]:
    """(full dotted name of what is imported, whether that happens as the module itself is imported)."""

    def walk(node: ast.AST, at_once: bool) -> Iterator[tuple[str, bool]]:
        if isinstance(node, ast.Import):
            yield from ((alias.name, at_once) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            up = module.split(".")[: len(module.split(".")) - node.level + is_package] if node.level else []
            base = ".".join([*up, *([node.module] if node.module else [])])
            yield from ((f"{base}.{alias.name}", at_once) for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for child in node.body:
                yield from walk(child, False)
            for child in node.orelse:
                yield from walk(child, at_once)
        else:
            deeper = at_once and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            for child in ast.iter_child_nodes(node):
                yield from walk(child, deeper)

    yield from walk(ast.parse(source), True)


def inside(name: str, packages: set[str]) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


FLOORS = ("numerics", "tasks", "mdp", "envs", "policies", "evidence", "training", "tools", "testing", "cli")
"""The rooms of ``locoenvs/``, each on the floor above those that it may use."""

SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def imports_of(path: Path) -> list[tuple[str, bool]]:
    return list(imports(path.read_text(), module_name(path), path.name == "__init__.py"))


@pytest.mark.parametrize(
    ("source", "is_package", "expected"),
    [
        ("import mujoco.mjx as x", False, [("mujoco.mjx", True)]),
        ("from locoenvs import rng, rows", False, [("locoenvs.rng", True), ("locoenvs.rows", True)]),
        ("from . import b", False, [("p.q.b", True)]),
        ("from . import b", True, [("p.q.m.b", True)]),
        ("from ..r import b", False, [("p.r.b", True)]),
        ("def f():\n    import torch", False, [("torch", False)]),
        ("class A:\n    import torch", False, [("torch", True)]),
        ("if TYPE_CHECKING:\n    import torch\nelse:\n    import jax", False, [("torch", False), ("jax", True)]),
        ("try:\n    import torch\nexcept ImportError:\n    pass", False, [("torch", True)]),
    ],
)
def test_this_file_reads_imports_as_python_does(
    source: str, is_package: bool, expected: list[tuple[str, bool]]
) -> None:
    assert list(imports(source, "p.q.m", is_package)) == expected


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path: Path) -> None:
    folder = path.relative_to(ROOT).parts[0]
    wrong = [name for name, _ in imports_of(path) if inside(name, FORBIDDEN[folder])]
    assert not wrong, (
        f"{path.relative_to(ROOT)} imports {wrong}; the order is benchmarks -> wrappers -> backends -> locoenvs"
    )


@pytest.mark.parametrize("path", [p for p in SOURCES if p.is_relative_to(ROOT / "backends")], ids=module_name)
def test_a_backend_adds_physics_and_nothing_else(path: Path) -> None:
    names = [name for name, _ in imports_of(path) if inside(name, {"locoenvs"})]
    wrong = [name for name in names if any(word in name.lower() for word in MDP)]
    assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}: that belongs to the task, in locoenvs/"


@pytest.mark.parametrize("folder", ["backends", "wrappers"])
def test_no_backend_needs_another_and_no_learner_another(folder: str) -> None:
    kinds = {path.name for path in (ROOT / folder).iterdir() if (path / "__init__.py").exists()}
    for path in SOURCES:
        kind = path.relative_to(ROOT / folder).parts[0] if path.is_relative_to(ROOT / folder) else ""
        if kind in kinds:
            others = {f"{FOLDERS[folder]}.{other}" for other in kinds - {kind}}
            wrong = [name for name, at_once in imports_of(path) if at_once and inside(name, others)]
            assert not wrong, f"{path.relative_to(ROOT)} imports {wrong} as it is imported"


def test_isaac_lab_is_imported_in_its_own_backend_alone() -> None:
    inside_it = ROOT / "backends" / "isaaclab"
    found = {path for path in SOURCES if any(inside(name, ISAAC_LAB) for name, _ in imports_of(path))}
    assert found and all(path.is_relative_to(inside_it) for path in found)


def test_importing_locoenvs_imports_no_engine_no_learner_and_no_tensor_library() -> None:
    modules = [module_name(p) for p in SOURCES if p.is_relative_to(ROOT / "locoenvs") and p.name != "__main__.py"]
    code = (
        "import importlib, json, sys\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    heavy = {"mujoco", "torch", "jax", "warp", "rsl_rl", "onnxruntime", "matplotlib", "wandb"} | ISAAC_LAB
    assert heavy.isdisjoint(json.loads(result.stdout.splitlines()[-1]))


def test_no_file_is_long() -> None:
    """One concern a file: what has grown beyond this has more than one."""
    assert not [str(path.relative_to(ROOT)) for path in SOURCES if len(path.read_text().splitlines()) > 400]


LARGE = {
    "locoenvs/mdp": "each concern of a step is a file",
    "locoenvs/evidence": "each concern of a judgement is a file",
    "locoenvs/training": "each thing that a run asks for, shares or leaves behind is a file",
    "locoenvs/cli": "each command is a file",
    "locoenvs/tools/view": "each thing that the page shows or takes is a file",
    "backends/isaaclab": "each thing of the engine is a file",
    "backends/mjx": "each thing of the engine is a file",
    "backends/mujoco": "each thing of the engine is a file",
    "wrappers": "each thing of the loop is a file",
    "benchmarks": "each claim is a file",
}
"""The folders with more than a dozen files, and why another folder within would not help, as CONTRIBUTING.md says."""


def test_no_folder_is_large_without_a_reason() -> None:
    counted = Counter(str(path.parent.relative_to(ROOT)) for path in SOURCES)
    assert {folder for folder, files in counted.items() if files > 12} == set(LARGE)


def test_slow_tests_are_there() -> None:
    """A file that was moved would be taken for a fast one."""
    assert not [place for place in SLOW if not (ROOT / "tests" / place).exists()]


def room(name: str) -> str | None:
    """The room of a module of ``locoenvs/``; None for what stands outside of them."""
    parts = name.split(".")
    return parts[1] if parts[0] == "locoenvs" and len(parts) > 1 and parts[1] in FLOORS else None


def test_every_folder_of_locoenvs_is_a_room() -> None:
    assert {path.parent.name for path in (ROOT / "locoenvs").glob("*/__init__.py")} == set(FLOORS)


@pytest.mark.parametrize("path", [p for p in SOURCES if room(module_name(p))], ids=module_name)
def test_no_room_uses_one_above_it(path: Path) -> None:
    own = FLOORS.index(room(module_name(path)) or "")
    above = [name for name, _ in imports_of(path) if (other := room(name)) and FLOORS.index(other) > own]
    assert not above


def test_no_modules_need_each_other() -> None:
    """What a module imports anywhere in it, in a function or for its types too."""
    names = {module_name(path): path for path in SOURCES}
    needs = {
        name: {
            owner
            for imported, _ in imports_of(path)
            for owner in (imported, imported.rpartition(".")[0])
            if owner in names and owner != name and names[owner].name != "__init__.py"
        }
        for name, path in names.items()
    }
    while free := [name for name, others in needs.items() if not others & needs.keys()]:
        for name in free:
            del needs[name]
    assert not needs
