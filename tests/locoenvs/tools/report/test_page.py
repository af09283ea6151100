"""A report says what a run's folder holds, whatever state that is in, and is one file that a browser shows by itself."""

from __future__ import annotations

import dataclasses
import fcntl
import html
import io
import json
import os
import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

import falls
from rich.console import Console

from locoenvs.cli.app import main
from locoenvs.cli.steps import conclude
from locoenvs.evidence.failures.causes import Fall
from locoenvs.evidence.metrics import wilson
from locoenvs.evidence.result import Result
from locoenvs.evidence.robots import Robots
from locoenvs.policies.policy import POLICIES
from locoenvs.tools.report.page import write_report
from locoenvs.tools.report.source import read
from locoenvs.training.begin import begin
from locoenvs.training.run import Run
from locoenvs.training.settings import TrainSettings

OLD = Path(__file__).parents[3] / "run-0.1.0"
ROUGH = POLICIES / "anymal_c_rough"
FALL = Fall(
    robot=1, step=50, seconds=1.0, broken=False, kind="plane", level=0, since_push=None, since_command=None, since_caught=None,
    caught=None, tilt=1.0, tilt_rate=1.0, direction="forward", feet=(), command=(0.5, 0.0, 0.0), speed=0.4,
)  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The run of the shipped rough policy, shortened, with validations and the results of two panels."""
    folder = tmp_path / "rough-0"
    (folder / "panels").mkdir(parents=True)
    shutil.copy(ROUGH / "recipe.json", folder)
    shutil.copy(ROUGH / "evaluation.json", folder / "panels/rough.json")
    shutil.copy(ROUGH / "crossing.json", folder / "panels/crossing.json")
    lines = [json.loads(line) for line in (ROUGH / "ledger.jsonl").read_text().splitlines()]
    updates = [line for line in lines if line["kind"] == "update"][:: len(lines) // 20]
    levels = {kind: [3, 2, 1] for kind in updates[0]["levels"]}
    for update in updates:
        update["level_counts"] = levels
    judged = [
        {"kind": "validation", **{name: line[name] for name in ("update", "elapsed_seconds")}, "seconds": 1.0}
        | {"num_robots": 100, "metrics": {"success_rate": 0.5, "fall_rate": 0.1, "velocity_error": 0.2}}
        for line in updates[1::4]
    ]
    (folder / "ledger.jsonl").write_text("".join(json.dumps(line) + "\n" for line in [*updates, *judged]))
    return folder


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports without charts, which take a second to draw."""
    monkeypatch.setattr("locoenvs.tools.report.page.charts_of", lambda sources: [])
    monkeypatch.setattr("locoenvs.tools.report.page.success_chart", lambda result, terrain: ("", ""))
    monkeypatch.setattr("locoenvs.tools.report.page.strips_of", lambda archive, robots: {})


def page(*folders: Path) -> str:
    out = folders[0] / "report.html"
    write_report([read(folder) for folder in folders], out)
    return out.read_text()


def test_it_holds_recipe_curves_audits_and_panels(run: Path) -> None:
    text = page(run)
    for said in ("Loco/AnymalC-Rough-v0", "rewards balance", "success against difficulty", "levels of stairs up",
                 "AnymalC-crossing-1", "by friction", "of it for validation"):  # fmt: skip
        assert said in text, said
    assert len(re.findall("<figure", text)) >= 15


@pytest.mark.slow
def test_it_loads_nothing_from_elsewhere_and_is_the_same_again(run: Path) -> None:
    first, again = (re.findall(r'(?:src|href)="([^"]+)"', page(run)) for _ in range(2))
    assert first == again and all(address.startswith("data:") for address in first)


@pytest.mark.usefixtures("undrawn")
def test_its_numbers_are_those_of_the_result(run: Path) -> None:
    (run / "panels/crossing.json").unlink()
    result = Result.from_json((run / "panels/rough.json").read_bytes())
    text = page(run)
    for name in ("success_rate", "fall_rate"):
        metric = result.metrics[name]
        row = re.search(rf"<tr>\s*<t[hd]>{name.replace('_', ' ')}.*?</tr>", text, re.DOTALL)
        assert row is not None and metric.low is not None and metric.high is not None
        told = [float(number) for number in re.findall(r"-?\d+\.\d+", row[0])]
        assert told == [round(100 * value, 1) for value in (metric.value, metric.low, metric.high)]


@pytest.mark.usefixtures("undrawn")
def test_several_runs_stand_side_by_side(run: Path, tmp_path: Path) -> None:
    other = shutil.copytree(run, tmp_path / "rough-1")
    (other / "panels/crossing.json").unlink()
    text = page(run, other)
    assert "<th>rough-0</th>" in text and "<th>rough-1</th>" in text


def test_results_of_one_panel_name_are_all_in_it(run: Path) -> None:
    first = Result.from_json((run / "panels/rough.json").read_bytes())
    for name, changes in (("rough-mjx", {"backend": "mjx-jax"}), ("rough-other", {"panel_hash": "0" * 12})):
        (run / f"panels/{name}.json").write_text(dataclasses.replace(first, **changes).to_json())
    (run / "evaluation.json").write_text(first.to_json())
    source, options = read(run), "".join(f", {name} {value}" for name, value in first.options.items())
    assert list(source.results) == [
        "AnymalC-crossing-1", "AnymalC-rough-1", f"AnymalC-rough-1 ({first.panel_hash}, mjx-jax{options})",
        f"AnymalC-rough-1 ({'0' * 12}, mujoco{options})",
    ]  # fmt: skip
    assert source.results.keys() < source.findings.keys()


@pytest.mark.usefixtures("undrawn")
def test_a_run_of_the_first_version_has_a_report(tmp_path: Path) -> None:
    assert "Audits" in page(shutil.copytree(OLD, tmp_path / "old"))


def test_a_learner_of_ones_own_has_a_report(tmp_path: Path) -> None:
    """Its recipe has no word of PPO's, and its ledger no more than a learner must tell."""
    settings = TrainSettings("Loco/AnymalC-Flat-v0", run=str(tmp_path / "own"), actuator="pd")
    own, _, _ = begin("search", settings, None, {"num_envs": 8, "updates": 3})
    told = {"elapsed_seconds": 60.0, "samples_per_second": 10.0, "reward_per_second": 0.5}
    own.record("update", update=1, samples=80, **told)
    text = page(own.folder)
    assert "1 of 3 updates" in text and "reward, 1/s" in text and "samples a second" in text
    assert read(own.folder).findings["training"] == []
    own.record("update", update=2, samples=160, resets={"time_limit": 4}, action_clip_rate=0.5, **told)
    assert read(own.folder).findings["training"] == [], "a part of the updates does not tell it"
    (own.folder / "ledger.jsonl").write_text("")
    own.record("update", update=1, samples=80, resets={"time_limit": 4}, action_clip_rate=0.5, **told)
    found = {finding.name: finding.passed for finding in read(own.folder).findings["training"]}
    assert found == {"actions within the clip": False, "resets spread": False}


@pytest.mark.usefixtures("undrawn")
def test_a_video_is_in_the_page_unless_it_is_too_large(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (run / "walk.mp4").write_bytes(b"film")
    assert 'src="data:video/mp4;base64,ZmlsbQ=="' in page(run)
    monkeypatch.setattr("locoenvs.tools.report.source.MOST_OF_A_VIDEO", 3)
    assert "video/mp4" not in page(run)


@pytest.mark.usefixtures("undrawn")
def test_a_run_that_is_training_says_so(run: Path) -> None:
    with (run / "lock").open("a+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert ": training now, " in page(run)
    assert ": training now, " not in page(run)


def test_a_run_without_updates_or_panels_says_so(run: Path) -> None:
    (run / "ledger.jsonl").write_text("")
    shutil.rmtree(run / "panels")
    text = page(run)
    assert "nothing was trained yet" in text and "No held-out panel was run yet" in text


@pytest.mark.usefixtures("undrawn")
def test_what_cannot_be_read_is_named_and_the_rest_shown(run: Path) -> None:
    whole = (run / "panels/rough.json").read_text()
    (run / "panels/rough.json").write_text(whole[: len(whole) // 2])
    with (run / "ledger.jsonl").open("a") as file:
        file.write('{"kind": "upd')
    text = page(run)
    assert "rough.json" in text and "cannot be read and is left out" in text and "AnymalC-crossing-1" in text


@pytest.mark.parametrize(
    ("content", "said"), [("{", "cannot be read"), ("{}", "lacks 'environment'"), ("[]", "lacks 'environment'")]
)
def test_a_broken_recipe_is_refused_and_nothing_written(run: Path, content: str, said: str) -> None:
    (run / "recipe.json").write_text(content)
    with pytest.raises(ValueError, match=said):
        page(run)
    assert not (run / "report.html").exists()


@pytest.mark.usefixtures("undrawn")
def test_lines_of_a_ledger_that_lack_what_they_must_have_are_left_out_and_told(run: Path) -> None:
    before = read(run).records
    for kind in ("update", "validation", "held_out"):
        Run(run).record(kind)
    source = read(run)
    assert source.records == before
    assert f"left out: ledger line {len(before) + 1}, of kind 'update': update: Field required" in source.unreadable[0]
    assert source.unreadable[0].endswith(", and 2 more lines") and source.unreadable[0] in html.unescape(page(run))


@pytest.mark.usefixtures("undrawn")
def test_it_says_how_many_falls_were_kept_of_how_many(run: Path) -> None:
    def text(kept: int) -> str:
        header = SimpleNamespace(every_fall=844, falls=[FALL] * kept)
        archive: Any = SimpleNamespace(header=header)
        write_report([dataclasses.replace(read(run), falls={"p": archive})], run / "report.html")
        return (run / "report.html").read_text()

    assert "844 robots fell; of 64 of them it was kept what led to it" in text(64)
    assert "844 robots fell. <code>" in text(844)


@pytest.mark.usefixtures("undrawn")
def test_it_has_the_table_of_a_comparison_and_what_the_ledger_says(run: Path, tmp_path: Path) -> None:
    Run(run).record("held_out", panel="AnymalC-rough-1")
    Run(run).record("update", update=9999, elapsed_seconds=1e4, memory_mb=1234.4, device_memory_mb=None)
    for file in (run / "panels").iterdir():
        file.unlink()
    source = read(run)
    apart = dataclasses.replace(judged(0), panel_hash="1" * 12)
    sides = [dataclasses.replace(source, results={"p": each}) for each in (judged(0), judged(30), apart)]
    write_report(sides, run / "report.html")
    text = (run / "report.html").read_text()
    assert "not promoted: worse on p" in text and re.search(r"<td[^>]*>fall rate, %</td>\s*<td[^>]*>0.0</td>", text)
    assert '<td class="worse">worse</td>' in text and "cannot be compared with" in text
    facts = dict(re.findall(r"<tr><td>([^<]*)</td><td>([^<]*)</td></tr>", text))
    assert facts["held-out panels used"] == "AnymalC-rough-1: 1" and facts["memory, at most"] == "1,234 MiB"
    assert "memory of GPUs, at most" not in facts


def judged(fell: int) -> Result:
    """Of 60 robots, of which so many fell."""
    count = 60
    falls = [robot < fell for robot in range(count)]
    robots = Robots(
        kind=["plane"] * count,
        level=[0] * count,
        drawn={},
        groups={},
        succeeded=[not each for each in falls],
        fell=falls,
        seconds=[20.0] * count,
        reset_reason=["time_limit"] * count,
        numerators={},
        denominators={},
    )
    metrics = {"success_rate": wilson(count - fell, count), "fall_rate": wilson(fell, count)}
    return Result("p", "0" * 12, "0" * 12, None, "mujoco", count, 20.0, metrics, {}, {}, {}, 1.0, robots=robots)


@pytest.mark.parametrize("task", [{}, None, {"robot": 1}])
def test_a_recipe_without_a_task_is_told_in_a_line(run: Path, task: Any) -> None:
    recipe = json.loads((run / "recipe.json").read_text()) | {"task": task}
    (run / "recipe.json").write_text(json.dumps(recipe))
    with pytest.raises(ValueError, match="its task is none"):
        read(run)


@pytest.mark.usefixtures("undrawn")
def test_a_result_that_measures_less_is_shown(run: Path) -> None:
    document = json.loads((run / "panels/rough.json").read_text())
    for each in ("speed", "commanded_speed", "success_rate"):
        del document["metrics"][each]
    document["reset_reasons"] = {}
    (run / "panels/rough.json").write_text(json.dumps(document))
    assert "AnymalC-rough-1" in page(run)


def test_whatever_a_learners_files_are_a_training_is_not_lost(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = io.StringIO()
    (run / "recipe.json").write_text(json.dumps(json.loads((run / "recipe.json").read_text()) | {"task": None}))
    conclude(Console(file=said, width=400), Run(run))
    monkeypatch.setattr("locoenvs.cli.steps.read", lambda folder: {}["gone"])
    conclude(Console(file=said, width=400), Run(run))
    assert "no report: " in said.getvalue() and "its task is none" in said.getvalue()
    assert "no report: KeyError: 'gone'" in said.getvalue()


@pytest.mark.usefixtures("undrawn")
def test_text_of_a_recipe_is_text(run: Path) -> None:
    recipe: dict[str, Any] = json.loads((run / "recipe.json").read_text())
    recipe["changes"] = {"<script>alert(1)</script>": 1}
    (run / "recipe.json").write_text(json.dumps(recipe))
    assert "<script>" not in page(run)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "is no run folder"),
        (["{run}", "--out", "report.pdf"], "must end in .html"),
    ],
)
def test_mistakes_are_told_in_a_line(
    run: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["report", *(each.format(run=run) for each in arguments)])
    assert stopped.value.code == 2 and said in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium to look at the report with")
def test_a_browser_shows_it_at_two_widths_without_a_word(run: Path, tmp_path: Path) -> None:
    """Two runs, with falls and what led to them, a verdict, and validations."""
    playwright = pytest.importorskip("playwright.sync_api")
    falls.written(run / "panels")
    other = shutil.copytree(run, tmp_path / "again")
    for name in ("rough", "crossing"):
        (other / "panels" / f"{name}.json").unlink()
    main(["report", str(run), str(other), "--out", str(run / "report.html")])
    text = (run / "report.html").read_text()
    assert "Falls on pushed before stairs, rough-0" in text and "Falls on pushed before stairs, again" in text
    assert "again beside rough-0, the same robots with the same draws: no difference" in text
    assert "validation: success" in text and ('<img class="strip"' in text or "Not drawn: " in text)
    assert "Not drawn: " not in text or os.environ.get("MUJOCO_GL") != "osmesa"
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for width in (1280, 390):
            shown = browser.new_page(viewport={"width": width, "height": 900})
            said, asked = [], []
            shown.on("console", lambda message, said=said: said.append(message.text))
            shown.on("pageerror", lambda error, said=said: said.append(str(error)))
            shown.on("request", lambda request, asked=asked: asked.append(request.url))
            shown.goto(f"file://{run}/report.html")
            assert said == []
            assert [url for url in asked if not url.startswith("data:")] == [f"file://{run}/report.html"]
            assert shown.evaluate("document.documentElement.scrollWidth") <= width
            assert shown.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
        browser.close()
