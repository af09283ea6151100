"""Robots from files: what is wrong in one is named by line and field, and what is wrong with a robot is found."""

from __future__ import annotations

import ast
import dataclasses
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from locoenvs.cli import robot as cli_robot
from locoenvs.cli.app import main
from locoenvs.tasks import recipes
from locoenvs.tasks.robot import Robot
from locoenvs.tasks.robots import ROBOTS
from locoenvs.tasks.suite import SuiteRobot
from locoenvs.tools import robot_check, robot_file
from locoenvs.tools.robot_check import check_robot
from locoenvs.tools.robot_file import Description, read_robot, write_data_file

FILE = """from locoenvs.tasks.robot import Body, Joint, Robot, Sphere

BASE = Body("base", None, (0, 0, 0), 5.0, (0, 0, 0), (0.1, 0.1, 0.1, 0, 0, 0))
LEG = Body(
    "leg",
    parent="base",
    position=(0, 0, -0.1),
    mass=1.0,
    center_of_mass=(0, 0, 0),
    inertia=(0.01, 0.01, 0.01, 0, 0, 0),
    joint=Joint("hip", (0, 1, 0), -1.0, 1.0, 10.0, 10.0, 0.0, 10.0, 1.0),
)
ROBOT = Robot(
    name="toy", bodies=(BASE, LEG), spheres=(Sphere("base", (0, 0, 0), 0.1), Sphere("leg", (0, 0, -0.2), 0.02)),
    feet=("leg",), penalized=(), terminating=("base",),
    start_height=0.4, action_scale=0.5, mirror=(("hip", 1.0),),
)
"""


def written(tmp_path: Path, old: str = "", new: str = "") -> Path:
    assert old in FILE
    (tmp_path / "toy.py").write_text(FILE.replace(old, new, 1) if old else FILE)
    return tmp_path / "toy.py"


def test_a_data_file_is_read_with_or_without_a_suite(tmp_path: Path) -> None:
    plain = read_robot(written(tmp_path))
    assert plain.robot.name == "toy" and plain.suite.weights == {}
    more = (
        FILE
        + 'from locoenvs.tasks.suite import SuiteRobot\nSUITE = SuiteRobot("Toy", ROBOT, weights={"collisions": -2})\n'
    )
    (tmp_path / "toy.py").write_text(more)
    assert read_robot(tmp_path / "toy.py").suite.weights == {"collisions": -2}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("mass=1.0", "mass=-1.0", r"toy.py, line 8: Body.mass: Input should be greater than 0 \(got -1.0\)"),
        ("5.0, (0, 0, 0)", "0, (0, 0, 0)", r"line 3: Body.mass: Input should be greater than 0 \(got 0\)"),
        ("0.01, 0, 0, 0)", "0.01, 0, 0)", r"line 10: Body.inertia\[5\]: Field required"),
        ("-1.0, 1.0, 10.0", "1.0, -1.0, 10.0", r"line 11: joint 'hip': lower 1.0 must be below upper -1.0"),
        ('parent="base"', 'parent="bas"', r"line 13: body 'leg': parent 'bas' must be one of the bodies before it"),
        ('feet=("leg",)', 'feet=("leg", "paw")', r"line 13: .*feet names 'paw'; its bodies are .*; 'paw' stands on line 15"),
        ('mirror=(("hip", 1.0),)', 'mirror=(("hop", 1.0),)', r"mirror must name every joint once: \['hip'\]; look at \['hip', 'hop'\]"),
        ("mass=1.0", "mas=1.0", r"line 4: Body.mass: Field required.*\n.*line 8: Body.mas: Unexpected keyword argument"),
        ("0.1, 0, 0, 0))", "0.1, 0, 0, 0), None, 7)", r"line 3: Body.argument 8 of 7: Unexpected positional argument \(got 7\)"),
        ("penalized=()", 'penalized=("leg",)', r"line 13: robot 'toy': \['leg'\] are feet and penalized"),
        ("mass=1.0,", "mass=1.0", r"toy.py, line [78]: "),
        ("(BASE, LEG)", "(BASE, LEGG)", r"line 1[34]: NameError: name 'LEGG' is not defined"),
    ],
)  # fmt: skip
def test_an_error_is_named_by_line_and_field(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_robot(written(tmp_path, old, new))


@pytest.mark.parametrize(
    ("helper", "message"),
    [
        ("\n\n\n1 / 0\n", r"toy.py, line 2: ZeroDivisionError: division by zero"),
        ("\n\n\nx = (\n", r"toy.py, line 2: SyntaxError: '\(' was never closed \(toy_helper.py, line 4\)"),
    ],
)
def test_an_error_in_a_module_that_a_file_imports_is_named_by_the_import(
    tmp_path: Path, helper: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "toy_helper.py").write_text(helper)
    (tmp_path / "toy.py").write_text(f"x = 1\nimport toy_helper\n{FILE}")
    with pytest.raises(ValueError, match=message):
        read_robot(tmp_path / "toy.py")


def test_other_files_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no file"):
        read_robot(tmp_path / "nothing.py")
    (tmp_path / "robot.yaml").write_text("")
    with pytest.raises(ValueError, match=r"a robot's file ends in .py, .urdf, .xml"):
        read_robot(tmp_path / "robot.yaml")
    (tmp_path / "empty.py").write_text("x = 1\n")
    with pytest.raises(ValueError, match="needs a SUITE = SuiteRobot.*it has 0"):
        read_robot(tmp_path / "empty.py")


def test_what_is_written_reads_back_as_the_same_robot(tmp_path: Path) -> None:
    robot = ROBOTS["AnymalB"]
    write_data_file(robot, tmp_path / "b.py", "a test")
    assert read_robot(tmp_path / "b.py").robot == dataclasses.replace(robot, visuals=())


def test_what_a_description_says_otherwise_stands_in_the_data_file(tmp_path: Path) -> None:
    """As text and no more, whatever a stranger's names are made of."""
    hostile = 'not kept: """\nimport os \\ {x} \u2028'
    write_data_file(ROBOTS["A1"], tmp_path / "a.py", 'a"""\n.urdf', ["not kept: damping of joints: hip 1", hostile])
    assert read_robot(tmp_path / "a.py").robot.name == ROBOTS["A1"].name
    doc = ast.get_docstring(ast.parse((tmp_path / "a.py").read_text()))
    assert doc is not None and doc.startswith("A1, from a'''?.urdf.")
    assert (
        "What the description says otherwise:\n- not kept: damping of joints: hip 1\n- not kept: '''?import os / {x} ?"
        in doc
    )


def test_a_readers_notes_are_shown_by_both_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    notes = (
        "not kept: damping of joints: [red]hip[/red] 0.5 and a line that is much longer than eighty columns are",
        "changed: x",
    )
    reader = SimpleNamespace(load=lambda: lambda path: Description(ROBOTS["A1"], notes))
    monkeypatch.setattr(robot_file, "plugins", lambda group: {"toy": reader})
    monkeypatch.setattr(cli_robot, "check_robot", lambda robot, backend: ([], "none here"))
    (tmp_path / "a.toy").write_text("")
    assert read_robot(tmp_path / "a.toy").notes == notes
    main(["robot", "convert", str(tmp_path / "a.toy"), "--out", str(tmp_path / "a.py")])
    assert capsys.readouterr().out.startswith("\n".join(notes))
    main(["robot", "check", str(tmp_path / "a.toy")])
    assert "\n".join(notes) in capsys.readouterr().out


def test_a_suite_robot_names_what_it_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    for changes, message in (
        ({"weights": {"joint_torque": -1.0}}, "unknown reward term 'joint_torque'; did you mean 'joint_torques'"),
        ({"changes": {"rewards.clip_zero": True}}, "unknown field of rewards 'clip_zero'; did you mean 'clip_at_zero'"),
    ):
        toy = SuiteRobot("Toy", ROBOTS["A1"], **changes)
        monkeypatch.setattr(recipes, "suite_of", lambda robot, toy=toy: toy)
        with pytest.raises(ValueError, match=message):
            recipes.paper(toy.robot, "flat")
    with pytest.raises(ValueError, match="begins with a capital"):
        SuiteRobot("my-robot", ROBOTS["A1"])


def changed(robot: Robot, name: str, **fields: object) -> Robot:
    """The robot with fields of one body, or of its joint, changed."""
    bodies = []
    for body in robot.bodies:
        own = {key: value for key, value in fields.items() if hasattr(body, key)} if body.name == name else {}
        rest = {key: value for key, value in fields.items() if key not in own} if body.name == name else {}
        joint = dataclasses.replace(body.joint, **rest) if rest and body.joint else body.joint
        bodies.append(dataclasses.replace(body, **{**own, "joint": joint}))
    return dataclasses.replace(robot, bodies=tuple(bodies))


def found(robot: Robot) -> dict[str, tuple[bool, str]]:
    checks, _ = check_robot(robot)
    return {check.name: (check.passed, check.finding) for check in checks}


def test_the_check_of_a_good_robot_finds_nothing_and_draws_it() -> None:
    checks, picture = check_robot(ROBOTS["AnymalC"])
    assert [check.name for check in checks if not check.passed] == []
    assert isinstance(picture, str) or (picture.shape == (480, 640, 3) and np.ptp(picture) > 100)


@pytest.mark.parametrize(
    ("change", "name", "words"),
    [
        ({"inertia": (0.01, 0.01, 0.03, 0, 0, 0)}, "inertia", "LF_HIP: 0.03 is more than 0.01 \\+ 0.01"),
        ({"inertia": (0.01, 0.01, 0.01, 0.02, 0, 0)}, "inertia", "are not all positive"),
        ({"inertia": (9.0, 9.0, 9.0, 0, 0, 0)}, "inertia", "a body of metres"),
        ({"mass": 3.5}, "symmetry", "mass of LF_HIP and RF_HIP"),
        ({"lower": -0.01}, "ranges", "LF_HAA: default 0"),
        ({"axis": (2.0, 0.0, 0.0)}, "axes", "LF_HAA: length 2"),
    ],
)
def test_what_is_wrong_with_a_leg_is_found(change: dict, name: str, words: str) -> None:
    robot = changed(ROBOTS["AnymalC"], "LF_HIP", **change)
    checks = [getattr(robot_check, f"_{each}")(robot) for each in ("inertia", "symmetry", "ranges", "axes")]
    (check,) = [check for check in checks if check.name == name]
    assert not check.passed
    assert re.search(words, check.finding), check.finding


def test_a_robot_that_cannot_carry_itself_is_found() -> None:
    robot = ROBOTS["AnymalC"]
    weak = dataclasses.replace(
        robot,
        bodies=tuple(
            dataclasses.replace(body, joint=dataclasses.replace(body.joint, stiffness=1.0)) if body.joint else body
            for body in robot.bodies
        ),
        start_height=0.4,
    )
    checks = found(weak)
    assert not checks["stands"][0] and "base contact" in checks["stands"][1]
    assert not checks["feet"][0] and "raise start_height" in checks["feet"][1]
    assert checks["mass"][0] and checks["symmetry"][0]


def test_robots_that_break_are_counted_once() -> None:
    """Damping that the physics step cannot follow breaks each of them at nearly every step."""
    robot = ROBOTS["A1"]
    for body in [body.name for body in robot.bodies if body.joint]:
        robot = changed(robot, body, damping=1e4, torque_limit=1e6)
    check = robot_check._violent(robot, "mujoco")
    assert not check.passed and re.match(r"(\d+) of 16 robots broke: ", check.finding), check.finding
    assert int(check.finding.split()[0]) <= 16


def test_a_robot_without_feet_is_found() -> None:
    robot = dataclasses.replace(ROBOTS["AnymalC"], feet=())
    for check in (robot_check._feet(robot), robot_check._balance(robot)):
        assert not check.passed and "names no feet" in check.finding


def test_an_engines_own_tensors_are_looked_at() -> None:
    """Those of torch, which numpy refuses to read unless they are taken off their device and their graph first."""
    torch = pytest.importorskip("torch")
    robot = ROBOTS["AnymalC"]
    force = torch.zeros(1, len(robot.contact_bodies), 3)
    force[0, [robot.contact_bodies.index(foot) for foot in robot.feet], 2] = robot.mass * 9.81 / 4
    torque = torch.full((1, 12), 8.0)
    readout = SimpleNamespace(base_position=torch.zeros(1, 3), contact_force=force, joint_torque=torque)
    for tensor in vars(readout).values():
        tensor.requires_grad_()
    env = SimpleNamespace(
        task=robot_check._quiet(robot),
        reset=lambda seed: None,
        step=lambda action: (None, {"reset_reason": [0]}),
        reset_reasons=("running",),
        state=SimpleNamespace(episodes=SimpleNamespace(readout=readout)),
    )
    standing, strain = robot_check._standing(env)  # type: ignore[arg-type]
    assert standing.passed and "100 % of the weight" in standing.finding
    assert strain.passed and "up to 10 % of a limit" in strain.finding


def test_a_missing_matplotlib_is_noticed_before_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.image", None)
    monkeypatch.setattr(cli_robot, "check_robot", lambda *_: pytest.fail("checked"))
    with pytest.raises(SystemExit):
        main(["robot", "check", str(written(tmp_path))])
    assert "pictures need matplotlib" in capsys.readouterr().err
