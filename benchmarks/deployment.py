"""What a step of an exported policy costs on one core: :mod:`locoenvs.policies.deploy.runtime` in Python, and its C++ header.

::

    python -m locoenvs.benchmarks.deployment --include FOLDER --out benchmarks/results/deployment.json

``FOLDER`` holds ``onnxruntime_c_api.h``, of onnxruntime's releases or Debian's ``libonnxruntime-dev``; C++ is left out, and that is said, where it or a
compiler is missing. The robot stands still: a step does the same work whatever the readings are.
"""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console
from rich.table import Table

from locoenvs.benchmarks import reports
from locoenvs.machine import measured_by
from locoenvs.policies.deploy import runtime
from locoenvs.policies.deploy.export import write_export
from locoenvs.policies.deploy.runtime import Runtime
from locoenvs.policies.policy import POLICIES, Policy, load_policy

SOURCE = Path(__file__).with_suffix(".cpp")
HEADER = "onnxruntime_c_api.h"
SHIPPED = tuple(sorted(path.name for path in POLICIES.iterdir()))
INCLUDES = (Path("/usr/include/onnxruntime"), Path("/usr/include"))


def still(robot: Runtime, height: float) -> dict[str, list[float]]:
    """Readings of a robot that stands in its default pose ``height`` m above level ground."""
    known = {
        "projected_gravity": [0.0, 0.0, -1.0],
        "joint_position": list(robot.default),
        "command": [0.5, 0.0, 0.0],
        "heights": [height] * robot.readings.get("heights", 0),
    }
    return {name: known.get(name, [0.0] * size) for name, size in robot.readings.items()}


def layers(policy: Policy) -> list[int]:
    """Numbers that go in, units of the hidden layers, joints."""
    document = policy.document
    return [document["observation"]["size"], *document["network"]["hidden"], len(policy.task.robot.joints)]


def in_python(folder: Path, readings: dict[str, list[float]], steps: int) -> list[float]:
    """Microseconds of each step."""
    robot, spent = Runtime(folder), list[float]()
    for step in range(steps):
        start = time.perf_counter()
        targets = robot.step(step * robot.control_dt, readings)
        spent.append((time.perf_counter() - start) * 1e6)
        if targets.fault:
            raise RuntimeError(f"{folder.name}: {targets.fault}")
    return spent


def compiled(folder: Path, include: Path | None) -> Path | str:
    """The program that measures the C++ header, or why there is none."""
    import onnxruntime

    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        return "no C++ compiler, g++ or clang++"
    header = next((at for at in ([include] if include else INCLUDES) if (at / HEADER).is_file()), None)
    if header is None:
        return f"no {HEADER}: say where it is by --include"
    libraries = sorted((Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*"))
    if not libraries:
        return "this onnxruntime package has no libonnxruntime.so to link with"
    library, program = folder / re.sub(r"(\.so\.\d+).*", r"\1", libraries[0].name), folder / "deployment"
    library.symlink_to(libraries[0])  # by the name that the loader looks for
    own = Path(runtime.__file__).parent
    command = [compiler, "-std=c++17", "-O2", "-I", str(own), "-I", str(header), str(SOURCE), str(library)]
    subprocess.run([*command, f"-Wl,-rpath,{folder}", "-o", str(program)], check=True)
    return program


def in_cpp(program: Path, folder: Path, readings: dict[str, list[float]], steps: int) -> list[float]:
    """Microseconds of each step."""
    words = [f"{name}:{','.join(map(repr, map(float, values)))}" for name, values in readings.items()]
    ran = subprocess.run([str(program), str(folder), str(steps), *words], capture_output=True, text=True)
    if ran.returncode:
        raise RuntimeError(f"{folder.name}: {ran.stderr.strip()}")
    return [float(line) for line in ran.stdout.split()]


def table(results: list[dict[str, Any]]) -> Table:
    """The results for reading."""
    made = Table("policy", "layers", "Python", "C++", title="microseconds a step, medians")
    for result in results:
        cells = [f"{result[name]:.1f}" if name in result else "" for name in ("python_us", "cpp_us")]
        made.add_row(result["policy"], " - ".join(map(str, result["layers"])), *cells)
    return made


def deployment(
    steps: int = 2000,
    repeats: int = 5,
    policies: tuple[str, ...] = SHIPPED,
    include: Path | None = None,
    out: Path | None = None,
) -> list[dict[str, Any]]:
    """Measure shipped policies, in turns; the medians of all steps, without the log.

    Args:
        steps: Steps of a turn.
        repeats: Turns of each policy.
        policies: Their names.
        include: Folder of onnxruntime's C header.
        out: File for the result, as JSON.
    """
    console, results = Console(), list[dict[str, Any]]()
    with tempfile.TemporaryDirectory() as scratch:
        program, folders = compiled(Path(scratch), include), dict[str, Path]()
        spent: dict[str, dict[str, list[float]]] = {name: {"python_us": [], "cpp_us": []} for name in policies}
        loaded = {name: load_policy(POLICIES / name) for name in policies}
        for name, policy in loaded.items():
            folders[name] = Path(scratch) / name
            write_export(policy, folders[name])
        for _ in range(repeats):
            for name, folder in folders.items():
                readings = still(Runtime(folder), loaded[name].task.robot.start_height)
                spent[name]["python_us"] += in_python(folder, readings, steps)
                if isinstance(program, Path):
                    spent[name]["cpp_us"] += in_cpp(program, folder, readings, steps)
    for name, times in spent.items():
        medians = {language: round(statistics.median(values), 2) for language, values in times.items() if values}
        results.append({"policy": name, "layers": layers(loaded[name]), **medians})
    console.print(table(results))
    if isinstance(program, str):
        console.print(f"C++ is not measured: {program}")
    if out is not None:
        report = {**measured_by("deployment", "locoenvs", "onnxruntime", "numpy"), "steps": steps, "repeats": repeats}
        reports.write(
            out, {**report, "results": results, "cpp_left_out": program if isinstance(program, str) else None}
        )
    return results


if __name__ == "__main__":
    tyro.cli(deployment)
