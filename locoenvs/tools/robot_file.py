"""Robots from files: our own data files, which are Python, and what a backend's engine can read (MJCF, URDF).

A data file is code of the user's own, and reading it runs it. Whatever is wrong in it is named by line and field.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, TracebackType

from pydantic import ValidationError

from locoenvs.install import plugins
from locoenvs.tasks.robot import Body, Joint, Robot, Sphere, Visual
from locoenvs.tasks.suite import SuiteRobot

READERS = "locoenvs.robot_files"
"""The entry-point group of readers of other formats: named by the file's suffix, each loads to
``read(path) -> Description``."""

_PARTS = {kind.__name__: kind for kind in (Body, Joint, Robot, Sphere, Visual)}


@dataclass(frozen=True)
class Description:
    """What a reader of another format finds: a robot, and what is not in it as it is in the file, a short line each.

    A note begins with what became of it: "not kept: damping of joints: knee 0.5", "changed: ...", "assumed: ...". What
    would make another machine if it were left out, such as a closed loop, is no note: the reader raises ValueError.
    """

    robot: Robot
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class RobotFile:
    """A robot's file as read: the robot with its tasks, and the notes of the description that it comes from."""

    suite: SuiteRobot
    notes: tuple[str, ...] = ()

    @property
    def robot(self) -> Robot:
        return self.suite.robot


def read_robot(path: Path) -> RobotFile:
    """The robot in a file, with its tasks if it is a data file that has a ``SUITE``.

    Raises ValueError naming the line and the field of what is wrong.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    if path.suffix == ".py":
        return RobotFile(_data_file(path))
    readers = plugins(READERS)
    reader = readers.get(path.suffix.removeprefix("."))
    if reader is None:
        raise ValueError(f"{path}: a robot's file ends in .py, {', '.join(f'.{name}' for name in sorted(readers))}")
    found: Description = reader.load()(path)
    return RobotFile(SuiteRobot("Robot", found.robot), found.notes)


def _data_file(path: Path) -> SuiteRobot:
    spec = importlib.util.spec_from_file_location(f"robot_file_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the user's own file: whatever it raises is what is wrong with it
        raise ValueError(_named(path, error)) from error
    suite = getattr(module, "SUITE", None)
    if isinstance(suite, SuiteRobot):
        return suite
    robots = [value for value in vars(module).values() if isinstance(value, Robot)]
    if len(robots) != 1:
        raise ValueError(
            f"{path}: needs a SUITE = SuiteRobot(id, robot), or one Robot; it has {len(robots)} and no SUITE"
        )
    return SuiteRobot("Robot", robots[0])


def _named(path: Path, error: Exception) -> str:
    """What is wrong, with the line of the file and the field."""
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).resolve() == path.resolve():
        return f"{path}, line {error.lineno}: {error.msg}"
    source = path.read_text()
    own = [trace for trace in _traces(error) if Path(trace.tb_frame.f_code.co_filename).resolve() == path.resolve()]
    if not own:
        return f"{path}: {type(error).__name__}: {error}"
    call = _call_at(ast.parse(source), own[-1].tb_frame.f_code, own[-1].tb_lasti)
    line = call.lineno if call is not None else own[-1].tb_lineno
    if not isinstance(error, ValidationError):
        return f"{path}, line {line}: {error if isinstance(error, ValueError) else f'{type(error).__name__}: {error}'}"
    said = []
    for detail in error.errors():
        field, at = _field(call, error.title, detail["loc"])
        message = detail["msg"].removeprefix("Value error, ")
        given = f" (got {detail['input']!r})" if field else ""
        where = f"{path}, line {at or line}: {f'{error.title}.{field}: ' if field else ''}"
        said.append(f"{where}{message}{given}{_also(source, message)}")
    return "\n".join(said)


def _traces(error: Exception) -> list[TracebackType]:
    traces, trace = [], error.__traceback__
    while trace is not None:
        traces.append(trace)
        trace = trace.tb_next
    return traces


def _call_at(tree: ast.Module, code: CodeType, last: int) -> ast.Call | None:
    """The call that was running: the node at the source position of the last instruction."""
    position = list(code.co_positions())[last // 2]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if (node.lineno, node.end_lineno, node.col_offset, node.end_col_offset) == position:
                return node
    return None


def _field(call: ast.Call | None, kind: str, location: Sequence[int | str]) -> tuple[str, int | None]:
    """The field of a part that an error is about, or the argument too many, and the line where it is given."""
    if not location or kind not in _PARTS:
        return "", None
    names = [field.name for field in dataclasses.fields(_PARTS[kind])]
    first = location[0]
    if isinstance(first, int):
        name = names[first] if first < len(names) else f"argument {first + 1} of {len(names)}"
    else:
        name = first
    rest = "".join(f"[{index}]" for index in location[1:])
    line = None
    if call is not None:
        given = {keyword.arg: keyword.value.lineno for keyword in call.keywords}
        positional = isinstance(first, int) and first < len(call.args)
        line = call.args[first].lineno if positional else given.get(name)  # type: ignore[index]
    return name + rest, line


def _also(source: str, message: str) -> str:
    """Where in the file the first name that the message quotes stands."""
    quoted = re.findall(r"names '([^']+)'", message)
    lines = [
        str(number)
        for number, line in enumerate(source.splitlines(), 1)
        if quoted and re.search(rf"['\"]{re.escape(quoted[0])}['\"]", line)
    ]
    return f"; {quoted[0]!r} stands on line {', '.join(lines)}" if lines else ""


def write_data_file(robot: Robot, path: Path, origin: str, notes: Sequence[str] = ()) -> None:
    """Write a data file to start from: the numbers of ``robot``, to be completed by hand, with ``notes`` on top."""
    name = re.sub(r"[\W_]", "", robot.name.title()) or "Robot"
    lines = [
        f'"""{name}, from {_plain(origin)}.',
        "",
        "What a description does not hold was guessed: default pose, gains, feet, spheres, action scale. Look at each.",
        *(["", "What the description says otherwise:", *(f"- {_plain(note)}" for note in notes)] if notes else []),
        '"""',
        "",
        "from locoenvs.tasks.robot import Body, Joint, Robot, Sphere",
        "from locoenvs.tasks.suite import SuiteRobot",
        "",
        "ROBOT = Robot(",
    ]
    for field in dataclasses.fields(robot):
        value = getattr(robot, field.name)
        if field.name in ("bodies", "spheres", "mirror") and value:
            lines += [f"    {field.name}=(", *(f"        {item!r}," for item in value), "    ),"]
        elif field.name != "visuals":
            lines.append(f"    {field.name}={value!r},")
    lines += [")", "", f'SUITE = SuiteRobot("{name}", ROBOT)', ""]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines))


def _plain(text: str) -> str:
    """Text of a stranger's that stays inside a docstring."""
    return re.sub(r"[^ -~]", "?", text).replace("\\", "/").replace('"', "'")
