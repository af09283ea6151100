"""locoenvs actuator, from the command line."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from locoenvs.cli import actuator as cli_actuator
from locoenvs.cli.app import main
from locoenvs.tasks import drive
from locoenvs.tasks.drive import Network
from locoenvs.tools.drive_fit import Fit

pytest.importorskip("matplotlib")
pytest.importorskip("torch")


def test_a_drive_is_logged_fitted_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, network = tmp_path / "log.csv", tmp_path / "made" / "mine.json"
    main(["actuator", "excite", "anydrive", "--out", str(log), "--trials", "6", "--seconds", "0.5"])
    main(["actuator", "fit", str(log), "--out", str(network), "--epochs", "2", "--source", "a test"])
    main(["actuator", "show", str(network), "--out", str(tmp_path / "shown.png")])
    said = " ".join(capsys.readouterr().out.split())
    assert "600 samples at 200 Hz" in said and "held-out error: " in said and "2 passes" in said
    made = Network.from_json(network.read_bytes())
    assert (made.name, made.provenance["source"], made.provenance["log"]["trials"]) == ("mine", "a test", 6)
    assert network.with_suffix(".png").stat().st_size > 10_000 and (tmp_path / "shown.png").stat().st_size > 10_000
    assert "torch" in json.loads(network.read_text())["provenance"]["versions"]


def test_the_provenance_is_that_of_the_epoch_that_was_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torque = np.linspace(-1, 1, 20, dtype=np.float32).reshape(2, 10)
    made = Fit(drive.load("anydrive"), (3.0, 2.0, 1.0), (7.0, 5.0, 6.0), 1.0, torque, torque + 5)
    monkeypatch.setattr(cli_actuator, "fit", lambda *_, **__: made)
    main(["actuator", "excite", "anydrive", "--out", str(tmp_path / "log.csv"), "--trials", "2", "--seconds", "0.05"])
    main(["actuator", "fit", str(tmp_path / "log.csv"), "--out", str(tmp_path / "mine.json")])
    provenance = json.loads((tmp_path / "mine.json").read_text())["provenance"]
    assert (provenance["train_error"], provenance["held_out_error"], provenance["epochs"]) == (2.0, 5.0, 3)


def test_a_missing_matplotlib_is_noticed_before_the_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log.csv"
    main(["actuator", "excite", "anydrive", "--out", str(log), "--trials", "2", "--seconds", "0.05"])
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setattr(cli_actuator, "fit", lambda *_, **__: pytest.fail("fitted"))
    with pytest.raises(SystemExit):
        main(["actuator", "fit", str(log), "--out", str(tmp_path / "mine.json")])
    assert "pictures need matplotlib" in capsys.readouterr().err and [*tmp_path.iterdir()] == [log]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "any"], "no drive's network 'any': give one of anydrive"),
        (["show", "drive.pt"], "drive.pt is TorchScript, which is code: loading it runs it.*--trust-code"),
        (["fit", "missing.csv"], "missing.csv"),
        (["excite", "anydrive", "--trials", "0"], "--trials 0.*must be positive"),
        (["excite", "anydrive", "--seconds", "0.002"], "0.002 s is 0 samples"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as error:
        main(["actuator", *arguments])
    said = capsys.readouterr().err.strip()
    assert error.value.code == 2 and re.search(message, said) and "\n" not in said
