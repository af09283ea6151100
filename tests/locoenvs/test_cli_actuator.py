"""locoenvs actuator, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from locoenvs.cli import main
from locoenvs.drive import Network

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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "any"], "no drive's network 'any': give one of anydrive"),
        (["show", "drive.pt"], "drive.pt is TorchScript, which is code: loading it runs it.*--trust-code"),
        (["fit", "missing.csv"], "missing.csv"),
        (["excite", "anydrive", "--trials", "0"], "--trials 0.*must be positive"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    import re

    with pytest.raises(SystemExit) as error:
        main(["actuator", *arguments])
    said = capsys.readouterr().err.strip()
    assert error.value.code == 2 and re.search(message, said) and "\n" not in said
