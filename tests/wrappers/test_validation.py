"""A training that judges itself stops when it is good enough, and never on what is held out."""

from __future__ import annotations

import dataclasses
import json
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("rsl_rl")
pytest.importorskip("google.protobuf")
pytest.importorskip("onnxruntime")

from locoenvs.envs.registration import task as task_of
from locoenvs.evidence import panel as panels
from locoenvs.evidence.evaluate import evaluate
from locoenvs.evidence.metrics import Estimate
from locoenvs.evidence.panel import VALIDATION_SEEDS, Panel, load_panel
from locoenvs.evidence.result import Result
from locoenvs.policies.policy import POLICIES, Policy, load_policy
from locoenvs.training.run import Run
from locoenvs.training.settings import TrainSettings
from locoenvs.wrappers import films, validation
from locoenvs.wrappers.ppo import config
from locoenvs.wrappers.recipe import derived
from locoenvs.wrappers.rsl_rl import train

FLAT, ROUGH = "Loco/AnymalC-Flat-v0", "Loco/AnymalC-Rough-v0"
GOOD = {"success_rate": 0.99, "fall_rate": 0.01, "velocity_error": 0.15, "yaw_rate_error": 0.15}


def result(panel: Panel, found: dict[str, float], sha256: str | None = None) -> Result:
    return Result(
        panel=panel.name,
        panel_hash=panel.hash,
        task_hash=panel.task.hash,
        policy_sha256=sha256,
        backend="mujoco",
        num_robots=1,
        episode_seconds=1.0,
        metrics={name: Estimate(value, None, None, 1) for name, value in found.items()},
        reset_reasons={"time_limit": 1},
        strata={},
        versions={},
        wall_seconds=1.0,
    )


@pytest.fixture(autouse=True)
def small() -> Iterator[None]:
    """The recipe's settings, but less of everything."""
    full, less = config, {"horizon": 4, "epochs": 1, "minibatches": 1, "hidden": (8,)}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("locoenvs.wrappers.recipe.config", lambda task: dataclasses.replace(full(task), **less))
        yield


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Panel, str]]:
    """What was judged, and its hash. Every second policy falls until the sixth is asked for."""
    asked: list[tuple[Panel, str]] = []

    def judge(policy: Policy, panel: Panel, *_: object) -> Result:
        asked.append((panel, policy.sha256))
        bad = len(asked) < 6 and len(asked) % 2
        return result(panel, {**GOOD, "fall_rate": 0.02} if bad else GOOD, policy.sha256)

    for name, made in (
        ("recorded_by_all", lambda *_: [("record", "watch")]),
        ("joined", lambda _: None),
        ("result_of", judge),
    ):
        monkeypatch.setattr(validation, name, made)
    monkeypatch.setattr(validation, "environment_of", lambda *_, **__: types.SimpleNamespace(close=lambda: None))
    return asked


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real panels, but for a fifth of a second."""
    whole = panels.validation_of

    def short(task: Any) -> Panel:
        panel = whole(task)
        timing = dataclasses.replace(panel.task.timing, episode_length=0.2)
        return dataclasses.replace(panel, num_robots=6, task=dataclasses.replace(panel.task, timing=timing))

    monkeypatch.setattr(panels, "validation_of", short)


def lines(run: Run, kind: str = "validation") -> list[dict[str, Any]]:
    return [record for record in run.records() if record["kind"] == kind]


def test_a_run_is_saved_before_numbers_that_are_none_end_it(
    judged: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judge(*_: object) -> Result:
        raise ValueError("metric speed of robot 3 is nan")

    sound = validation.result_of
    monkeypatch.setattr(validation, "result_of", judge)
    asked = {"num_envs": 4, "updates": 3, "recipe": "walk", "validate_every": 2}
    run = Run(tmp_path / "run")
    with pytest.raises(
        ValueError, match="validation after 2 updates: metric speed of robot 3 is nan. The run is saved"
    ):
        train(FLAT, TrainSettings(FLAT, run=str(run.folder), **asked))
    assert lines(run, "checkpoint")[-1]["update"] == 2 and load_policy(run.policy).provenance["updates"] == 2
    monkeypatch.setattr(validation, "result_of", sound)
    train(FLAT, TrainSettings(FLAT, resume=str(run.folder), updates=3))
    assert [line["update"] for line in lines(run, "update")] == [1, 2, 3]


@pytest.mark.parametrize("seed", [1000, 51_000])
def test_a_training_on_the_map_of_what_judges_it_does_not_begin(seed: int, tmp_path: Path) -> None:
    settings = TrainSettings(ROUGH, num_envs=4, updates=1, run=str(tmp_path / "run"), changes={"terrain.seed": seed})
    with pytest.raises(ValueError, match=rf"terrain\.seed={seed}: the map of panel AnymalC-.*: take another"):
        train(ROUGH, settings)
    assert not (tmp_path / "run").exists()


def test_a_training_stops_when_the_bar_holds_twice_in_a_row(
    judged: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = TrainSettings(
        FLAT, num_envs=4, updates=100, run=str(tmp_path / "run"), recipe="walk", validate_every=2, until_bar=True
    )
    run = Run(train(FLAT, settings))
    found = lines(run)
    assert [line["update"] for line in found] == [2, 4, 6, 8, 10, 12, 14]
    assert [line["met"] for line in found] == [0, 1, 0, 1, 0, 1, 2]
    assert found[0]["metrics"] == {**GOOD, "fall_rate": 0.02} and found[1]["metrics"] == GOOD
    assert [line["best"] for line in found] == [True, True, False, False, False, False, False]
    assert lines(run, "update")[-1]["update"] == 14
    assert "good enough 2 times in a row after 14 updates" in capsys.readouterr().out
    panels, hashes = zip(*judged)
    assert {panel.split for panel in panels} == {"validation"} and load_panel("flat").hash not in {
        panel.hash for panel in panels
    }
    planned = run.recipe()["validation"]
    assert planned == {
        "every": 2, "minutes": None, "share": None, "asked": True, "until_bar": True, "keep_policies": False, "panel": panels[0].name,
        "panel_hash": panels[0].hash, "num_robots": 256, "best": validation.BEST,
    }  # fmt: skip
    assert len(set(hashes)) == 7 and hashes[-1] == load_policy(run.policy).sha256
    assert [line["policy_sha256"] for line in found] == list(hashes)
    spent = sum(sum(update["seconds"].values()) for update in lines(run, "update")) + sum(
        line["seconds"] for line in found
    )
    assert found[-1]["elapsed_seconds"] == pytest.approx(spent, abs=0.1), "judging is time of the training"


def test_without_until_bar_it_goes_on(judged: list[Any], tmp_path: Path) -> None:
    settings = TrainSettings(FLAT, num_envs=4, updates=16, run=str(tmp_path / "run"), recipe="walk", validate_every=2)
    run = Run(train(FLAT, settings))
    assert [line["met"] for line in lines(run)][-2:] == [2, 3]


def test_a_resumed_training_knows_what_the_last_one_found(judged: list[Any], tmp_path: Path) -> None:
    """The sixth is the first of two in a row: here the first half ends with it."""
    settings = TrainSettings(
        FLAT, num_envs=4, updates=12, run=str(tmp_path / "run"), recipe="walk", validate_every=2, until_bar=True
    )
    run = Run(train(FLAT, settings))
    told = [{name: value for name, value in line.items() if name != "panel_hash"} for line in run.records()]
    run.ledger.write_text("".join(json.dumps(line) + "\n" for line in told))  # as version 0.1.0 did
    train("", TrainSettings("", resume=str(run.folder), updates=100))
    assert lines(run)[-1]["update"] == 14 and len(judged) == 7
    assert load_policy(run.best).sha256 == judged[1][1], "the best was found before"


def test_a_run_that_its_bar_has_stopped_goes_on_until_the_bar_holds_anew(judged: list[Any], tmp_path: Path) -> None:
    settings = TrainSettings(
        FLAT, num_envs=4, updates=100, run=str(tmp_path / "run"), recipe="walk", validate_every=2, until_bar=True
    )
    run = Run(train(FLAT, settings))
    train("", TrainSettings("", resume=str(run.folder), updates=200))
    assert [(line["update"], line["met"]) for line in lines(run)][-3:] == [(14, 2), (16, 1), (18, 2)]


def test_the_best_by_another_panel_is_set_aside_and_does_not_count_for_the_bar(
    judged: list[Any], tmp_path: Path
) -> None:
    settings = TrainSettings(
        FLAT, num_envs=4, updates=12, run=str(tmp_path / "run"), recipe="walk", validate_every=2, until_bar=True
    )
    run = Run(train(FLAT, settings))
    before = load_policy(run.best).sha256
    train("", TrainSettings("", resume=str(run.folder), updates=14, validate_robots=5))
    assert lines(run)[-1]["met"] == 1 and lines(run)[-1]["best"], (
        "of another panel, so the first in a row, and the best"
    )
    assert load_policy(run.folder / "best-before").sha256 == before != load_policy(run.best).sha256


def test_judging_changes_nothing_of_a_training(short: None, tmp_path: Path) -> None:
    """With the real panel, shortened: the same weights as without."""
    given = {"num_envs": 4, "updates": 3}
    plain, watched = (
        Run(train(FLAT, TrainSettings(FLAT, run=str(tmp_path / str(every)), validate_every=every, **given)))
        for every in (0, 1)
    )
    assert load_policy(plain.policy).sha256 == load_policy(watched.policy).sha256
    assert plain.recipe()["validation"] is None and not lines(plain) and not plain.best.exists()
    found, planned = lines(watched), watched.recipe()["validation"]
    assert [line["update"] for line in found] == [1, 2, 3]
    assert (planned["num_robots"], planned["keep_policies"], found[0]["resets"]["time_limit"]) == (3, False, 3)
    manifest = Panel.from_json((watched.folder / "validation.json").read_bytes())
    assert {manifest.hash} == {planned["panel_hash"]} | {line["panel_hash"] for line in found}
    assert manifest.split == "validation"


def test_an_environment_that_stays_open_tells_what_a_new_one_does(short: None, tmp_path: Path) -> None:
    shipped = load_policy(POLICIES / "anymal_c_flat")
    recipe = {"validation": validation.plan(TrainSettings(FLAT), 300)}
    made = validation.Validation.of(shipped.task, recipe, Run(tmp_path))
    assert made is not None
    made.open(shipped, "mujoco", {"threads": 1}, None)
    first, again = (made.judge(shipped, update) for update in (1, 2))
    made.close()
    assert first is not None and again is not None
    fresh = evaluate(shipped, made.panel, "mujoco", options={"threads": 1})
    assert first.metrics == again.metrics == fresh.metrics and first.reset_reasons == fresh.reset_reasons


def test_what_was_best_is_kept_by_the_rule_of_the_recipe(short: None, tmp_path: Path) -> None:
    """A policy of another place in the run; it is a policy's folder, and every one is kept on demand."""
    settings = TrainSettings(
        ROUGH, num_envs=4, updates=3, run=str(tmp_path / "run"), recipe="walk", validate_every=1, keep_policies=True
    )
    run = Run(train(ROUGH, settings))
    found = lines(run)
    kept = [load_policy(run.policies / f"update-{update:06d}") for update in (1, 2, 3)]
    assert [policy.sha256 for policy in kept] == [line["policy_sha256"] for line in found]
    best = Result.from_json((run.best / "validation.json").read_bytes())
    assert best.policy_sha256 == load_policy(run.best).sha256
    assert best.policy_sha256 == [line["policy_sha256"] for line in found if line["best"]][-1]
    assert set(found[0]["strata"]) == {"terrain"} and all(
        "success_rate" in group for group in found[0]["strata"]["terrain"].values()
    )


def test_the_rule_of_the_best() -> None:
    panel = load_panel("flat")
    good = result(panel, GOOD)
    for name, change in (("success_rate", 0.005), ("fall_rate", -0.005), ("velocity_error", -0.01)):
        other = result(panel, {**GOOD, name: GOOD[name] + change})
        assert validation.better(other, good) and not validation.better(good, other)
    assert not validation.better(result(panel, {**GOOD, "yaw_rate_error": 0.0}), good), (
        "of equal ones the earlier stays"
    )
    assert validation.better(result(panel, {**GOOD, "success_rate": 1.0, "velocity_error": 9.0}), good)


@pytest.mark.parametrize(
    ("settings", "updates", "pace"),
    [
        ({}, 1500, (150, None, 0.1)),
        ({}, 300, (30, None, 0.1)),
        ({}, 20, (25, None, 0.1)),
        ({"minutes": 90.0}, 1500, (150, 9.0, 0.1)),
        ({"minutes": 1.5}, 1500, (150, 1.0, 0.1)),
        ({"validate_every": 7}, 300, (7, None, None)),
        ({"validate_minutes": 2.0}, 300, (None, 2.0, None)),
        ({"validate_every": 75, "validate_share": 0.1}, 1500, (75, None, 0.1)),
        ({"validate_share": 0.05}, 300, (30, None, 0.05)),
    ],
)
def test_the_plan_is_data(settings: dict[str, Any], updates: int, pace: tuple[Any, ...]) -> None:
    planned = validation.plan(TrainSettings(FLAT, **settings), updates)
    assert planned is not None and (planned["every"], planned["minutes"], planned["share"]) == pace


def test_the_light_panel_has_a_robot_on_every_tile() -> None:
    for env_id, robots in ((FLAT, 128), (ROUGH, 200)):
        recipe = {"validation": validation.plan(TrainSettings(env_id), 300)}
        made = validation.Validation.of(task_of(env_id), recipe, Run(Path("nowhere")))
        assert made is not None and made.panel.num_robots == recipe["validation"]["num_robots"] == robots


def test_what_is_due_waits_until_it_is_a_tenth_of_the_time() -> None:
    panel, run, rate = load_panel("flat"), Run(Path("nowhere")), 256 * 1000 / 5.0  # the first would take five seconds
    made = validation.Validation(run, panel, 10, None, 0.1, False, False)
    assert not made.due(9, 90.0, rate) and not made.due(10, 44.9, rate) and made.due(11, 45.0, rate)
    made.took(5.0, 50.0)
    made._waits = False
    assert not made.due(20, 60.0, rate) and not made.due(21, 94.9, rate) and made.due(22, 95.0, rate)
    minutes = validation.Validation(run, panel, None, 1.0, None, False, False)
    assert not minutes.due(1, 59.0, rate) and minutes.due(2, 60.0, rate)
    minutes.took(1.0, 61.0)
    minutes._waits = False
    assert not minutes.due(3, 120.0, rate) and minutes.due(4, 121.0, rate)


def test_robots_that_no_panel_of_the_suite_has_are_judged_on_their_own_task(tmp_path: Path) -> None:
    own = task_of(ROUGH).with_({"robot.action_scale": 0.3, "terrain.border": 2.0})
    recipe = {"validation": validation.plan(TrainSettings(ROUGH), 300)}
    made = validation.Validation.of(own, recipe, Run(tmp_path))
    assert made is not None
    panel = made.panel
    assert (panel.split, panel.num_robots, panel.task.robot.action_scale) == ("validation", 200, 0.3)
    assert panel.task.terrain.seed == own.terrain.seed + VALIDATION_SEEDS and not panel.task.curriculum.enabled
    (told,) = derived({**recipe, "seed": 0}, config(own), own)["streams"]["validation"]
    assert (told["panel"], told["panel_hash"], told["num_robots"]) == (panel.name, panel.hash, 200)


def test_a_machine_without_a_second_environment_trains_on_unless_it_was_asked(
    judged: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def only_one(*_: object, **__: object) -> None:
        raise RuntimeError("one simulation a process")

    monkeypatch.setattr(validation, "environment_of", only_one)
    monkeypatch.setattr(validation, "LEAST_UPDATES", 1)
    monkeypatch.setattr(validation, "SHARE", 1.0)
    given: dict[str, Any] = {"num_envs": 4, "updates": 3}
    run = Run(train(FLAT, TrainSettings(FLAT, run=str(tmp_path / "run"), **given)))
    assert len(lines(run, "update")) == 3 and not lines(run)
    assert capsys.readouterr().out.count("it is not validated: one simulation a process") == 1
    with pytest.raises(RuntimeError, match="one simulation"):
        train(FLAT, TrainSettings(FLAT, run=str(tmp_path / "asked"), validate_every=1, **given))
    with pytest.raises(RuntimeError, match="one simulation"):
        train(FLAT, TrainSettings(FLAT, run=str(tmp_path / "within"), validate_every=1, validate_share=1.0, **given))


def test_a_resumed_run_keeps_its_plan_unless_another_is_asked_for(judged: list[Any], tmp_path: Path) -> None:
    settings = TrainSettings(
        FLAT, num_envs=4, updates=2, run=str(tmp_path / "run"), validate_every=1, validate_robots=5
    )
    run = Run(train(FLAT, settings))
    first = run.recipe()["validation"]
    train("", TrainSettings("", resume=str(run.folder), updates=4))
    assert run.recipe()["validation"] == first and [line["met"] for line in lines(run)] == [0, 1, 0, 1]
    train("", TrainSettings("", resume=str(run.folder), updates=5, validate_minutes=60.0, keep_policies=True))
    assert run.recipe()["validation"] == {**first, "every": None, "minutes": 60.0, "keep_policies": True}
    train("", TrainSettings("", resume=str(run.folder), updates=6, validate_share=0.5))
    assert run.recipe()["validation"] == {**first, "every": None, "minutes": 60.0, "keep_policies": True, "share": 0.5}
    train("", TrainSettings("", resume=str(run.folder), updates=7, validate_every=0))
    assert run.recipe()["validation"] is None and len(lines(run)) == 4


def test_a_run_of_before_is_validated_as_it_was(judged: list[Any], tmp_path: Path) -> None:
    """Recipes had no pace by minutes, no rule and no policies to keep; those without a plan have none still."""
    for name, planned in (("planned", {"every": 1, "until_bar": True}), ("none", None)):
        run = Run(train(FLAT, TrainSettings(FLAT, num_envs=4, updates=1, run=str(tmp_path / name), validate_every=0)))
        recipe = run.recipe()
        recipe["validation"] = planned and {**planned, "panel": "x", "panel_hash": "y", "num_robots": 256}
        del recipe["video_every"]
        run.write_recipe(recipe)
        train("", TrainSettings("", resume=str(run.folder), updates=2))
        assert [line["update"] for line in lines(run)] == ([2] if planned else [])


def test_validations_go_to_weights_and_biases_and_tensorboard(
    judged: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[tuple[int, dict[str, float]]] = []
    remote = types.SimpleNamespace(log=lambda numbers, step: logged.append((step, numbers)), finish=lambda: None)
    monkeypatch.setitem(sys.modules, "wandb", types.SimpleNamespace(init=lambda **_: remote, Error=RuntimeError))
    settings = TrainSettings(FLAT, num_envs=4, updates=2, run=str(tmp_path / "run"), validate_every=2, wandb=True)
    train(FLAT, settings)
    assert [step for step, _ in logged] == [1, 2, 2]
    assert logged[-1][1]["validation/success_rate"] == GOOD["success_rate"]
    assert logged[-1][1]["validation/resets/time_limit"] == 1
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    (seen,) = events.Scalars("validation/success_rate")
    assert (seen.step, seen.value) == (2, pytest.approx(GOOD["success_rate"]))
    assert [each.value for each in events.Scalars("validation/resets/time_limit")] == [1]
    planned = json.loads((tmp_path / "run" / "recipe.json").read_text())["validation"]
    (told,) = events.Tensors("validation/panel/text_summary")
    assert told.tensor_proto.string_val == [f"{planned['panel']}, {planned['panel_hash']}".encode()]


def test_videos_are_made_every_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filmed = []

    def film(policy: Policy, task: Any, path: Path, seconds: float, robot: int, backend: str) -> None:
        filmed.append((policy.sha256, task.terrain.columns, robot, backend))
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"film")

    monkeypatch.setattr(films, "record", film)
    settings = TrainSettings(ROUGH, num_envs=4, updates=5, run=str(tmp_path / "run"), recipe="walk", video_every=2)
    run = Run(train(ROUGH, settings))
    assert [line["file"] for line in lines(run, "video")] == ["videos/update-000002.mp4", "videos/update-000004.mp4"]
    assert all((run.folder / line["file"]).is_file() for line in lines(run, "video"))
    assert [each[1:] for each in filmed] == [(1, 5, "mujoco")] * 2 and len({sha for sha, *_ in filmed}) == 2
    assert run.recipe()["video_every"] == 2


def test_a_machine_that_cannot_draw_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def blind(*_: object, **__: object) -> None:
        raise RuntimeError("no OpenGL here")

    monkeypatch.setattr(films, "record", blind)
    run = Run(train(FLAT, TrainSettings(FLAT, num_envs=4, updates=3, run=str(tmp_path / "run"), video_every=1)))
    assert capsys.readouterr().out.count("no videos, this machine cannot draw: RuntimeError: no OpenGL here") == 1
    assert len(lines(run, "update")) == 3 and not lines(run, "video")


def test_there_is_no_bar_on_rough_ground(tmp_path: Path) -> None:
    settings = TrainSettings(ROUGH, num_envs=4, run=str(tmp_path / "run"), validate_every=2, until_bar=True)
    with pytest.raises(ValueError, match="the bar is one of flat ground"):
        train(ROUGH, settings)
    assert not list(tmp_path.iterdir())
