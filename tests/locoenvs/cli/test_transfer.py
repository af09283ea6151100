"""``locoenvs transfer`` on this machine's physics: with the PD law and with the learned drive."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("mujoco")

from locoenvs.cli import app as cli
from locoenvs.evidence import panel as panels


def test_a_policy_is_tried_with_both_drives_and_the_results_can_be_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(panels, "SMOKE_SECONDS", 1.0)
    cli.main(["transfer", "anymal_c_flat", "--drives", "pd", "lstm", "--backend", "mujoco", "--smoke", "--out", "here"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "[mujoco, lstm] " in shown and "not tried" not in shown
    names = {file.name for file in Path("here").iterdir()}
    assert names == {"AnymalC-flat-1-smoke-mujoco-pd.json", "AnymalC-lstm-flat-1-smoke-mujoco-lstm.json"}
    cli.main(["compare", "here", "here"])
    assert "here beside here: no difference (no panel of held-out, disturbance, transfer)" in " ".join(
        capsys.readouterr().out.split()
    )
