"""The file of failures holds all that it takes, runs nothing, and is refused in one line where it is not what it should be."""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import falls
import numpy as np
import pytest

from locoenvs.evidence.failures import archive

Arrays = dict[str, np.ndarray]


def changed(path: Path, change: Callable[[Arrays], Any]) -> None:
    """Write the file of failures anew with other arrays."""
    own = archive.beside(path)
    with np.load(own) as packed:
        arrays = {name: packed[name] for name in packed.files}
    change(arrays)
    np.savez_compressed(own, **arrays)


def header(arrays: Arrays, **changes: Any) -> None:
    document = json.loads(arrays["header.json"].tobytes()) | changes
    arrays["header.json"] = np.frombuffer(json.dumps(document).encode(), np.uint8)


def test_what_was_written_is_read_and_needs_nothing_else(tmp_path: Path) -> None:
    path, made = falls.written(tmp_path), falls.evaluated()
    read = archive.load(path)
    path.unlink()
    assert archive.load(tmp_path / "result.failures.npz").header == read.header
    assert read.header.falls == [kept.fall for kept in made.keeper.kept]
    assert read.panel == made.panel and read.policy.files() == made.policy.files()
    assert read.header.backend == "mujoco" and read.header.options == {"contact": "triangles", "cone": "elliptic"}
    np.testing.assert_array_equal(read.checksums, made.keeper.checksums)
    robot = read.header.falls[-1].robot
    np.testing.assert_equal(read.kept(robot), made.keeper.kept[-1].state)
    assert read.fall(robot) == read.header.falls[-1] and read.fall(1) is None
    assert (tmp_path / "result.failures.npz").stat().st_size < 400_000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.pop("panel.json"), "lacks 'panel.json'"),
        (lambda a: a.update({"steps": np.zeros((3, 2))}), r"has 'steps' of float64 \(3, 2\)"),
        (
            lambda a: a.update({"steps": np.zeros(3, int), "checksums": np.zeros(3, np.uint64)}),
            "has 3 robots, its panel 8",
        ),
        (lambda a: header(a, format_version=9), "has format version 9, this locoenvs reads 1"),
        (lambda a: header(a, format="locoenvs.panel"), "is not a file of failures: its format is 'locoenvs.panel'"),
        (lambda a: header(a, panel_hash="0" * 12), "was changed: its panel is .*, it was written for 000000000000"),
        (lambda a: header(a, policy_sha256="0" * 64), "was changed: its policy is .*, not 0000"),
        (lambda a: header(a, versions={}), "is not of .*: its versions is {}"),
        (lambda a: header(a, falls=[{"robot": 3}]), "falls.0.step: Field required"),
        (lambda a: a["state.episodes.robot"].__setitem__(0, 5), "its states are not those of robots"),
        (lambda a: a.pop("state.episodes.robot"), "lacks 'episodes.robot'"),
        (lambda a: a.update({"policy.onnx": a["policy.onnx"][:-9]}), "is not the network that policy.json describes"),
        (lambda a: a.update({"policy.onnx": np.array([object()])}), "Object arrays cannot be loaded"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_refused(
    change: Callable[[Arrays], Any], message: str, tmp_path: Path
) -> None:
    path = falls.written(tmp_path)
    changed(path, change)
    with pytest.raises(ValueError, match=message) as refused:
        archive.load(path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("keep", [0, 100, 20_000, 0.5, 0.99])
def test_a_file_that_was_cut_off_is_refused(keep: float, tmp_path: Path) -> None:
    own = archive.beside(falls.written(tmp_path))
    content = own.read_bytes()
    own.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    with pytest.raises(ValueError, match="is no file of failures, or was cut off"):
        archive.load(own)


def test_a_file_with_a_bit_that_flipped_is_refused(tmp_path: Path) -> None:
    own = archive.beside(falls.written(tmp_path))
    content = bytearray(own.read_bytes())
    content[len(content) // 2] ^= 1
    own.write_bytes(content)
    with pytest.raises(ValueError, match="is no file of failures, or was cut off"):
        archive.load(own)


def test_a_file_that_unpacks_to_more_than_a_machine_has_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, zeros = tmp_path / "a.failures.npz", io.BytesIO()
    np.save(zeros, np.zeros(2**17))
    with zipfile.ZipFile(own, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("steps.npy", zeros.getvalue())
    monkeypatch.setattr(archive, "LARGEST", 2**16)
    with pytest.raises(ValueError, match="it unpacks to 1048704 bytes"):
        archive.load(own)


def test_a_result_without_its_file_says_how_to_get_one(tmp_path: Path) -> None:
    path = falls.written(tmp_path)
    archive.beside(path).unlink()
    with pytest.raises(FileNotFoundError, match=r"result.failures.npz is missing: locoenvs eval --out .* writes it"):
        archive.load(path)


def test_a_result_of_another_panel_is_refused(tmp_path: Path) -> None:
    path = falls.written(tmp_path)
    path.write_text(dataclasses.replace(falls.evaluated().result, panel_hash="0" * 12).to_json())
    with pytest.raises(ValueError, match="its panel is .*, the result's is 000000000000; evaluate again"):
        archive.load(path)
