"""``locoenvs compare``: what its words name, what it refuses, what it writes."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

pytest.importorskip("mujoco")

from locoenvs.cli import app as cli
from locoenvs.evidence.evaluate import evaluate
from locoenvs.evidence.panel import load_panel
from locoenvs.evidence.result import Result
from locoenvs.policies.policy import POLICIES, load_policy
from locoenvs.tasks.task import Task

pytestmark = pytest.mark.xdist_group("compare")


@pytest.fixture(scope="module")
def one() -> Result:
    """The shipped flat policy for a second, four robots."""
    flat = load_panel("flat")
    timing = dataclasses.replace(flat.task.timing, episode_length=1.0)
    short: Task = dataclasses.replace(flat.task, timing=timing)
    panel = dataclasses.replace(flat, name="AnymalC-flat-1", num_robots=4, task=short)
    return evaluate(load_policy(POLICIES / "anymal_c_flat"), panel, "mujoco")


def test_files_and_folders_of_results_are_compared(
    one: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    assert one.policy == {
        "name": "anymal_c_flat", "drive": "pd", "learner": "rsl_rl", "backend": "mujoco", "seed": 0, "samples": 18432000,
        "training_seconds": 2642.54,
    }  # fmt: skip
    for place in ("a.json", "results/flat.json", "runs/old/panels/flat.json"):
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        Path(place).write_text(one.to_json())
    cli.main(["compare", "a.json", "results", "old", "--out", "made/c.json", "--plot", "made/c.png", "--seed", "3"])
    shown = capsys.readouterr().out
    assert "old beside a.json: no difference (no panel of disturbance, transfer)" in " ".join(shown.split())
    documents = json.loads(Path("made/c.json").read_text())
    assert [(each["b"], each["seed"]) for each in documents] == [("results", 3), ("old", 3)]
    assert Path("made/c.png").read_bytes().startswith(b"\x89PNG")


def test_policies_of_different_drives_are_compared_on_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("locoenvs.evidence.panel.SMOKE_SECONDS", 0.4)
    asked = [
        "compare",
        "anymal_c_flat",
        "anymal_c_flat_lstm",
        "--panel",
        "flat:smoke",
        "--out",
        str(tmp_path / "c.json"),
    ]
    with pytest.raises(SystemExit) as refused:
        cli.main(asked)
    assert refused.value.code == 2 and "name one --actuator for both" in capsys.readouterr().err
    cli.main([*asked, "--actuator", "lstm"])
    assert "anymal_c_flat_lstm beside anymal_c_flat" in " ".join(capsys.readouterr().out.split())


def test_what_is_no_comparison_is_one_line(
    one: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.json").write_text(one.to_json())
    Path("old.json").write_text(one.to_json(robots=False))
    Path("cut.json").write_text(one.to_json()[:-200])
    for words, message in (
        (["a.json"], "name two or more"),
        (["a.json", "old.json"], "write it again by locoenvs eval --out"),
        (["a.json", "cut.json"], "cut.json is not JSON"),
        (["a.json", "nowhere"], "no policy in nowhere"),
        (["a.json", str(POLICIES / "a1_flat/evaluation.json")], "results of different panels cannot be compared"),
    ):
        with pytest.raises(SystemExit) as stopped:
            cli.main(["compare", *words])
        said = capsys.readouterr().err
        assert stopped.value.code == 2 and message in said and said.count("\n") == 1
