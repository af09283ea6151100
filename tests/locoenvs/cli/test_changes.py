"""Tasks are changed without Python: by --set, by a file of locoenvs task, and by an id of one's own."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

import locoenvs
from locoenvs.cli import app as cli
from locoenvs.cli.arguments import changes_given
from locoenvs.envs import registration
from locoenvs.envs.registration import task as task_of
from locoenvs.evidence import panel as panels
from locoenvs.evidence.panel import load_panel
from locoenvs.evidence.result import Result
from locoenvs.policies.policy import load_policy, save_policy
from locoenvs.tasks.task import Task
from locoenvs.training import learners
from locoenvs.training.run import Run
from locoenvs.training.settings import TrainSettings

FLAT, ROUGH, OWN = "Loco/AnymalC-Flat-v0", "Loco/AnymalC-Rough-v0", "Mine/AnymalC-Slow-v0"
RATE = "rewards.terms.action_rate.weight"
NONE = ("--panels", "none")
TINY = ("--num-envs", "8", "--updates", "2", "--backend", "mujoco")
SMALL = ("--set", "ppo.hidden=[16,8]", "--set", "ppo.horizon=8", "--set", "ppo.epochs=1", "--set", "ppo.minibatches=2")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> None:
    cli.main(list(arguments))


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command says in the one line that it ends with."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as stopped:
        run(*arguments)
    error = capsys.readouterr().err
    assert stopped.value.code == 2 and error.startswith("locoenvs: ") and error.count("\n") == 1, error
    return error


def written(env_id: str = FLAT, *arguments: str) -> Path:
    run("task", env_id, "--out", "given/task.json", *arguments)
    return Path("given/task.json")


def zero_policy(folder: Path) -> None:
    pytest.importorskip("google.protobuf")
    pytest.importorskip("onnxruntime")
    save_policy(folder, task_of(FLAT, actuator="pd"), [(np.zeros((12, 48)), np.zeros(12))])


@pytest.fixture
def own_id() -> Iterator[str]:
    """An environment that a script registered."""
    locoenvs.register(OWN, task_of(FLAT, actuator="pd").with_({"commands.forward": (-0.3, 0.3)}))
    yield OWN
    registration._OWN.pop(OWN)
    gymnasium.registry.pop(OWN)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[TrainSettings, Task | None]]:
    """A learner that remembers what it was asked for."""
    asked: list[tuple[TrainSettings, Task | None]] = []

    def train(env_id: str, settings: TrainSettings, task: Task | None = None) -> Path:
        asked.append((settings, task))
        return Path("runs/none")

    monkeypatch.setattr(learners, "installed", lambda: {"still": lambda: train})
    return asked


def test_values_are_json_or_else_text() -> None:
    given = ["a=1", "b=-2.5e-7", "c=[0.2,0.4]", "d=null", "e=true", 'f="1"', "g=plane", 'h={"x": {"y": []}}', "i=a=b"]
    assert changes_given(given) == {
        "a": 1, "b": -2.5e-7, "c": [0.2, 0.4], "d": None, "e": True, "f": "1", "g": "plane", "h": {"x": {"y": []}}, "i": "a=b",
    }  # fmt: skip
    assert changes_given([]) == {}


def test_a_task_is_printed_or_written(capsys: pytest.CaptureFixture[str]) -> None:
    run("task", FLAT)
    assert Task.from_json(capsys.readouterr().out) == task_of(FLAT)
    run("task", ROUGH, "--recipe", "walk", "--actuator", "pd", "--out", "deep/own.json")
    made = Task.from_json(Path("deep/own.json").read_text())
    assert made == task_of(ROUGH, "walk", "pd")
    assert capsys.readouterr().out.split() == ["task:", "deep/own.json", "(walk,", f"{made.hash})"]


def test_a_task_with_other_values_says_how_many(capsys: pytest.CaptureFixture[str]) -> None:
    file = written(FLAT, "--actuator", "pd", "--set", f"{RATE}=-0.05", "--set", "randomization.terms.gains={}")
    made = Task.from_json(file.read_text())
    assert made == task_of(FLAT, actuator="pd").with_({RATE: -0.05, "randomization.terms.gains": {}})
    assert made.recipe == "paper, and 2 changes" and made.rewards.terms["action_rate"].weight == -0.05
    assert f"({made.recipe}, {made.hash})" in " ".join(capsys.readouterr().out.split())
    run(
        "task",
        FLAT,
        "--set",
        "terrain.kind=tiles",
        "--set",
        "terrain.shares.flat=null",
        "--set",
        "terrain.shares.rough.share=0.4",
    )
    made = Task.from_json(capsys.readouterr().out)
    assert made.terrain.kind == "tiles" and "flat" not in [share.kind for share in made.terrain.shares]


WRONG = [
    ([f"{RATE}"], f"--set {RATE}: must be field=value, such as"),
    (["=1"], "--set =1: must be field=value"),
    ([f"{RATE}=1", f"{RATE}=2"], f"--set {RATE}: given twice"),
    (["reward.terms.action_rate.weight=1"], "unknown field of a task 'reward'; did you mean 'rewards'?"),
    (["rewards.terms.action_rat.weight=1"], "unknown reward term 'action_rat'; did you mean 'action_rate'?"),
    (["rewards.terms.action_rate.wait=1"], "unknown field of rewards.terms.action_rate 'wait'; did you mean 'weight'?"),
    ([f"{RATE}=much"], f"{RATE}: Input should be a valid number, got 'much'"),
    ([f"{RATE}=true"], f"{RATE}: Input should be a valid number, got True"),
    (["timing.physics_dt=7"], "timing.physics_dt: Input should be less than or equal to 0.1, got 7"),
    (["randomization.terms.gain={}"], "unknown randomization 'gain'; did you mean 'gains'?"),
    (['randomization.terms.gains={"parameters":{"stiffness":[2,1]}}'], "stiffness: the lower end 2.0 must not exceed"),
    (["randomization.terms.link_mass.parameters.bodies=base"], "did you mean 'body'?"),
]


@pytest.mark.parametrize(("given", "message"), WRONG, ids=lambda value: value[-1] if isinstance(value, list) else "")
def test_a_change_that_is_none_is_one_line_wherever_it_is_given(
    given: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = [part for each in given for part in ("--set", each)]
    assert message in refused(capsys, "task", FLAT, "--actuator", "pd", "--out", "task.json", *changes)
    assert message in refused(capsys, "terrain", ROUGH, *changes)
    assert message in refused(capsys, "play", "anymal_c_flat", *changes)
    assert not list(Path().iterdir())


def test_a_terrain_is_drawn_of_what_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(cli, "terrain_picture", lambda ground, path: drawn.append(ground))
    run("terrain", ROUGH, "--set", "terrain.levels=3", "--set", "terrain.shares.stairs_up.parameters.riser=[0.1,0.3]")
    assert drawn[0].levels == 3 and drawn[0].columns == 20
    assert [share.parameters["riser"] for share in drawn[0].shares if share.kind == "stairs_up"] == [(0.1, 0.3)]
    file = written(ROUGH, "--set", "terrain.columns=4")
    run("terrain", FLAT, "--task", str(file))
    run("terrain", FLAT, "--task", str(file), "--set", "terrain.levels=2")
    run("terrain", FLAT, "--set", "terrain.kind=tiles")
    assert [(ground.levels, ground.columns) for ground in drawn[1:]] == [(10, 4), (2, 4), (10, 20)]


def test_changes_reach_the_learner_as_they_are_given(asked: list[tuple[TrainSettings, Task | None]]) -> None:
    to = ("--run", "runs/mine", *NONE)
    run("train", FLAT, "--learner", "still", "--set", f"{RATE}=-0.05", "--set", "ppo.hidden=[16]", *to)
    changes = {RATE: -0.05, "ppo.hidden": [16]}
    settings = TrainSettings(FLAT, run="runs/mine", panels=("none",))
    assert asked[0] == (dataclasses.replace(settings, changes=changes), None)
    file = written(FLAT, "--set", f"{RATE}=-0.5")
    run("train", FLAT, "--learner", "still", "--task", str(file), *to)
    assert asked[1] == (settings, Task.from_json(file.read_text()))


def test_a_task_of_a_file_is_all_of_it(
    asked: list[tuple[TrainSettings, Task | None]], capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(written())
    for option in (("--recipe", "walk"), ("--actuator", "pd")):
        said = refused(capsys, "train", FLAT, "--learner", "still", "--task", file, *option)
        assert "--task says all of the task: leave --recipe and --actuator out, or change it by --set" in said
    assert "nowhere.json is missing" in refused(capsys, "train", FLAT, "--learner", "still", "--task", "nowhere.json")
    assert not asked


def test_a_file_of_a_format_to_come_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(task_of(FLAT).to_json())
    Path("new.json").write_text(json.dumps({**document, "format_version": 3}))
    Path("no.json").write_text("robot: anymal")
    commands = (["train", FLAT], ["terrain", FLAT], ["eval", "anymal_c_flat"], ["play", "anymal_c_flat"])
    for command in commands:
        said = refused(capsys, *command, "--task", "new.json")
        assert said == (
            "locoenvs: format_version 3 of new.json, this locoenvs reads up to 2: use the locoenvs that wrote it\n"
        )
    for place, name, near in (
        ("", "robots", "robot"),
        ("rewards", "clip_at_zeros", "clip_at_zero"),
        ("rewards.terms.action_rate", "weights", "weight"),
        ("terrain.shares.0", "shares", "share"),
        ("actuator.lstm", "networks", "network"),
    ):
        written_by_a_newer_one: Any = json.loads(json.dumps(document))
        within = written_by_a_newer_one
        for part in place.removesuffix(".lstm").split(".") if place else ():
            within = within[int(part) if part.isdigit() else part]
        within[name] = 3
        Path("bad.json").write_text(json.dumps(written_by_a_newer_one))
        said = refused(capsys, "train", FLAT, "--task", "bad.json")
        where = f"{place}.{name}".removeprefix(".")
        assert f"bad.json: {where}: of a newer locoenvs, or unknown field {name!r}; did you mean {near!r}?" in said
    assert "no.json is not JSON" in refused(capsys, "train", FLAT, "--task", "no.json")


@pytest.fixture
def short_panels(monkeypatch: pytest.MonkeyPatch) -> None:
    def short(name: str) -> object:
        panel = load_panel(name)
        timing = dataclasses.replace(panel.task.timing, episode_length=0.4)
        return dataclasses.replace(panel, num_robots=4, task=dataclasses.replace(panel.task, timing=timing))

    monkeypatch.setattr(panels, "load_panel", short)


def test_a_changed_panel_is_another_one(short_panels: None, capsys: pytest.CaptureFixture[str]) -> None:
    zero_policy(Path("p"))
    named = ["eval", "p", "--backend", "mujoco"]
    results = {}
    file = written(FLAT, "--actuator", "pd", "--set", "timing.episode_length=0.4", "--set", f"{RATE}=-0.05")
    for name, given in {
        "own": [],
        "one": ["--set", "randomization.friction=[0.2,0.4]"],
        "two": ["--set", "randomization.friction=[0.2,0.4]", "--set", "randomization.terms.imu_bias={}"],
        "other": ["--task", str(file)],
        "both": ["--task", str(file), "--set", "randomization.friction=[0.2,0.4]"],
    }.items():
        run(*named, *given, "--out", f"{name}.json")
        results[name] = json.loads(Path(f"{name}.json").read_text())
    assert {name: result["panel"] for name, result in results.items()} == {
        "own": "AnymalC-flat-1",
        "one": "AnymalC-flat-1, and 1 change",
        "two": "AnymalC-flat-1, and 2 changes",
        "other": "AnymalC-flat-1, on another task",
        "both": "AnymalC-flat-1, on another task, and 1 change",
    }
    assert len({result["panel_hash"] for result in results.values()}) == 5
    assert "unknown reward term 'speed'" in refused(capsys, *named, "--set", "rewards.terms.speed.weight=1")


def test_a_policy_is_played_on_what_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    played: list[Task] = []
    monkeypatch.setattr("locoenvs.cli.play.record", lambda policy, task, *_, **__: played.append(task))
    zero_policy(Path("p"))
    own = load_policy(Path("p")).task
    run("play", "p")
    run("play", "p", "--set", "randomization.terms.motor_strength={}", "--set", "randomization.friction=[0.2,0.4]")
    run("play", "p", "--task", str(written(FLAT, "--actuator", "pd", "--set", f"{RATE}=-0.05")))
    assert played[0] == own and played[1].randomization.friction == (0.2, 0.4)
    assert list(played[1].randomization.terms) == ["motor_strength"]
    assert played[2].rewards.terms["action_rate"].weight == -0.05


@pytest.fixture
def rsl_rl() -> None:
    for package in ("torch", "rsl_rl", "onnx", "onnxruntime"):
        pytest.importorskip(package)


def test_a_changed_training_tells_what_was_changed(rsl_rl: None, capsys: pytest.CaptureFixture[str]) -> None:
    run("train", FLAT, "--actuator", "pd", *TINY, *SMALL, "--set", f"{RATE}=-0.05", "--run", "mine", *NONE)
    shown = capsys.readouterr().out
    made = Run.open(Path("runs/mine")).recipe()
    assert f"{FLAT}: recipe paper, and 5 changes, task {made['task_hash']}, seed 0" in shown
    assert f"  {RATE} = -0.05\n" in shown and "  ppo.hidden = [16, 8]\n" in shown
    assert made["changes"] == {
        "ppo.hidden": [16, 8],
        "ppo.horizon": 8,
        "ppo.epochs": 1,
        "ppo.minibatches": 2,
        RATE: -0.05,
    }
    assert made["task"]["recipe"] == "paper, and 1 change"
    assert made["task_hash"] == task_of(FLAT, actuator="pd").with_({RATE: -0.05}).hash
    assert (made["ppo"]["hidden"], made["ppo"]["horizon"], made["ppo"]["epochs"]) == ([16, 8], 8, 1)
    assert (made["ppo"]["num_envs"], made["ppo"]["updates"], made["ppo"]["minibatches"]) == (8, 2, 2)
    policy = load_policy(Path("runs/mine/policy"))
    assert policy.task.rewards.terms["action_rate"].weight == -0.05 and policy.document["network"]["hidden"] == [16, 8]
    before = Path("runs/mine/ledger.jsonl").read_bytes()
    said = refused(capsys, "train", "--resume", "mine", "--updates", "3", "--set", "ppo.entropy=0.1")
    assert "changes (ppo.entropy) are for a new run: a resumed one goes on as it began" in said
    file = str(written(FLAT, "--actuator", "pd"))
    said = refused(capsys, "train", "--resume", "mine", "--updates", "3", "--task", file)
    assert f"the run to resume has 'robot anymal_c on task {made['task_hash']}'" in said
    assert Path("runs/mine/ledger.jsonl").read_bytes() == before
    run("train", "--resume", "mine", "--updates", "3", *NONE)
    assert "paper, and 5 changes" in capsys.readouterr().out
    assert Run.open(Path("runs/mine")).recipe()["changes"] == made["changes"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("ppo.entrop=0.1", "ppo.entrop: unknown field of ppo 'entrop'; did you mean 'entropy'?"),
        ("ppo.entropy=much", "ppo: entropy: Input should be a valid number, got 'much'"),
        ("ppo.entropy=-1", "ppo: entropy=-1.0: must be from 0 to 1000"),
        ("ppo.epochs=0", "ppo: epochs=0: must be a whole number of at least 1"),
        ("ppo.epochs=2.5", "ppo: epochs: Input should be a valid integer, got 2.5"),
        ("ppo.hidden=[16,0]", "must be widths of at least 1"),
        ("ppo.hidden=16", "ppo: hidden: Input should be a valid"),
        ("ppo.mirror=yes", "ppo: mirror: Input should be a valid boolean, got 'yes'"),
        ("rewards.terms.action_rat.weight=1", "unknown reward term 'action_rat'; did you mean 'action_rate'?"),
        (f"{RATE}=much", f"{RATE}: Input should be a valid number, got 'much'"),
        ("timing.physics_dt=7", "timing.physics_dt: Input should be less than or equal to 0.1, got 7"),
        ("randomization.terms.link_mass.parameters.body=tail", "there is no body 'tail'; there are base, LF_HIP"),
    ],
)
def test_a_change_that_is_none_makes_no_run(
    rsl_rl: None, given: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in refused(capsys, "train", FLAT, "--actuator", "pd", *TINY, "--set", given)
    assert not list(Path().iterdir())


def test_a_task_of_a_file_is_trained_on_with_changes_of_its_own(
    rsl_rl: None, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(
        FLAT, "--actuator", "pd", "--set", f"{RATE}=-0.05", "--set", "randomization.terms.observation_delay={}"
    )
    run(
        "train",
        FLAT,
        *TINY,
        *SMALL,
        "--task",
        str(file),
        "--set",
        "randomization.terms.link_mass={}",
        "--run",
        "filed",
        *NONE,
    )
    made = Run.open(Path("runs/filed")).recipe()
    assert made["task"]["recipe"] == "paper, and 3 changes"
    assert list(made["task"]["randomization"]["terms"]) == ["link_mass", "observation_delay"]
    assert "recipe paper, and 7 changes" in capsys.readouterr().out


def test_an_id_of_ones_own_is_made_listed_trained_judged_and_filmed(
    rsl_rl: None, own_id: str, short_panels: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    env = gymnasium.make(own_id, num_envs=2, backend="mujoco", options={"threads": 1})
    assert env.unwrapped.task.commands.forward == (-0.3, 0.3)
    assert gymnasium.make_vec(own_id, num_envs=3, backend="mujoco").num_envs == 3
    assert gymnasium.make(own_id).unwrapped.task == env.unwrapped.task == task_of(own_id)
    assert own_id in registration.ids() and registration.ids()[: len(registration.IDS)] == list(registration.IDS)
    with monkeypatch.context() as patched:
        patched.setattr(cli.backends, "installed", dict)  # not to import them all
        run("list")
    assert any(own_id in line and "anymal_c, registered here" in line for line in capsys.readouterr().out.splitlines())
    run("task", own_id, "--set", "commands.sideways=[0,0]", "--out", "own.json")
    assert Task.from_json(Path("own.json").read_text()).recipe == "paper, and 2 changes"
    run("train", own_id, *TINY, *SMALL, "--run", "own", *NONE)
    made = Run.open(Path("runs/own")).recipe()
    assert made["environment"] == own_id and made["task_hash"] == task_of(own_id).hash
    run("train", "--resume", "own", "--updates", "3", *NONE)
    assert load_policy(Path("runs/own/policy")).provenance["updates"] == 3
    for command in ("eval", "play"):
        said = refused(capsys, command, own_id)
        assert f"no policy is shipped for {own_id}: name the run in which you trained it" in said
    run("eval", "own", "--backend", "mujoco", "--out", "own-flat.json")
    judged = Result.from_json(Path("own-flat.json").read_bytes())
    assert (judged.panel, judged.num_robots) == ("AnymalC-flat-1", 4)
    assert judged.policy_sha256 == load_policy(Path("runs/own/policy")).sha256
    assert [line["panel"] for line in Run.open(Path("runs/own")).records() if line["kind"] == "held_out"] == [
        judged.panel
    ]
    for package in ("imageio_ffmpeg", "PIL"):
        pytest.importorskip(package)
    if os.environ.get("MUJOCO_GL") != "osmesa":
        pytest.skip("all but the film is tested: it needs libosmesa6, and MUJOCO_GL=osmesa")
    run("play", "own", "--seconds", "0.08", "--size", "64", "48", "--backend", "mujoco", "--out", "own.gif")
    assert Path("own.gif").read_bytes().startswith(b"GIF")


def test_an_id_of_ones_own_is_asked_for_by_its_name(own_id: str) -> None:
    assert task_of(own_id, "paper") == task_of(own_id) and task_of(own_id).recipe == "paper, and 1 change"
    assert task_of(own_id, actuator="lstm").actuator.kind == "lstm"
    with pytest.raises(
        ValueError, match="has the one recipe that it was registered with, 'paper, and 1 change': leave 'walk'"
    ):
        task_of(own_id, "walk")
    with pytest.raises(ValueError, match=f"unknown environment 'Mine/AnymalC-Slw-v0'; did you mean '{own_id}'"):
        task_of("Mine/AnymalC-Slw-v0")
    with pytest.raises(ValueError, match=f"{FLAT} is the suite's own: choose another id"):
        locoenvs.register(FLAT, task_of(FLAT))
    made: list[int] = []

    def late() -> Task:
        made.append(1)
        return task_of(FLAT)

    locoenvs.register(own_id, late)  # again, in the place of the first
    assert not made and task_of(own_id) == task_of(FLAT) and made
