"""``locoenvs study``: what it writes and says, and what it says of what is wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from locoenvs.cli import app as cli
from locoenvs.cli import study as cli_study
from locoenvs.envs.registration import task
from locoenvs.evidence.compare import Comparison
from locoenvs.policies.policy import save_policy
from locoenvs.tasks.task import Task
from locoenvs.training.run import Run
from locoenvs.training.settings import TrainSettings
from locoenvs.training.study.state import State
from locoenvs.training.study.trial import Train
from studies import ENTROPIES, FLAT, Pretended


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Pretended:
    made = Pretended()
    monkeypatch.setattr(cli_study, "train_by", made)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    Path("entropies.toml").write_text(ENTROPIES)
    return made


def test_it_is_carried_out_told_and_gone_on_with(train: Pretended, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["study", "entropies.toml"])
    said = capsys.readouterr().out
    assert "trial-1-seed-0: to 3 of 9 updates" in said and "pruned after 1 updates" in said
    assert '* best by validation: trial-1 {"ppo.entropy": 0.1}' in said
    folder = Path("runs/entropies")
    assert {"study.toml", "state.json", "results.json", "results.csv"} <= {path.name for path in folder.iterdir()}
    assert json.loads((folder / "results.json").read_text())["best"] == "trial-1"
    count = len(train.asked)
    cli.main(["study", "entropies.toml"])
    assert len(train.asked) == count, "what is done is not done again"


def test_one_of_which_nothing_is_left_to_choose_exits_with_1(
    train: Pretended, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(run: str, update: int) -> None:
        raise ValueError("no such option")

    train.before = fail
    with pytest.raises(SystemExit) as stopped:
        cli.main(["study", "entropies.toml"])
    assert stopped.value.code == 1
    out = capsys.readouterr().out
    assert "trial-1 failed: ValueError: no such option" in out and "the study failed: nothing to choose from" in out
    assert Path("runs/entropies/results.json").exists()
    train.before = lambda run, update: fail(run, update) if run == "trial-4-seed-0" else None
    cli.main(["study", "entropies.toml"])  # what is left can be chosen from


def test_ctrl_c_says_how_to_go_on(train: Pretended, capsys: pytest.CaptureFixture[str]) -> None:
    def stop(run: str, update: int) -> None:
        if run == "trial-2-seed-0":
            raise KeyboardInterrupt

    train.before = stop
    with pytest.raises(SystemExit) as stopped:
        cli.main(["study", "entropies.toml"])
    assert stopped.value.code == 130
    assert "the same command goes on with runs/entropies" in capsys.readouterr().out
    assert not Path("runs/entropies/results.json").exists()


def with_policy(train: Pretended, changed: Mapping[str, Mapping[str, Any]] | None = None) -> Train:
    """Trains nothing, and leaves a policy of the walk task; ``changed`` are changes of the task, by the name of a run."""

    def trained(learner: str, settings: TrainSettings, given: Task | None) -> Path:
        folder = train(learner, settings, given)
        own = task(FLAT, "walk", "pd").with_((changed or {}).get(folder.name, {}), "walk")
        network = [(np.zeros((12, 48)), np.zeros(12))]
        save_policy(folder / "policy", own, network, provenance={"environment": FLAT})
        if settings.resume is None:
            recipe = {"environment": FLAT, "backend": "mujoco", "options": {}}
            run = Run(folder)
            run.write_recipe({**run.recipe(), **recipe})
        return folder

    return trained


JUDGED = ENTROPIES.replace('"none"', '"flat:smoke"').replace("seeds = [0, 1]", "seeds = [4]")


def test_the_best_is_judged_beside_the_base_once(
    train: Pretended, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("google.protobuf")
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(cli_study, "train_by", with_policy(train))
    Path("entropies.toml").write_text(JUDGED)
    cli.main(["study", "entropies.toml"])
    said = capsys.readouterr().out
    assert "trial-1-seed-4 beside base-seed-4, held out: no difference" in said
    (comparison,) = json.loads(Path("runs/entropies/results.json").read_text())["comparisons"]
    assert comparison["verdict"]["word"] == "no difference"
    cli.main(["study", "entropies.toml"])
    used = {
        run.name: [line["use"] for line in Run(run).records() if line["kind"] == "held_out"]
        for run in Path("runs/entropies").iterdir()
        if run.is_dir()
    }
    assert used == {"base-seed-4": [1], "trial-1-seed-4": [1], **{f"trial-{n}-seed-4": [] for n in (2, 3, 4)}}, (
        "each once"
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"robot.action_scale": 0.4}, "trial-1-seed-4: not judged on panel flat:smoke: the policy of"),
        (
            {"observations.slots.projected_gravity.scale": 2.0},
            "trial-1-seed-4 is not compared with base-seed-4: results of different",
        ),
    ],
)
def test_what_cannot_be_judged_takes_no_result_away(
    changes: dict[str, Any],
    said: str,
    train: Pretended,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("google.protobuf")
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(cli_study, "train_by", with_policy(train, {"trial-1-seed-4": changes}))
    Path("entropies.toml").write_text(JUDGED)
    cli.main(["study", "entropies.toml"])
    out = capsys.readouterr().out
    assert said in out and "best by validation: trial-1" in out
    document = json.loads(Path("runs/entropies/results.json").read_text())
    assert document["best"] == "trial-1" and document["comparisons"] == []
    assert Path("runs/entropies/results.csv").is_file()


def test_results_are_there_before_anything_is_judged(train: Pretended, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(state: State, say: object) -> list[Comparison]:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli_study, "verdicts", stopped)
    with pytest.raises(SystemExit):
        cli.main(["study", "entropies.toml"])
    assert json.loads(Path("runs/entropies/results.json").read_text())["best"] == "trial-1"
    assert Path("runs/entropies/results.csv").is_file()


@pytest.mark.parametrize(
    ("change", "words", "said"),
    [
        (("ppo.entropy", "ppo.entropi"), [], "did you mean 'entropy'"),
        (("updates = 9", "updates = 'nine'"), [], "updates: Input should be a valid integer"),
        (("updates = 9", 'updates = 9\nlearner = "rsl_lr"'), [], "did you mean 'rsl_rl'"),
        (("updates = 9", 'updates = 9\nbackend = "mujoko"'), [], "did you mean 'mujoco'"),
        (('"none"', '"falt"'), [], "did you mean 'flat'"),
        (("updates = 9", 'updates = 9\nstart_from = "nobody"'), [], "no policy in nobody"),
        (("", ""), ["--address", "127.0.0.1:6379"], "are of Ray: add --on ray"),
        (("", ""), ["--on", "ray", "--cpus", "0"], "more than 0 cores"),
        (("", ""), ["--on", "ray", "--address", "nowhere"], "must be host:port"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_in_a_line(
    change: tuple[str, str], words: list[str], said: str, train: Pretended, capsys: pytest.CaptureFixture[str]
) -> None:
    if "ray" in words:
        pytest.importorskip("ray")
    Path("entropies.toml").write_text(ENTROPIES.replace(*change) if change[0] else ENTROPIES)
    with pytest.raises(SystemExit) as refused:
        cli.main(["study", "entropies.toml", *words])
    assert refused.value.code == 2 and said in capsys.readouterr().err
    assert not train.asked


def test_a_folder_of_something_else_is_left_alone(train: Pretended, capsys: pytest.CaptureFixture[str]) -> None:
    Path("runs/entropies").mkdir(parents=True)
    Path("runs/entropies/notes.txt").write_text("mine")
    with pytest.raises(SystemExit):
        cli.main(["study", "entropies.toml"])
    assert "exists and is no run" in capsys.readouterr().err and not train.asked


def test_one_that_was_killed_before_it_had_begun_begins(train: Pretended) -> None:
    Path("runs/entropies").mkdir(parents=True)
    for name in ("lock", "study.toml.partial"):
        Path("runs/entropies", name).write_text("env_")
    cli.main(["study", "entropies.toml"])
    assert train.asked and not Path("runs/entropies/study.toml.partial").exists()


def test_two_at_a_time_are_kept_apart(train: Pretended, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["study", "entropies.toml"])
    with Run(Path("runs/entropies")).locked(), pytest.raises(SystemExit):
        cli.main(["study", "entropies.toml"])
    assert "is trained by process" in capsys.readouterr().err
