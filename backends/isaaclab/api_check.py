"""Are the names that the backend uses of Isaac Lab 2.3 in a published package of it? Names and signatures only: nothing runs.

::

    pip download isaaclab==2.3.2.post1 --no-deps
    python -m locoenvs.backends.isaaclab.api_check isaaclab-2.3.2.post1-*.whl

Isaac Lab 2.3 cannot be imported without Isaac Sim, so its sources are read, not run. What PhysX's own views offer
(``root_physx_view``) is not part of the package, and is not checked.
"""

from __future__ import annotations

import ast
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Use:
    """A class or function that is imported from ``module``: fields and properties, and methods with their parameters."""

    module: str
    name: str
    attributes: tuple[str, ...] = ()
    methods: tuple[tuple[str, tuple[str, ...]], ...] = ()


USED: tuple[Use, ...] = (
    Use("isaaclab.actuators", "ImplicitActuatorCfg", ("joint_names_expr", "stiffness", "damping")),
    Use("isaaclab.app", "AppLauncher", (), (("__init__", ("launcher_args",)),)),
    Use("isaaclab.assets", "ArticulationCfg", ("prim_path", "spawn", "init_state", "actuators", "InitialStateCfg")),
    Use("isaaclab.assets", "AssetBaseCfg", ("prim_path", "spawn")),
    Use(
        "isaaclab.assets",
        "Articulation",
        ("data", "joint_names", "body_names", "root_physx_view"),
        (
            ("write_root_link_pose_to_sim", ("root_pose", "env_ids")),
            ("write_root_link_velocity_to_sim", ("root_velocity", "env_ids")),
            ("write_joint_state_to_sim", ("position", "velocity", "joint_ids", "env_ids")),
            ("set_joint_effort_target", ("target",)),
            ("write_data_to_sim", ()),
        ),
    ),
    Use(
        "isaaclab.assets",
        "ArticulationData",
        ("root_link_pose_w", "root_link_vel_w", "body_link_pose_w", "body_link_vel_w", "joint_pos", "joint_vel"),
    ),
    Use("isaaclab.envs", "DirectRLEnv", (), (("__init__", ("cfg", "render_mode")),)),
    Use(
        "isaaclab.envs",
        "DirectRLEnvCfg",
        ("sim", "scene", "seed", "decimation", "episode_length_s", "observation_space", "action_space", "state_space",
         "is_finite_horizon"),
    ),
    Use("isaaclab.scene", "InteractiveScene", (), (("__init__", ("cfg",)), ("update", ("dt",)), ("__getitem__", ("key",)))),
    Use("isaaclab.scene", "InteractiveSceneCfg", ("num_envs", "env_spacing", "replicate_physics")),
    Use("isaaclab.sensors", "ContactSensorCfg", ("prim_path",)),
    Use("isaaclab.sensors", "ContactSensor", ("data", "body_names")),
    Use("isaaclab.sensors", "ContactSensorData", ("net_forces_w",)),
    Use("isaaclab.sim", "PhysxCfg", ("gpu_max_rigid_contact_count", "gpu_max_rigid_patch_count")),
    Use("isaaclab.sim", "SimulationCfg", ("device", "dt", "render_interval", "physx")),
    Use(
        "isaaclab.sim",
        "SimulationContext",
        (),
        (("__init__", ("cfg",)), ("reset", ()), ("step", ("render",)), ("forward", ()), ("clear_instance", ())),
    ),
    Use("isaaclab.sim", "UsdFileCfg", ("usd_path",)),
    Use("isaaclab.utils.configclass", "configclass"),
)  # fmt: skip
"""What the backend takes from Isaac Lab 2.3."""


@dataclass(frozen=True)
class Sources:
    """The sources of a package ``isaaclab``; ``root`` is the folder that holds it."""

    root: Path

    def problems(self, used: tuple[Use, ...] = USED) -> list[str]:
        """What of ``used`` is not there."""
        return [problem for use in used for problem in self._problems(use)]

    def _problems(self, use: Use) -> Iterator[str]:
        definition = self.find(use.module, use.name)
        if definition is None:
            yield f"{use.module} has no {use.name}"
            return
        where, node = definition
        if not isinstance(node, ast.ClassDef):
            return
        members = self.members(where, node)
        for name in use.attributes:
            if name not in members:
                yield f"{use.module}.{use.name} has no {name}"
        for name, parameters in use.methods:
            method = members.get(name)
            if not isinstance(method, ast.FunctionDef):
                yield f"{use.module}.{use.name} has no method {name}"
                continue
            arguments = method.args
            there = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
            for parameter in parameters:
                if parameter not in there:
                    yield f"{use.module}.{use.name}.{name} has no parameter {parameter}; it has {there}"

    def find(self, module: str, name: str, seen: frozenset[str] = frozenset()) -> tuple[str, ast.stmt] | None:
        """(module, definition) of what ``from module import name`` gives, through re-exports."""
        path = self._path(module)
        if path is None or module in seen:
            return None
        for node in _statements(ast.parse(path.read_text()).body):
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
                return module, node
            if isinstance(node, ast.ImportFrom):
                source = _absolute(node, module, path.name == "__init__.py")
                for alias in node.names:
                    if alias.name == "*" or (alias.asname or alias.name) == name:
                        wanted = name if alias.name == "*" else alias.name
                        if found := self.find(source, wanted, seen | {module}):
                            return found
        return None

    def members(self, module: str, node: ast.ClassDef) -> dict[str, ast.stmt]:
        """Name -> definition of all fields, properties, methods and what is set on self, those of base classes too."""
        statements: dict[str, ast.stmt] = {}
        for base in node.bases:
            name = ast.unparse(base).partition("[")[0].split(".")[-1]
            if (parent := self.find(module, name)) and isinstance(parent[1], ast.ClassDef):
                statements |= self.members(parent[0], parent[1])
        for child in node.body:
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                statements[child.name] = child
            elif isinstance(child, ast.AnnAssign) and isinstance(child.target, ast.Name):
                statements[child.target.id] = child
            elif isinstance(child, ast.Assign):
                statements |= {target.id: child for target in child.targets if isinstance(target, ast.Name)}
        return statements

    def _path(self, module: str) -> Path | None:
        inner = self.root.joinpath(*module.split("."))
        return next((path for path in (inner / "__init__.py", inner.with_suffix(".py")) if path.exists()), None)


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements as a module is imported, also those in its ifs and tries."""
    for node in body:
        if isinstance(node, ast.If | ast.Try):
            yield from _statements([*node.body, *node.orelse])
        else:
            yield node


def _absolute(node: ast.ImportFrom, module: str, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    kept = parts[: len(parts) - node.level + is_package]
    return ".".join([*kept, *([node.module] if node.module else [])])


def sources(folder: Path) -> Sources:
    """The package's sources somewhere below a folder. Raises ValueError if there are none."""
    for path in sorted(folder.rglob("isaaclab/assets/__init__.py"), key=lambda path: len(path.parts)):
        return Sources(path.parents[2])
    raise ValueError(f"{folder} holds no sources of a package isaaclab")


def check(package: Path) -> list[str]:
    """What the backend uses and the package, a wheel or a folder, lacks."""
    if package.is_dir():
        return sources(package).problems()
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(package) as archive:
            archive.extractall(folder, [name for name in archive.namelist() if name.endswith(".py")])
        return sources(Path(folder)).problems()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    missing = check(Path(sys.argv[1]))
    names = sum(1 + len(use.attributes) + sum(1 + len(p) for _, p in use.methods) for use in USED)
    print("\n".join(missing) or f"{names} names and parameters are there; none of them was run")
    sys.exit(bool(missing))
