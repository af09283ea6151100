"""Steps of exported policies are timed in Python and in C++, and what is not measured is told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("onnxruntime")

from locoenvs.benchmarks.deployment import deployment, in_python
from locoenvs.policies.deploy.export import write_export
from locoenvs.policies.policy import POLICIES, load_policy

DECLARATIONS = Path(__file__).parents[1] / "locoenvs" / "policies" / "deploy"
"""What of onnxruntime's header is needed."""


@pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="no C++ compiler, g++ or clang++")
def test_a_policy_is_timed_in_both_languages(tmp_path: Path) -> None:
    deployment(steps=3, repeats=2, policies=("anymal_c_rough",), include=DECLARATIONS, out=tmp_path / "out.json")
    found = json.loads((tmp_path / "out.json").read_text())
    (result,) = found["results"]
    assert result["layers"] == [156, 256, 128, 64, 12] and found["cpp_left_out"] is None
    assert result["python_us"] > 0 and result["cpp_us"] > 0


def test_without_the_header_cpp_is_left_out_and_that_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (result,) = deployment(steps=1, repeats=1, policies=("a1_flat",), include=tmp_path)
    assert result.keys() == {"policy", "layers", "python_us"}
    told = " ".join(capsys.readouterr().out.split())
    assert "C++ is not measured: no" in told and "by --include" in told


def test_a_step_that_fails_is_no_measurement(tmp_path: Path) -> None:
    write_export(load_policy(POLICIES / "a1_flat"), tmp_path)
    with pytest.raises(RuntimeError, match="missing: no reading"):
        in_python(tmp_path, {}, 1)
