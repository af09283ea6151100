"""The notebooks are what their sources say, hold no outputs, and run from a folder of their own, made small."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path
from types import ModuleType

import pytest

nbformat = pytest.importorskip("nbformat", reason="needs the extra notebooks")
nbclient = pytest.importorskip("nbclient", reason="needs the extra notebooks")

FOLDER = Path(__file__).parents[1] / "examples" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
SMALL = {
    "ROBOTS, STEPS = 64, 250": "ROBOTS, STEPS = 8, 20",
    "ROBOTS, UPDATES = 256, 30": "ROBOTS, UPDATES = 8, 2",
    'PANEL, DISTURBED = "flat", "disturb"': 'PANEL, DISTURBED = "flat:smoke", "disturb:smoke"',
}
"""Sizes of the notebooks, and those that they are tried with."""


def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_notebooks", FOLDER / "make.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_source_has_its_notebook_without_outputs() -> None:
    make = maker()
    assert [path.with_suffix(".py") for path in NOTEBOOKS] == make.SOURCES and len(NOTEBOOKS) == 3
    for path in NOTEBOOKS:
        assert path.read_text() == make.text_of(path.with_suffix(".py")), "run examples/notebooks/make.py"
        nbformat.validate(nbformat.read(path, as_version=4))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("torch", "matplotlib", "onnxruntime", "ipykernel"):
        pytest.importorskip(package, reason="needs the extras walk and notebooks")
    if path.stem == "first_steps" and os.environ.get("MUJOCO_GL") != "osmesa":
        pytest.skip("draws: needs libosmesa6, and MUJOCO_GL=osmesa")
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    text = path.read_text()
    large = [size for size in SMALL if size.replace('"', '\\"') in text]
    for size in large:
        text = text.replace(size.replace('"', '\\"'), SMALL[size].replace('"', '\\"'))
    assert len(large) == 1, "each notebook says its sizes in one line"
    notebook = nbformat.reads(text, as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3", resources=resources).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    drawn = [output for output in outputs if "image/png" in output.get("data", {})]
    assert drawn and not re.search(r"Traceback|Error:", "".join(output.get("text", "") for output in outputs))
