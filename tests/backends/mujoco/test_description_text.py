"""Descriptions of strangers: whatever is in them, one clear line within two seconds."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from locoenvs.backends.mujoco.description import read
from locoenvs.cli.app import main

BODY = '<body name="b"><freejoint/>{}<geom size=".1"/><body name="c"><joint name="j"/><geom size=".1"/></body></body>'


def model(inside: str = "", before: str = "") -> str:
    return f"<mujoco>{before}<worldbody>{BODY.format(inside)}</worldbody></mujoco>"


def laughs() -> str:
    lines = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    return f'<!DOCTYPE mujoco [<!ENTITY l0 "ha">{lines}]><mujoco model="&l9;"/>'


def nested(depth: int) -> str:
    return "<mujoco><worldbody>" + "<body>" * depth + "</body>" * depth + "</worldbody></mujoco>"


def urdf(mass: str = "1", axis: str = "0 0 1", name: str = "b", izz: str = "1", limit: str = "") -> str:
    inertia = (
        f'<inertial><mass value="{mass}"/><inertia ixx="1" iyy="1" izz="{izz}" ixy="0" ixz="0" iyz="0"/></inertial>'
    )
    joint = (
        f'<joint name="j" type="revolute"><parent link="a"/><child link="{name}"/><axis xyz="{axis}"/>{limit}</joint>'
    )
    return f'<robot name="r"><link name="a">{inertia}</link><link name="{name}">{inertia}</link>{joint}</robot>'


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("laughs.xml", laughs(), "defines XML entities, which MuJoCo does not read"),
        ("deep.xml", nested(100_000), "nested deeper than 100"),
        ("wide.xml", model("<body/>" * 1000), "it has 1003 bodies, at most 1000"),
        ("huge.xml", model("<!--" + "x" * 21_000_000 + "-->"), "21 MB of text, at most 20"),
        ("cut.xml", "<mujoco><worldbody>", "line 1: no element found"),
        ("binary.xml", "\x00\x01\x02", "line 1: not well-formed"),
        ("empty.xml", "", "line 1: no element found"),
        ("code.xml", '<?xml version="1.0" encoding="rot13"?><mujoco/>', "encoding"),
        ("nan.xml", model('<geom size=".1" pos="nan 0 0"/>'), "<geom pos='nan 0 0'>: NaN is no number"),
        ("inf.xml", model('<geom size=".1" pos="inf 0 0"/>'), "."),
        ("heavy.xml", model('<geom size=".1" mass="1e400"/>'), "."),
        ("twice.xml", model('<body name="b"/>'), "repeated name 'b' in body"),
        ("axis.xml", model('<body><joint axis="0 0 0"/><geom size="1"/></body>'), "axis too small"),
        ("copies.xml", model('<replicate count="1000000000"><geom size="1"/></replicate>'), "makes 1000000000 copies"),
        ("power.xml", model('<replicate count="99"><replicate count="99"><site/></replicate></replicate>'), "at most 1000"),
        ("cable.xml", model('<composite type="cable" count="9999999 1 1"/>'), "<composite> makes bodies that no robot"),
        ("flex.xml", model('<flexcomp type="grid" count="999 999 999" name="f"/>'), "<flexcomp> makes bodies"),
        ("mesh.xml", model(before='<asset><mesh name="m" builtin="supersphere" params="9999 1 1"/></asset>'), "at most 100"),
        ("ground.xml", model(before='<asset><hfield name="h" nrow="30000" ncol="30000" size="1 1 1 1"/></asset>'), "a height field of 9e.08 points"),
        ("self.xml", model(before='<include file="self.xml"/>'), "."),
        ("none.xml", model(before='<include file="gone.xml"/>'), r"its <include> 'gone.xml' is not there: no file .*gone.xml"),
        ("passwd.xml", model(before='<include file="../../../../../../etc/passwd"/>'), "passwd"),
        ("device.xml", model(before='<include file="/dev/zero"/>'), "is not there"),
        ("stream.xml", model('<geom type="mesh" mesh="zero"/>', '<asset><mesh file="/dev/zero"/></asset>'), "there is no file"),
        ("secret.xml", model('<geom type="mesh" mesh="passwd"/>', '<asset><mesh file="/etc/passwd"/></asset>'), "passwd"),
        ("nan.urdf", urdf(mass="nan"), "<mass value='nan'>: NaN is no number"),
        ("light.urdf", urdf(mass="-1"), "."),
        ("flat.urdf", urdf(izz="-1"), "body 'a' has an inertia that no body has: its principal moments are -1, 1, 1 kg m.2"),
        ("huge.urdf", urdf(mass="1e999"), "."),
        ("text.urdf", urdf(mass="heavy"), "."),
        ("axis.urdf", urdf(axis="0 0 0"), "axis too small"),
        ("twice.urdf", urdf(name="a"), "."),
        ("loop.urdf", urdf().replace('<child link="b"/>', '<child link="a"/>'), "."),
        ("back.urdf", urdf(limit='<limit lower="2" upper="1" effort="1" velocity="1"/>'), "joint 'j': lower 2.0 must be"),
        ("fast.urdf", urdf(limit='<limit lower="0" upper="1" effort="nan" velocity="1"/>'), "NaN is no number"),
        ("deep.urdf", "<robot>" + "<a>" * 5000 + "</a>" * 5000 + "</robot>", "nested deeper than 100"),
        ("none.urdf", "<robot/>", "."),
        ("bare.urdf", '<robot name="r"><link name="a"/></robot>', "."),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str, message: str
) -> None:
    (tmp_path / name).write_text(text)
    began = time.process_time()
    with pytest.raises(ValueError, match=message):
        read(tmp_path / name)
    with pytest.raises(SystemExit) as ended:
        main(["robot", "convert", str(tmp_path / name), "--out", str(tmp_path / "out.py")])
    assert time.process_time() - began < 2.0
    said = capsys.readouterr().err
    assert ended.value.code == 2 and said.startswith("locoenvs: ") and said.count("\n") == 1, said
    assert len(said) < 500 and not (tmp_path / "out.py").exists()


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.xml")
    with pytest.raises(ValueError, match="pipe.xml is no file"):
        read(tmp_path / "pipe.xml")


def test_what_asks_for_memory_gets_none(tmp_path: Path) -> None:
    """Sizes of the engine's own buffers, and of pictures that no robot needs."""
    text = model(
        before='<size memory="900G" nuserdata="100000000" nuser_body="10000000" nkey="10000000"/>'
        '<asset><texture name="t" type="2d" builtin="flat" width="30000" height="30000"/></asset>'
        '<custom><numeric name="n" size="500"/></custom>'
    )
    (tmp_path / "a.xml").write_text(text)
    began = time.process_time()
    assert read(tmp_path / "a.xml").robot.joint_names == ("j",)
    assert time.process_time() - began < 2.0
