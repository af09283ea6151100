"""The command line does what it says, and says in one line what a user got wrong."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

import locoenvs
from locoenvs.cli import app as cli
from locoenvs.cli import steps
from locoenvs.envs.registration import task
from locoenvs.evidence import panel as panels
from locoenvs.evidence.failures import archive
from locoenvs.evidence.panel import load_panel
from locoenvs.policies.policy import load_policy, save_policy
from locoenvs.training import learners
from locoenvs.training.run import Run
from locoenvs.training.settings import TrainSettings

FLAT = "Loco/AnymalC-Flat-v0"
NONE = ["--panels", "none"]


def zero_policy(folder: Path, changes: Mapping[str, object] = MappingProxyType({})) -> None:
    pytest.importorskip("google.protobuf")
    pytest.importorskip("onnxruntime")
    layers = [(np.zeros((12, 48)), np.zeros(12))]
    save_policy(folder, task(FLAT, actuator="pd").with_(changes), layers, provenance={"environment": FLAT})


@pytest.fixture
def short_panels(monkeypatch: pytest.MonkeyPatch) -> None:
    def short(name: str) -> object:
        panel = load_panel(name)
        timing = dataclasses.replace(panel.task.timing, episode_length=0.4)
        return dataclasses.replace(panel, num_robots=4, task=dataclasses.replace(panel.task, timing=timing))

    monkeypatch.setattr(panels, "load_panel", short)


@pytest.fixture
def learner(monkeypatch: pytest.MonkeyPatch) -> list[TrainSettings]:
    """A learner that learns nothing and remembers what it was asked for."""
    asked: list[TrainSettings] = []

    def train(env_id: str, settings: TrainSettings) -> Path:
        asked.append(settings)
        run = Run.create(Path(settings.run or "runs/unnamed"))
        run.write_recipe({"environment": env_id, "geometry": {"num_envs": 64}})
        for update in (1, 2):
            terms = {"linear_velocity_tracking": 0.5, "joint_torques": -0.2}
            run.record(
                "update",
                update=update,
                elapsed_seconds=30.0 * update,
                reward_per_second=0.3 * update,
                terms_per_second=terms,
                resets={"time_limit": 1, "base_contact": 2},
                action_clip_rate=0.0,
            )
        zero_policy(run.policy)
        return run.folder

    monkeypatch.setattr(learners, "installed", lambda: {"still": lambda: train})
    return asked


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "Loco/AnymalC-Flt-v0"], f"unknown environment 'Loco/AnymalC-Flt-v0'; did you mean {FLAT!r}?"),
        (["train"], "name an environment, or a run to --resume"),
        (["train", FLAT, "--learner", "rslrl"], "unknown learner 'rslrl'; did you mean 'rsl_rl'?"),
        (["train", FLAT, "--backend", "mujco"], "unknown backend 'mujco'; did you mean 'mujoco'?"),
        (["train", FLAT, "--recipe", "papr"], "unknown recipe 'papr'; did you mean 'paper'?"),
        (["train", "--resume", "nowhere"], "runs/nowhere is no run folder"),
        (["eval", "nowhere"], "no policy in nowhere: give a folder"),
        (["eval", "Loco/AnymalC-Flt-v0"], f"did you mean {FLAT!r}?"),
        (["play", "nowhere", "--out", "a.avi"], "must end in .mp4, .webm, .gif"),
        (["play", "nowhere", "--size", "641", "480"], "--size 641 480: even numbers of pixels"),
        (["play", "anymal_c_flat", "--together"], "--together shows the tiles of a map"),
        (["play", "anymal_c_flat", "--beside", "a1_flat"], "does not fit the task"),
        (["export", "nowhere", "--out", "x"], "no policy in nowhere: give a folder"),
        (["terrain", FLAT], "is on a plane, there is nothing to draw"),
        (["eval", FLAT, "--options", "cone"], "--options cone: must be name=value"),
        (
            ["eval", FLAT, "--backend", "mujoco", "--options", "cone=round"],
            "cone='round': there are 'elliptic' and 'pyramidal'",
        ),
        (
            ["eval", FLAT, "--backend", "mujoco", "--options", "cones=round"],
            "unknown option of backend 'mujoco' 'cones'; did you mean 'cone'?",
        ),
        (["train", FLAT, "--until-bar"], "until_bar: say how often to look"),
        (["train", FLAT, "--until-bar", "--validate-every", "0"], "until_bar: say how often to look"),
        (["train", FLAT, "--validate-every", "-1"], "validate_every=-1: must be a whole number from 0"),
        (["train", FLAT, "--validate-minutes", "0"], "validate_minutes=0.0: must be a positive number of minutes"),
        (
            ["train", FLAT, "--validate-every", "0", "--keep-policies"],
            "keep_policies: validate_every=0 turns validation off",
        ),
        (["train", FLAT, "--panels", "ruogh"], "unknown panel 'ruogh'; did you mean 'rough'?"),
        (["train", FLAT, "--panels", "none", "flat"], "--panels none flat: none stands alone"),
        (["train", FLAT, "--panels", "no.json"], "no.json is missing"),
    ],
)
def test_what_a_user_gets_wrong_is_one_line_and_exit_code_2(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    error = capsys.readouterr().err
    assert stopped.value.code == 2
    assert message in error and error.startswith("locoenvs: ") and error.count("\n") == 1


def test_every_command_has_help_of_one_line_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (
        "list",
        "train",
        "eval",
        "failures",
        "replay",
        "play",
        "export",
        "terrain",
        "walk",
        "size",
        "report",
        "compare",
    ):
        with pytest.raises(SystemExit) as stopped:
            cli.main([command, "--help"])
        assert stopped.value.code == 0
        assert f"usage: locoenvs {command}" in capsys.readouterr().out


def test_list_names_environments_backends_and_learners(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["list"])
    shown = capsys.readouterr().out
    for name in (FLAT, "mujoco", "rsl_rl", "anymal_c_flat", "AnymalC-flat-1: "):
        assert name in shown


def test_a_shipped_policy_goes_by_its_name_too(learner: list[TrainSettings], tmp_path: Path) -> None:
    for run, name in (("one", "a1_flat"), ("two", "Loco/A1-Flat-v0")):
        into = ["--run", str(tmp_path / run), "--panels", "none"]
        cli.main(["train", "Loco/A1-Rough-v0", "--learner", "still", "--start-from", name, *into])
        assert learner[-1].start_from == str(cli.POLICIES / "a1_flat")


def test_train_hands_the_settings_to_the_learner(
    learner: list[TrainSettings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cli.main(
        ["train", FLAT, "--learner", "still", "--num-envs", "8", "--seed", "3", "--run", "mine", "--minutes", "1"]
        + NONE
    )
    assert learner == [TrainSettings(FLAT, num_envs=8, seed=3, minutes=1.0, run="runs/mine", panels=("none",))]
    cli.main(["export", "mine", "--out", "given"])
    assert load_policy(tmp_path / "given").sha256 == load_policy(tmp_path / "runs/mine/policy").sha256


def test_a_panel_on_the_map_that_is_trained_on_is_refused_before(
    learner: list[TrainSettings], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rough, file = load_panel("rough"), tmp_path / "mine.json"
    own = dataclasses.replace(rough, name="mine", task=rough.task.with_({"terrain.seed": 7}))
    file.write_text(own.to_json())
    asked = ["train", "Loco/AnymalC-Rough-v0", "--actuator", "pd", "--learner", "still", "--panels", str(file)]
    with pytest.raises(SystemExit) as stopped:
        cli.main([*asked, "--run", str(tmp_path / "run"), "--set", "terrain.seed=7"])
    assert stopped.value.code == 2 and learner == []
    assert "terrain.seed=7: the map of panel mine has it: take another" in capsys.readouterr().err


def test_export_takes_what_eval_takes_and_replaces_nothing_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    zero_policy(Path("mine"))
    shipped, own = (load_policy(folder).sha256 for folder in (cli.POLICIES / "a1_flat", Path("mine")))
    names = {"mine": own, "mine/policy.onnx": own, "a1_flat": shipped, "Loco/A1-Flat-v0": shipped}
    for number, (name, sha256) in enumerate(names.items()):
        cli.main(["export", name, "--out", f"out{number}/deep"])
        assert load_policy(Path(f"out{number}/deep")).sha256 == sha256
    for existing in ("policy.onnx", "policy.json"):
        into = Path(existing.replace(".", "_"))
        into.mkdir()
        (into / existing).write_text("precious")
        with pytest.raises(SystemExit) as stopped:
            cli.main(["export", "mine", "--out", str(into)])
        assert stopped.value.code == 2
        assert f"{into} holds {existing} already: choose another folder, or replace" in capsys.readouterr().err
        assert [path.read_text() for path in into.iterdir()] == ["precious"]
        cli.main(["export", "mine", "--out", str(into), "--force"])
        assert load_policy(into).sha256 == own
    cli.main(["export", "mine", "--out", "mine", "--force"])
    assert load_policy(Path("mine")).sha256 == own


def test_a_run_without_a_policy_is_told_to_be_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Run.create(Path("runs/old")).write_recipe({"environment": FLAT})
    for command in (["export", "old", "--out", "x"], ["eval", "runs/old"], ["play", "old"]):
        with pytest.raises(SystemExit):
            cli.main(command)
        assert "runs/old has no policy yet: finish it by train --resume runs/old" in capsys.readouterr().err


def test_a_policy_that_was_changed_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    zero_policy(Path("mine"))
    document = json.loads(Path("mine/policy.json").read_text())
    del document["task_hash"]
    Path("mine/policy.json").write_text(json.dumps(document))
    for command in (["eval", "mine"], ["play", "mine"], ["export", "mine", "--out", "x"]):
        with pytest.raises(SystemExit) as stopped:
            cli.main(command)
        assert stopped.value.code == 2
        assert capsys.readouterr().err == "locoenvs: mine/policy.json: task_hash: Field required\n"


def test_resume_takes_the_environment_from_the_run(
    learner: list[TrainSettings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Run.create(Path("runs/old")).write_recipe({"environment": FLAT})
    cli.main(["train", "--resume", "old", "--learner", "still", *NONE])
    assert (learner[0].env_id, learner[0].resume) == (FLAT, "runs/old")


def test_run_and_resume_of_one_name_begin_a_run_or_go_on_with_it(
    learner: list[TrainSettings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["train", FLAT, "--learner", "still", "--run", "mine", "--resume", "mine", *NONE]
    cli.main(command)
    with pytest.raises(FileExistsError):  # this learner knows no more than new runs
        monkeypatch.setenv("LOCOENVS_TRACEBACK", "1")
        cli.main(command)
    assert [(asked.run, asked.resume) for asked in learner] == [("runs/mine", None), ("runs/mine", "runs/mine")]
    monkeypatch.delenv("LOCOENVS_TRACEBACK")
    with pytest.raises(SystemExit):
        cli.main([*command[: -len(NONE)], "--resume", "other", *NONE])
    assert "runs/other is no run folder" in capsys.readouterr().err


def test_walk_of_several_processes_is_refused(
    learner: list[TrainSettings], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SystemExit, match="2"):
        cli.main(["walk", "--learner", "still"])
    assert "walk trains in one process, 2 were started: take locoenvs train" in capsys.readouterr().err
    assert not learner


def test_eval_writes_a_result_of_the_panel(
    short_panels: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    zero_policy(tmp_path / "p")
    cli.main(["eval", "p", "--out", "result.json"])
    result = json.loads(Path("result.json").read_text())
    assert result["panel"] == "AnymalC-flat-1" and result["backend"] == "mujoco"
    assert result["policy_sha256"] == load_policy(tmp_path / "p").sha256
    assert "success rate" in capsys.readouterr().out


def test_eval_draws_what_its_panel_tells_apart(short_panels: None, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    zero_policy(tmp_path / "p")
    cli.main(["eval", str(tmp_path / "p"), "--plot", str(tmp_path / "success.png")])
    assert (tmp_path / "success.png").read_bytes().startswith(b"\x89PNG")


def test_a_panel_that_tells_nothing_apart_is_not_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    zero_policy(tmp_path / "p")
    whole = dataclasses.replace(load_panel("flat"), strata=())
    (tmp_path / "mine.json").write_text(whole.to_json())
    monkeypatch.setattr(steps, "evaluate", lambda *_, **__: pytest.fail("it was not told first"))
    with pytest.raises(SystemExit):
        cli.main(["eval", str(tmp_path / "p"), "--panel", str(tmp_path / "mine.json"), "--plot", "success.png"])
    assert "panel 'AnymalC-flat-1' tells nothing apart" in capsys.readouterr().err


@pytest.mark.parametrize("small", ["", ":smoke"])
def test_a_panel_of_another_robot_is_refused_before_anything_is_trained(
    small: str, learner: list[TrainSettings], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "anymal.json").write_text(load_panel("flat").to_json())
    asked = ["train", "Loco/A1-Flat-v0", "--learner", "still", "--run", str(tmp_path / "run")]
    with pytest.raises(SystemExit):
        cli.main([*asked, "--panels", f"{tmp_path / 'anymal.json'}{small}"])
    assert "anymal.json is for robot 'anymal_c', not 'a1'" in capsys.readouterr().err and not learner


@pytest.mark.parametrize("command", [["eval", "p"], ["compare", "p", "p"]])
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--plot", "success.xyz"], "success.xyz: a picture's name must end in one of .eps"),
        (["--out", "p"], "--out p: it is a folder, name a file in it"),
        (["--out", "p/policy.json/result.json"], "p/policy.json"),
    ],
)
def test_what_cannot_be_written_is_told_before_anything_is_evaluated(
    command: list[str],
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    zero_policy(Path("p"))
    monkeypatch.setattr(steps, "evaluate", lambda *_, **__: pytest.fail("it was not told first"))
    with pytest.raises(SystemExit):
        cli.main([*command, *words])
    assert message in capsys.readouterr().err


def test_a_policy_that_does_not_fit_the_panel_is_refused(
    short_panels: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    zero_policy(tmp_path / "p", {"robot.action_scale": 0.25})
    with pytest.raises(SystemExit):
        cli.main(["eval", str(tmp_path / "p")])
    assert "action scale: the policy has 0.25, the task 0.5" in capsys.readouterr().err


def test_a_policy_is_judged_on_another_ground_by_what_it_sees(short_panels: None, tmp_path: Path) -> None:
    zero_policy(tmp_path / "run/best")
    cli.main(["eval", str(tmp_path / "run/best"), "--panel", "rough", "--out", str(tmp_path / "result.json")])
    result = json.loads((tmp_path / "result.json").read_text())
    assert (
        result["policy"]["name"] == "run/best"
        and result["panel"] == "AnymalC-rough-1-own-view"
        and result["num_robots"] == 4
    )


def test_walk_trains_evaluates_and_draws(
    short_panels: None,
    learner: list[TrainSettings],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    beside: list[str] = []
    monkeypatch.setattr(archive, "keep", lambda path, *_: beside.append(path.name))
    with pytest.raises(SystemExit) as stopped:
        cli.main(["walk", "--run", "first", "--learner", "still", "--no-video"])
    assert stopped.value.code == 1, "it stands still"
    assert beside == ["evaluation.json", "flat.json"], "what led to falls lies beside both"
    assert (learner[0].recipe, learner[0].env_id, learner[0].actuator) == ("walk", FLAT, "pd")
    assert (learner[0].validate_every, learner[0].validate_robots, learner[0].until_bar) == (75, 128, True)
    shown = capsys.readouterr().out
    assert "joints driven by the PD law" in shown
    assert shown.splitlines()[-1].startswith("it does not walk yet: 0.0% of the robots fall, they are off by")
    run = Run.open(tmp_path / "runs/first")
    assert json.loads((run.folder / "evaluation.json").read_text())["reset_reasons"]["time_limit"] == 4
    assert (run.records()[-1]["kind"], run.records()[-1]["use"]) == ("held_out", 1)
    assert (run.panels / "flat.json").read_bytes() == (run.folder / "evaluation.json").read_bytes()
    assert (run.folder / "learning.png").read_bytes().startswith(b"\x89PNG")


def test_walk_on_a_machine_that_cannot_draw_still_reports(
    short_panels: None,
    learner: list[TrainSettings],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MUJOCO_GL", "nothing")
    with pytest.raises(SystemExit):
        cli.main(["walk", "--run", "blind", "--learner", "still"])
    shown = capsys.readouterr().out
    assert "no video, this machine cannot draw" in shown and "runs/blind/evaluation.json" in shown


def test_a_walk_that_walks_says_so_and_one_that_was_interrupted_is_gone_on_with(
    short_panels: None,
    learner: list[TrainSettings],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("locoenvs.cli.walk.meets_bar", lambda result: True)
    Run.create(Path("runs/old")).write_recipe({"environment": FLAT, "learner": "still"})
    monkeypatch.setattr(Run, "check_free", staticmethod(lambda folder: None))
    cli.main(["walk", "--resume", "old", "--run", "runs/old", "--no-video"])
    assert (learner[0].resume, learner[0].recipe, learner[0].seed) == ("runs/old", "walk", None)
    assert capsys.readouterr().out.splitlines()[-1].startswith("it walks: ")


def test_an_interrupted_walk_evaluates_and_films_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def stopped(env_id: str, settings: TrainSettings) -> Path:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(learners, "installed", lambda: {"still": lambda: stopped})
    monkeypatch.setattr(steps, "evaluate", lambda *_: pytest.fail("evaluated"))
    with pytest.raises(SystemExit) as ended:
        cli.main(["walk", "--learner", "still"])
    assert ended.value.code == 130


def test_the_options_of_a_backend_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []

    def judge(*arguments: object, options: object, **others: object) -> None:
        given.append(options)
        raise ValueError("enough")

    monkeypatch.setattr(steps, "evaluate", judge)
    for arguments in ([], ["--options", "threads=2", "cone=pyramidal", "visuals=true"]):
        with pytest.raises(SystemExit):
            cli.main(["eval", FLAT, *arguments])
    assert given == [None, {"threads": 2, "cone": "pyramidal", "visuals": True}]


def test_eval_writes_its_files_before_it_prints(
    short_panels: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise BrokenPipeError

    monkeypatch.chdir(tmp_path)
    zero_policy(tmp_path / "p")
    monkeypatch.setattr(cli, "print_result", broken)
    monkeypatch.setattr(cli.os, "dup2", lambda *_: None)
    with pytest.raises(SystemExit) as stopped:
        cli.main(["eval", "p", "--out", "result.json"])
    assert stopped.value.code == 141 and json.loads(Path("result.json").read_text())["num_robots"] == 4


def test_a_reader_that_stops_reading_is_no_error() -> None:
    command = f"{sys.executable} -m locoenvs list | head -1"
    ran = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert ran.returncode == 0 and "Traceback" not in ran.stderr and "locoenvs:" not in ran.stderr


def test_brackets_are_no_markup(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def load() -> None:
        raise ImportError('type pip install ".[mjx]"')

    monkeypatch.setattr(cli.backends, "installed", lambda: {"mjx": load})
    cli.main(["list"])
    assert "[mjx]" in capsys.readouterr().out


def test_the_version_is_told_with_the_place(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["--version"])
    assert capsys.readouterr().out == f"locoenvs {locoenvs.__version__} from {Path(locoenvs.__file__).parent}\n"


def test_an_error_is_one_line_that_anybody_reads(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(name: str) -> None:
        raise ValueError("many\n" + "words " * 400)

    monkeypatch.setattr(cli, "policy_named", fails)
    with pytest.raises(SystemExit):
        cli.main(["eval", "x"])
    error = capsys.readouterr().err
    assert error.startswith("locoenvs: many words words") and error.count("\n") == 1 and len(error) < 700
