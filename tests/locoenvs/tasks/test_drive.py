"""A drive's file is numbers of a known form; anything else is refused by its name and field."""

from __future__ import annotations

import copy
import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from locoenvs.tasks import drive
from locoenvs.tasks.drive import Network

ANYDRIVE = (resources.files("locoenvs.tasks") / "drives" / "anydrive.json").read_text()


def changed(path: str, value: object) -> str:
    document: Any = json.loads(ANYDRIVE)
    *parents, last = (int(key) if key.isdigit() else key for key in path.split("."))
    inner = document
    for key in parents:
        inner = inner[key]
    inner[last] = value
    return json.dumps(document)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("format", "other", "not a drive's network: its format is 'other'"),
        ("format_version", 2, "format version 2, this locoenvs reads 1"),
        ("name", 3, "name: Input should be a valid string, got 3"),
        ("hash", "no hash", "hash: String should match"),
        ("gates", ["forget", "input", "cell", "output"], "gates.0 is 'forget', a drive's is 'input'"),
        ("inputs.0", "position - target, rad", "inputs.0 is 'position - target, rad'"),
        ("provenance", [], "provenance: Input should be"),
        ("more", 1, "more: of a newer locoenvs, or unknown field 'more'"),
        ("network", None, "network: Input should be"),
        ("network.dt", "0.005", "network.dt: Input should be a valid number, got '0.005'"),
        ("network.dt", 0.01, "was changed: its hash is"),
        ("network.dt", -1.0, "dt must be positive, got -1.0"),
        ("network.input_scale", [1.0], "network.input_scale"),
        ("network.output_scale", 1e300, "NaN, infinite or beyond float32"),
        ("network.layers", [], "output's weight needs shape"),
        ("network.layers.0.recurrent", [], "layer 0 of 8 units"),
        ("network.layers.0.bias", [], "layer 0 of 0 units"),
        ("network.layers.0.input.0", [1.0, 2.0, 3.0], "inhomogeneous"),
        ("network.layers.0.input.0.0", 1e39, "NaN, infinite or beyond float32"),
        ("network.layers.1.bias.0", None, "network.layers.1.bias.0: Input should be a valid number, got None"),
        ("network.output.bias", True, "network.output.bias: Input should be a valid number, got True"),
    ],
)
def test_a_wrong_field_is_named_with_its_file(tmp_path: Path, path: str, value: object, message: str) -> None:
    file = tmp_path / "mine.json"
    file.write_text(changed(path, value))
    with pytest.raises(ValueError) as refused:
        drive.load(str(file))
    text = str(refused.value)
    assert message in text and str(file) in text and "\n" not in text and len(text) < len(str(file)) + 400


def test_every_field_must_be_there() -> None:
    document = json.loads(ANYDRIVE)
    for outer in (None, "network"):
        for field in document[outer] if outer else document:
            less = copy.deepcopy(document)
            del (less[outer] if outer else less)[field]
            with pytest.raises(ValueError, match=field.replace("_", ".")):
                Network.from_json(json.dumps(less), "mine.json")


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", "[" * 10000, '{"format": Infinity}', b"\xff\xfe"])
def test_what_is_no_drive_is_refused(text: str | bytes) -> None:
    with pytest.raises(ValueError, match="mine.json is no"):
        Network.from_json(text, "mine.json")


def test_our_own_is_read() -> None:
    assert Network.from_json(ANYDRIVE).to_json() == ANYDRIVE
