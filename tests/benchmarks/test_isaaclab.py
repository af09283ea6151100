"""What the verification in Isaac Lab says and keeps. That it holds is what running it there shows."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

pytest.importorskip("torch")

from locoenvs.backends.isaaclab import requirements  # noqa: E402
from locoenvs.benchmarks.isaaclab import command  # noqa: E402
from locoenvs.benchmarks.isaaclab.command import main  # noqa: E402
from locoenvs.benchmarks.isaaclab.plan import LIMITS, PARTS  # noqa: E402
from locoenvs.benchmarks.isaaclab.robots import Where  # noqa: E402
from locoenvs.benchmarks.isaaclab.tables import table, transfer  # noqa: E402


def shown(renderable: Any) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(renderable)
    return console.file.getvalue()  # type: ignore[attr-defined]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The parts that were run, on an Isaac Lab that is not there: air passes, standing fails."""
    found: list[str] = []

    def part(name: str, passed: bool) -> Any:
        def run(where: Where, robots: int) -> dict[str, Any]:
            found.append(name)
            return {"weight_share": 0.5, "passed": passed}

        return run

    monkeypatch.setattr(requirements, "find", lambda: requirements.Installation(3, "6.1", ("newton",)))
    monkeypatch.setattr(command, "air", part("air", True))
    monkeypatch.setattr(command, "standing", part("standing", False))
    return found


def test_a_part_that_fails_is_done_again_and_one_that_passed_is_not(runs: list[str], tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    for expected in (["air", "standing"], ["air", "standing", "standing"]):
        with pytest.raises(SystemExit) as exit:
            main(("air", "standing"), device="cpu", out=out)
        assert exit.value.code == 1 and runs == expected
    main(("air",), device="cpu", out=out)
    report = json.loads(out.read_text())
    assert report["physics"] == "newton" and report["device"] == "cpu" and report["limits"] == LIMITS
    assert report["isaaclab"] == {"release": 3, "package": "6.1"} and report["hardware"]["cores"] >= 1
    assert [part["passed"] for part in report["parts"].values()] == [True, False]


def test_results_of_another_physics_are_not_mixed_in(runs: list[str], tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    main(("air",), device="cpu", out=out)
    before = out.read_text()
    out.write_text(before.replace('"physics": "newton"', '"physics": "ovphysx"'))
    with pytest.raises(
        SystemExit, match="has results of ovphysx on cpu: name another file with --out for newton on cpu"
    ):
        main(("air",), device="cpu", out=out)
    assert runs == ["air"]


def test_training_is_only_verified_on_the_physics_that_it_takes(
    runs: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = requirements.Installation(3, "6.1", ("newton", "ovphysx"))
    monkeypatch.setattr(requirements, "find", lambda: both)
    with pytest.raises(SystemExit, match="takes newton here, not ovphysx: leave out part 'learn'"):
        main(("air", "learn"), physics="ovphysx", device="cpu", out=tmp_path / "result.json")
    assert not runs


def test_without_isaac_lab_the_recipe_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(requirements, "_is_there", lambda name: False)
    with pytest.raises(ImportError, match="docs/isaaclab.md"):
        main(out=tmp_path / "result.json")
    assert not (tmp_path / "result.json").exists()


def test_tables_show_what_failed_and_what_differs() -> None:
    done: dict[str, Any] = {part: {"passed": True, "wall_seconds": 1.0} for part in PARTS}
    done["air"] = {"passed": False, "joints_rad": 0.02}
    text = shown(table(done, Where("newton", "cpu")))
    assert text.count("FAILED") == 1 and "joints_rad 0.02" in text and "wall_seconds" not in text
    native, here = (
        {"metrics": {"fall_rate": {"value": value, "low": value / 2, "high": 2 * value}}} for value in (0.04, 0.05)
    )
    text = shown(transfer({"native": native, "result": here, "differences": {"fall_rate": 0.01}}))
    assert "fall rate" in text and "0.04 (0.02 to 0.08)" in text and "0.05 (0.025 to 0.1)" in text and "+0.01" in text
