"""The C++ header does what runtime.py does, compiled against onnxruntime's library and, where it is, its header.

Debian's libonnxruntime-dev and onnxruntime's releases have the header; $ONNXRUNTIME_INCLUDE names its folder. Without it the part
of it that is needed stands beside this file.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deployed import walk
from locoenvs.mdp.layout import layout
from locoenvs.policies.deploy.export import write_export
from locoenvs.policies.deploy.log import read_log
from locoenvs.policies.deploy.runtime import Runtime
from locoenvs.policies.memory import Kind, Memory
from locoenvs.policies.policy import POLICIES, load_policy, save_policy

from .test_runtime import BAD, DT, FAR, LYING, TASK, TIPPED, exported, good

pytestmark = pytest.mark.xdist_group("runtime-hpp")

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("google.protobuf")

HERE = Path(__file__).parent
HEADER = HERE.parents[3] / "locoenvs" / "policies" / "deploy" / "runtime.hpp"
COMPILER = shutil.which("g++") or shutil.which("clang++")
LIBRARY = next(iter(sorted((Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*"))), None)
HEADERS = [
    folder
    for name in (os.environ.get("ONNXRUNTIME_INCLUDE", ""), "/usr/include", "/usr/include/onnxruntime")
    if name and (folder := Path(name) / "onnxruntime_c_api.h").is_file()
]
if COMPILER is None:
    pytest.skip("no C++ compiler, g++ or clang++, is installed", allow_module_level=True)
if LIBRARY is None:
    pytest.skip("this onnxruntime package has no libonnxruntime.so to link with", allow_module_level=True)


def compiled(folder: Path, source: str, *more: str, include: Path = HERE) -> Path:
    assert COMPILER is not None
    program = folder / "program"
    strict = ["-std=c++17", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wconversion"]
    command = [COMPILER, *strict, "-I", str(HEADER.parent), "-isystem", str(include), source, "-o", str(program), *more]
    made = subprocess.run(command, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr[:3000]
    return program


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert LIBRARY is not None
    folder, include = tmp_path_factory.mktemp("cpp"), HEADERS[0].parent if HEADERS else HERE
    library = folder / re.sub(r"(\.so\.\d+).*", r"\1", LIBRARY.name)  # as the loader looks for it
    library.symlink_to(LIBRARY)
    return compiled(folder, str(HERE / "drive.cpp"), str(library), f"-Wl,-rpath,{folder}", include=include)


def driven(
    drive: Path,
    folder: Path,
    rows: list[tuple[float, float, bool, dict[str, Any]]],
    delay: float = 0.0,
    **environment: str,
) -> tuple[np.ndarray, list[str]]:
    """What the program makes of (time, now, begun, readings): rows of action, position, stiffness; and what it prints."""
    names = {name: len(value) for name, value in rows[0][3].items()}
    table = [[time, now, begun, *np.concatenate([seen[name] for name in names])] for time, now, begun, seen in rows]
    given, made = folder / "given", folder / "made"
    given.write_bytes(np.array(table, "<f8").tobytes())
    (folder / "cpp.log").unlink(missing_ok=True)
    sizes = [f"{name}:{size}" for name, size in names.items()]
    command = [str(drive), str(folder), str(given), str(made), str(folder / "cpp.log"), str(delay), *sizes]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return np.frombuffer(made.read_bytes(), "<f8").reshape(len(rows), -1), ran.stdout.splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(path.name for path in POLICIES.iterdir()))
def test_it_gives_the_environments_own_actions(drive: Path, tmp_path: Path, name: str) -> None:
    """Of a closed loop that runtime.py drove: 1000 steps of three policies, 100 of the others."""
    policy = load_policy(POLICIES / name)
    write_export(policy, tmp_path)
    whole = name in ("anymal_c_flat", "anymal_c_rough", "anymal_c_flat_lstm")
    loop = walk(policy, tmp_path, 1000 if whole else 100, log=tmp_path / "python.log")
    rows = [(time, time, begun, seen) for time, begun, seen in zip(loop.times, loop.begun, loop.seen)]
    made, said = driven(drive, tmp_path, rows)
    joints = loop.own.shape[1]
    np.testing.assert_allclose(made[:, :joints], loop.own, rtol=0, atol=1e-5)
    assert len(said) == 1 and said[0].startswith("median ")
    mine, theirs = read_log(tmp_path / "python.log"), read_log(tmp_path / "cpp.log")
    for field in ("time", "begun", "readings", "actions", "targets"):
        np.testing.assert_allclose(getattr(theirs, field), getattr(mine, field), rtol=0, atol=1e-5)
    assert theirs.fault == mine.fault and theirs.sha256 == mine.sha256


FAULTY = [changes for changes, why in BAD if why.startswith(("not finite", "out of range"))]
TIMES = [(-0.1, -0.1), (-1e-6, 0.0), (0.009, 0.07), (0.009, np.nan), (np.nan, 0.0)]
TIMES += [(0.061, 0.061), (DT, DT + 0.061), (DT, DT - 0.061)]


@pytest.mark.slow
def test_it_damps_what_runtime_py_damps_and_says_the_same(drive: Path, tmp_path: Path) -> None:
    assert len(FAULTY) >= 7
    run = Runtime(exported(tmp_path))
    cases = [(DT, DT, changes) for changes in FAULTY] + [(time, now, {}) for time, now in TIMES]
    rows, expected = list[tuple[float, float, bool, dict[str, Any]]](), list[str]()
    for time, now, changes in cases:
        rows += [(0.0, 0.0, True, good()), (time, now, False, good(**changes))]
        run.reset()
        run.step(0.0, good())
        expected.append(run.step(time, good(**changes), now).fault)
    made, said = driven(drive, tmp_path, rows)
    faults = {int(line.split()[0]): line.partition(" ")[2] for line in said[:-1]}
    words = lambda text: re.sub(r"-?\d[\d.e+-]*", "#", text)  # noqa: E731  # numbers are rounded otherwise
    for index, fault in enumerate(expected):
        assert words(faults[2 * index + 1]) == words(fault)
    stiffness = made[:, -2:]
    assert (stiffness[0::2] == 40).all() and not stiffness[1::2].any()


def test_readings_of_another_size_or_none_are_damped(drive: Path, tmp_path: Path) -> None:
    exported(tmp_path)
    said = driven(drive, tmp_path, [(0.0, 0.0, True, good(joint_position=[0.1]))])[1]
    assert said[0] == "0 shape: joint_position must be 2 numbers, got 1"
    said = driven(drive, tmp_path, [(0.0, 0.0, True, good(joint_position=None))])[1]
    assert said[0] == "0 missing: no reading 'joint_position'"


def test_an_early_step_tells_the_targets_and_runs_nothing(drive: Path, tmp_path: Path) -> None:
    run = Runtime(exported(tmp_path))
    times = [0.0, 0.0, 0.0099, 0.011, 0.071]
    made, said = driven(
        drive, tmp_path, [(time, time, time == 0.0 and not index, good()) for index, time in enumerate(times)]
    )
    assert len(said) == 1, "no fault"
    expected = []
    for time in times:
        run.step(time, good())
        expected.append(run.action)
    np.testing.assert_allclose(made[:, :2], expected, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(made[0], made[2])
    assert read_log(tmp_path / "cpp.log").time.tolist() == [0.0, 0.011, 0.071]


def test_a_policy_need_not_see_its_last_action(drive: Path, tmp_path: Path) -> None:
    run = Runtime(exported(tmp_path, TASK.with_({"observations.slots.last_action": None})))
    made, said = driven(drive, tmp_path, [(time, time, time == 0, good()) for time in (0.0, DT)])
    assert len(said) == 1
    for row, time in zip(made, (0.0, DT)):
        run.step(time, good())
        np.testing.assert_allclose(row[:2], run.action, rtol=0, atol=1e-5)


def test_the_first_step_is_upright_and_near_the_default_pose(drive: Path, tmp_path: Path) -> None:
    exported(tmp_path)
    rows = list[tuple[float, float, bool, dict[str, Any]]]()
    for seen in (good(joint_position=[0.45, -0.1]), good(projected_gravity=TIPPED)):
        near = good(joint_position=[0.39, -0.39])
        rows += [(0.0, 0.0, True, seen), (0.0, 0.0, True, near), (DT, DT, False, seen)]
    made, said = driven(drive, tmp_path, rows)
    assert said[0] == f"0 {FAR}" and said[2].startswith(f"3 {LYING}")
    assert made[:, -1].tolist() == 2 * [0, 40, 40]


def test_a_programs_locale_changes_nothing(drive: Path, tmp_path: Path) -> None:
    exported(tmp_path)
    rows = [(time, time, time == 0, good()) for time in (0.0, DT)]
    expected, _ = driven(drive, tmp_path, rows)
    made, _ = driven(drive, tmp_path, rows, COMMAS="1")
    np.testing.assert_array_equal(made, expected)
    assert len(read_log(tmp_path / "cpp.log").time) == 2, "nor the log's header"
    assert "strtod" not in HEADER.read_text(), "which follows the locale of C"


def test_a_log_is_not_written_over(drive: Path, tmp_path: Path) -> None:
    (tmp_path / "walk.log").write_bytes(b"of before")
    command = [str(drive), str(exported(tmp_path)), "given", "made", str(tmp_path / "walk.log"), "0"]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert ran.returncode == 2 and "walk.log exists already: choose another name" in ran.stderr
    assert (tmp_path / "walk.log").read_bytes() == b"of before"


@pytest.mark.parametrize("flag", ["-ffast-math", "-ffinite-math-only"])
def test_it_is_not_compiled_where_nan_is_a_number(flag: str) -> None:
    assert COMPILER is not None
    command = [COMPILER, "-std=c++17", "-E", "-I", str(HERE), str(HEADER)]
    assert subprocess.run(command, capture_output=True).returncode == 0
    refused = subprocess.run([*command, flag], capture_output=True, text=True)
    assert refused.returncode != 0 and "takes every NaN for a number" in refused.stderr


def test_targets_come_as_late_as_in_training_less_what_the_robot_takes(drive: Path, tmp_path: Path) -> None:
    exported(tmp_path, TASK.with_({"randomization.terms.action_delay.parameters.delay": [0.03, 0.05]}))
    run = Runtime(tmp_path, robot_delay=0.005)
    times = [DT * step for step in range(4)]
    made, _ = driven(drive, tmp_path, [(time, time, time == 0, good()) for time in times], delay=0.005)
    expected = [run.step(time, good()).position for time in times]
    np.testing.assert_allclose(made[:, 2:4], expected, atol=1e-5)
    assert not np.allclose(expected[1], expected[2])


@pytest.mark.parametrize(("kind", "gates"), [("gru", 3), ("lstm", 4)])
def test_it_remembers_what_a_recurrent_policy_does(drive: Path, tmp_path: Path, kind: Kind, gates: int) -> None:
    rng, size = np.random.default_rng(0), layout(TASK)[-1].stop
    shapes = [[(gates * 5, inputs), (gates * 5, 5), (gates * 5,), (gates * 5,)] for inputs in (size, 5)]
    units = [tuple(rng.normal(size=shape) / 3 for shape in unit) for unit in shapes]
    save_policy(tmp_path, TASK, [(rng.normal(size=(2, 5)), np.zeros(2))], memory=Memory(kind, units))  # type: ignore[arg-type]
    run = Runtime(tmp_path)
    times = [(DT * (step % 5), step % 5 == 0, good(joint_velocity=rng.normal(size=2))) for step in range(10)]
    made, _ = driven(drive, tmp_path, [(time, time, begun, seen) for time, begun, seen in times])
    for row, (time, begun, seen) in zip(made, times):
        if begun:
            run.reset()
        run.step(time, seen)
        np.testing.assert_allclose(row[:2], run.action, rtol=0, atol=1e-5)


def test_a_broken_folder_is_refused(drive: Path, tmp_path: Path) -> None:
    def error() -> str:
        command = [str(drive), str(tmp_path), "given", "made", "", "0"]
        ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert ran.returncode == 2
        return ran.stderr

    assert "policy.json is missing" in error()
    document = (exported(tmp_path) / "policy.json").read_text()
    for wrong, why in (
        (document.replace('"format_version": 3', '"format_version": 2', 1), "is not of format locoenvs.policy 3"),
        (document.replace('"limits"', '"limit"', 1), "policy.json lacks 'limits'"),
        (document[:500], "policy.json is not JSON"),
        ("[" * 1000, "policy.json is nested too deeply"),
    ):
        (tmp_path / "policy.json").write_text(wrong)
        assert why in error()
    (tmp_path / "policy.json").write_text(document)
    (tmp_path / "policy.onnx").write_bytes(b"none")
    assert "onnxruntime: " in error()


PLACES = """
#include <onnxruntime_c_api.h>
#include <cstddef>
#include <cstdio>
int main() {
"""
USED = ("GetErrorMessage", "CreateEnv", "CreateSession", "Run", "CreateSessionOptions", "SetIntraOpNumThreads") + (
    "SetInterOpNumThreads", "CreateTensorWithDataAsOrtValue", "CreateCpuMemoryInfo", "ReleaseEnv", "ReleaseStatus") + (
    "ReleaseMemoryInfo", "ReleaseSession", "ReleaseValue", "ReleaseSessionOptions")  # fmt: skip


def test_the_part_of_the_header_that_stands_here_is_onnxruntimes(tmp_path: Path) -> None:
    if not HEADERS:
        pytest.skip("onnxruntime_c_api.h is not installed: set ONNXRUNTIME_INCLUDE to its folder")
    used = re.findall(r"api_->(\w+)", HEADER.read_text())
    assert set(used) == set(USED)
    lines = [f'std::printf("{name} %zu\\n", offsetof(OrtApi, {name}));' for name in USED]
    constants = (
        "ORT_LOGGING_LEVEL_ERROR",
        "ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT",
        "OrtArenaAllocator",
        "OrtMemTypeDefault",
    )
    lines += [f'std::printf("{name} %d\\n", static_cast<int>({name}));' for name in constants]
    (tmp_path / "places.cpp").write_text(PLACES + "\n".join(lines) + "\n}\n")
    found = []
    for include in (HERE, HEADERS[0].parent):
        program = compiled(tmp_path, str(tmp_path / "places.cpp"), include=include)
        found.append(subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout)
    assert found[0] == found[1]
