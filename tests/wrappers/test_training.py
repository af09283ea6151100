"""Training, here with RSL-RL: a resumed run is the same run, and no crash, corruption or Ctrl-C loses it."""

from __future__ import annotations

import dataclasses
import json
import pickle
import shutil
import signal
import subprocess
import sys
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("rsl_rl")
pytest.importorskip("google.protobuf")
pytest.importorskip("onnxruntime")

import torch

from locoenvs.cli import app as cli
from locoenvs.envs.registration import task as task_of
from locoenvs.evidence.panel import panel_of
from locoenvs.policies.policy import load_policy, save_policy
from locoenvs.training.run import Run
from locoenvs.training.settings import TrainSettings
from locoenvs.wrappers import training
from locoenvs.wrappers.ppo import config
from locoenvs.wrappers.recipe import START_STD
from locoenvs.wrappers.rsl_rl import train
from runs import MEASURED, same

pytestmark = pytest.mark.xdist_group("training")

FLAT, ROUGH = "Loco/AnymalC-Flat-v0", "Loco/AnymalC-Rough-v0"
SHIPPED = cli.POLICIES / "anymal_c_flat"


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[None]:
    """The recipe's settings, but less of everything."""
    full = config
    less = {"horizon": 8, "epochs": 2, "minibatches": 2, "hidden": (16, 8)}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("locoenvs.wrappers.recipe.config", lambda task: dataclasses.replace(full(task), **less))
        yield


def trained(folder: Path, updates: int, env_id: str = FLAT, **settings: Any) -> Run:
    chosen = TrainSettings(
        env_id, num_envs=16, updates=updates, run=str(folder), recipe="walk", **{"seed": 5, **settings}
    )
    return Run(train(env_id, chosen))


def resumed(run: Run, **settings: Any) -> Run:
    return Run(train("", TrainSettings("", resume=str(run.folder), **settings)))


def checkpoint(run: Run) -> dict[str, Any]:
    return torch.load(run.checkpoint, weights_only=True)


def updates(run: Run) -> list[dict[str, Any]]:
    """The ledger's lines of updates, without what is measured."""
    lines = [line for line in run.records() if line["kind"] == "update"]
    return [{name: value for name, value in line.items() if name not in MEASURED} for line in lines]


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Four updates in one go."""
    return trained(tmp_path_factory.mktemp("straight") / "run", 4)


@pytest.fixture(scope="module")
def two_updates(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of two updates and two checkpoints, of one and of two updates."""
    run = trained(tmp_path_factory.mktemp("halves") / "run", 1)
    return resumed(run, updates=2)


@pytest.fixture
def half(two_updates: Run, tmp_path: Path) -> Run:
    """A copy of ``two_updates`` to go on with or to break."""
    shutil.copytree(two_updates.folder, tmp_path / "half")
    return Run(tmp_path / "half")


def test_a_resumed_run_is_the_same_run_bit_by_bit(straight: Run, half: Run) -> None:
    resumed(half, updates=4)
    ours, theirs = checkpoint(straight), checkpoint(half)
    assert ours["update"] == theirs["update"] == 4
    for name in ("algorithm", "rng", "env", "task_hash"):
        assert same(ours[name], theirs[name]), name
    assert len(updates(straight)) == 4 and updates(straight) == updates(half)
    assert (straight.policy / "policy.onnx").read_bytes() == (half.policy / "policy.onnx").read_bytes()


def test_a_resumed_run_is_the_same_on_rough_ground(tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole", 2, ROUGH)
    parts = resumed(trained(tmp_path / "parts", 1, ROUGH), updates=2)
    assert same(checkpoint(whole)["algorithm"], checkpoint(parts)["algorithm"])
    assert updates(whole) == updates(parts) and "levels" in updates(whole)[0]


def test_another_seed_is_another_run(straight: Run, tmp_path: Path) -> None:
    other = trained(tmp_path / "run", 1, seed=6)
    assert other.recipe()["seed"] == 6
    assert updates(other)[0]["reward_per_second"] != updates(straight)[0]["reward_per_second"]


def test_the_run_says_what_it_was(straight: Run) -> None:
    recipe = straight.recipe()
    assert (recipe["environment"], recipe["backend"], recipe["learner"]) == (FLAT, "mujoco", "rsl_rl")
    assert (recipe["seed"], recipe["ppo"]["num_envs"], recipe["ppo"]["updates"]) == (5, 16, 4)
    assert recipe["geometry"]["per_update"]["samples"] == 16 * 8
    assert recipe["geometry"]["whole_run"]["samples"] == 4 * 16 * 8 and recipe["geometry"]["num_envs"] == 16
    judge = panel_of(task_of(FLAT, "walk"))
    (train,), (held_out,) = recipe["streams"]["train"], recipe["streams"]["held_out"]
    assert train == {"split": "train", "seed": 5, "terrain_seed": None}
    (judge_meanwhile,), planned = recipe["streams"]["validation"], recipe["validation"]
    assert judge_meanwhile["split"] == "validation"
    assert {name: judge_meanwhile[name] for name in ("panel", "panel_hash", "num_robots")}.items() <= planned.items()
    assert (held_out["split"], held_out["panel"]) == ("panel", judge.name)
    assert held_out["panel_hash"] == judge.hash and recipe["device"] == "cpu"
    assert recipe["hardware"]["memory_mb"] > 100 and isinstance(recipe["hardware"]["gpus"], list)
    assert set(recipe["versions"]) >= {"locoenvs", "mujoco", "torch", "rsl-rl-lib"} and recipe["hardware"]["cores"] >= 1
    line = next(line for line in straight.records() if line["kind"] == "update")
    assert set(line["seconds"]) == {"environment", "inference", "learning"} and 50 < line["memory_mb"] < 50_000
    assert set(line["resets"]) == {"time_limit", "base_contact", "broken_physics", "map_edge"}
    policy = load_policy(straight.policy)
    assert policy.task.hash == recipe["task_hash"]
    assert policy.provenance["updates"] == 4 and policy.provenance["seed"] == 5


def test_the_docs_name_every_field_of_recipe_and_ledger(straight: Run) -> None:
    page = (Path(__file__).parents[2] / "docs" / "ledger.md").read_text()
    line = next(line for line in straight.records() if line["kind"] == "update")
    recipe = straight.recipe()
    whole = ["seconds", "losses", "policy_lag", "advantage", "per_update", "whole_run", "robots"]
    fields = [name for name in {**line, **recipe} if name not in whole]
    fields += [f"{name}.{each}" for name in whole for each in {**line, **recipe["geometry"]}[name]]
    fields += [*recipe["ppo"], *recipe["streams"], *recipe["streams"]["held_out"][0]]
    assert not [name for name in fields if f"`{name}`" not in page]


def test_a_recipe_whose_task_was_changed_is_refused(half: Run) -> None:
    recipe = half.recipe()
    recipe["task"]["rewards"]["terms"]["action_rate"]["weight"] = 0.0
    half.write_recipe(recipe)
    with pytest.raises(ValueError, match=f"recipe.json was changed: .*the run began with {recipe['task_hash']}"):
        resumed(half, updates=3)


def test_a_longer_run_is_recorded_as_such(half: Run) -> None:
    resumed(half, updates=3)
    assert half.recipe()["ppo"]["updates"] == 3 and half.recipe()["geometry"]["whole_run"]["samples"] == 3 * 16 * 8
    line = [line for line in half.records() if line["kind"] == "resume"][-1]
    assert (line["update"], line["updates"]) == (2, 3) and "torch" in line["versions"]


def test_a_run_that_is_done_does_nothing_more(half: Run) -> None:
    before = checkpoint(half)
    resumed(half)
    assert same(before, checkpoint(half)) and len(updates(half)) == 2


def test_minutes_end_a_run_and_more_minutes_go_on_with_it(tmp_path: Path) -> None:
    run = trained(tmp_path / "run", 3, minutes=1e-6)
    assert len(updates(run)) == 1 and run.recipe()["minutes"] == 1e-6
    assert len(updates(resumed(run))) == 1  # its time is over
    assert len(updates(resumed(run, minutes=10.0))) == 3


@pytest.mark.parametrize(
    "settings", [{"num_envs": 32}, {"recipe": "paper"}, {"seed": 6}, {"backend": "mjx"}, {"updates": 1}]
)
def test_what_a_resumed_run_cannot_change_is_refused(half: Run, settings: dict[str, Any]) -> None:
    before = half.recipe(), half.ledger.read_text()
    (name, value) = next(iter(settings.items()))
    with pytest.raises(ValueError, match=f"{name}={value!r}"):
        resumed(half, **settings)
    assert (half.recipe(), half.ledger.read_text()) == before


def test_a_run_of_another_learner_is_refused(half: Run) -> None:
    recipe = half.recipe()
    half.write_recipe({**recipe, "learner": "skrl"})
    with pytest.raises(ValueError, match="learner='rsl_rl': the run to resume has 'skrl'"):
        resumed(half)


def test_a_run_is_not_written_over(half: Run) -> None:
    before = half.checkpoint.read_bytes()
    with pytest.raises(FileExistsError, match="--resume"):
        trained(half.folder, 2)
    assert half.checkpoint.read_bytes() == before


def test_a_device_that_the_physics_cannot_use_is_refused_and_leaves_no_run(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cuda:0"):
        trained(tmp_path / "run", 1, device="cuda:0")
    assert len(updates(trained(tmp_path / "run", 1, device="cpu"))) == 1


def test_a_torn_checkpoint_falls_back_to_the_one_before(straight: Run, half: Run) -> None:
    half.checkpoint.write_bytes(half.checkpoint.read_bytes()[:5000])
    with pytest.warns(UserWarning, match="checkpoint.pt"):
        resumed(half, updates=4)
    assert same(checkpoint(straight)["algorithm"], checkpoint(half)["algorithm"])
    assert updates(straight) == updates(half)  # the second update was done again, and is there once
    assert torch.load(half.previous_checkpoint, weights_only=True)["update"] == 1


def test_a_missing_newest_checkpoint_falls_back_too(half: Run) -> None:
    half.checkpoint.unlink()
    resumed(half)
    assert checkpoint(half)["update"] == 2 and [line["update"] for line in updates(half)] == [1, 2]


def test_a_run_without_checkpoints_starts_over(straight: Run, half: Run) -> None:
    half.checkpoint.unlink()
    half.previous_checkpoint.unlink()
    resumed(half)
    assert updates(half) == updates(straight)[:2]


def test_no_readable_checkpoint_is_a_clear_error(half: Run) -> None:
    half.checkpoint.write_bytes(b"")
    half.previous_checkpoint.write_bytes(b"not a checkpoint")
    with pytest.raises(ValueError, match=r"no checkpoint can be read: .*checkpoint\.pt.*checkpoint\.previous\.pt"):
        resumed(half)


class Bomb:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return Path.touch, (self.target,)


def test_a_run_keeps_the_options_of_its_backend(tmp_path: Path) -> None:
    run = trained(tmp_path / "run", 1, options={"cone": "pyramidal"})
    options = {"contact": "triangles", "cone": "pyramidal"}
    assert run.recipe()["options"] == options
    assert load_policy(run.policy).provenance["options"] == options
    with pytest.raises(ValueError, match="options=.*'cone': 'elliptic'.*the run to resume has .*'cone': 'pyramidal'"):
        resumed(run, updates=2, options={"cone": "elliptic"})
    resumed(run, updates=2, options={"cone": "pyramidal"})
    recipe = run.recipe()
    del recipe["options"]  # as version 0.1.0 wrote it
    run.write_recipe(recipe)
    resumed(run, updates=3)
    assert run.recipe()["options"] == {"contact": "mujoco", "cone": "pyramidal"}


def test_code_in_a_checkpoint_is_never_run(half: Run, tmp_path: Path) -> None:
    target = tmp_path / "touched"
    half.checkpoint.write_bytes(pickle.dumps(Bomb(target)))
    torch.save({**checkpoint_of(half.previous_checkpoint), "bomb": Bomb(target)}, half.previous_checkpoint)
    with pytest.raises(ValueError, match="no checkpoint can be read"):
        resumed(half)
    assert not target.exists()
    pickle.loads(half.checkpoint.read_bytes())  # it does what it is said to do
    assert target.exists()


def checkpoint_of(path: Path) -> dict[str, Any]:
    return torch.load(path, weights_only=True)


def test_a_checkpoint_of_another_task_is_refused(half: Run) -> None:
    state = checkpoint(half)
    torch.save({**state, "task_hash": "0123456789ab"}, half.checkpoint)
    with pytest.raises(ValueError, match=f"task 0123456789ab, not {half.recipe()['task_hash']}"):
        resumed(half)


@pytest.mark.parametrize(("part", "other"), [("learner", "skrl"), ("robot", "a1"), ("observations", 235)])
def test_a_checkpoint_of_another_learner_robot_or_layout_is_refused(half: Run, part: str, other: object) -> None:
    state = checkpoint(half)
    torch.save({**state, part: other}, half.checkpoint)
    with pytest.raises(ValueError, match=f"the checkpoint is of {part} {other}, not {state[part]}$"):
        resumed(half)


def test_a_full_disk_leaves_the_checkpoint_before(straight: Run, half: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    before = half.checkpoint.read_bytes()
    save = torch.save

    def full(state: Any, file: Any) -> None:
        file.write(b"half a checkpoint")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(torch, "save", full)
        with pytest.raises(OSError, match="No space left"):
            resumed(half, updates=3)
    assert torch.save is save and half.checkpoint.read_bytes() == before
    assert not list(half.folder.glob("*.partial"))
    resumed(half, updates=4)
    assert updates(half) == updates(straight)


ENDLESS = ("train", FLAT, "--num-envs", "16", "--updates", "100000", "--seed", "5", "--recipe", "walk", "--run")


def usable(run: Run, name: str, output: str) -> None:
    """A run that a signal of that name ended after two updates or more can be used and resumed."""
    done = checkpoint(run)["update"]
    assert f"Interrupted by {name} after {done} of" in output and "--resume" in output
    assert f"not judged on what is held out: locoenvs eval {run.folder} does that" in output
    assert [line["update"] for line in updates(run)] == list(range(1, done + 1)) and done >= 2
    assert load_policy(run.policy).provenance["updates"] == done
    assert updates(resumed(run, updates=done + 1))[-1]["update"] == done + 1


def test_ctrl_c_leaves_a_run_that_can_be_used_and_resumed(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    command = [sys.executable, "-m", "locoenvs", *ENDLESS, str(run.folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while len(updates(run)) < 2 and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    usable(run, "Ctrl-C", output)


@pytest.mark.parametrize(
    ("asked", "name", "code"),
    [(signal.SIGINT, "Ctrl-C", 130), (signal.SIGTERM, "SIGTERM", 143), (signal.SIGHUP, "SIGHUP", 129)],
)
def test_a_signal_leaves_a_run_that_can_be_used_and_resumed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    asked: signal.Signals,
    name: str,
    code: int,
) -> None:
    update = training.Training._update

    def interrupted(self: training.Training) -> dict[str, Any]:
        if self.update == 1:
            signal.raise_signal(asked)
        return update(self)

    run = Run(tmp_path / "run")
    with monkeypatch.context() as patched:
        patched.setattr(training.Training, "_update", interrupted)
        with pytest.raises(SystemExit) as ended:
            cli.main([*ENDLESS, str(run.folder)])
    assert ended.value.code == code and checkpoint(run)["update"] == 2
    usable(run, name, capsys.readouterr().out)


def test_weights_and_biases_gets_every_update(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[tuple[int, dict[str, float]]] = []
    asked: dict[str, Any] = {}

    class Remote:
        def log(self, values: dict[str, float], step: int) -> None:
            logged.append((step, values))

        def finish(self) -> None:
            asked["finished"] = True

    def init(**settings: Any) -> Remote:
        asked.update(settings)
        return Remote()

    monkeypatch.setitem(sys.modules, "wandb", types.SimpleNamespace(init=init, Error=RuntimeError))
    run = trained(tmp_path / "mine", 2, wandb=True)
    assert asked["name"] == "mine" and asked["dir"] == str(run.folder) and asked["finished"]
    assert json.loads(json.dumps(asked["config"])) == run.recipe()
    assert [step for step, _ in logged] == [1, 2]
    assert logged[0][1]["terms_per_second/joint_torques"] == updates(run)[0]["terms_per_second"]["joint_torques"]


def test_weights_and_biases_that_cannot_be_used_says_why_and_leaves_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def init(**settings: Any) -> None:
        raise RuntimeError("no API key")

    monkeypatch.setitem(sys.modules, "wandb", types.SimpleNamespace(init=init, Error=RuntimeError))
    with pytest.raises(ValueError, match="no API key.*WANDB_MODE=offline"):
        trained(tmp_path / "run", 1, wandb=True)
    assert not (tmp_path / "run").exists()
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ImportError, match=r"--wandb needs wandb: pip install .*\[wandb\]"):
        trained(tmp_path / "run", 1, wandb=True)
    assert not (tmp_path / "run").exists()
    assert len(updates(trained(tmp_path / "run", 1))) == 1


@pytest.mark.parametrize("env_id", [ROUGH, "Loco/AnymalB-Flat-v0"])
def test_the_command_starts_from_the_shipped_policy(env_id: str, tmp_path: Path) -> None:
    command = ["train", env_id, "--recipe", "walk", "--start-from", FLAT]
    cli.main([*command, "--num-envs", "4", "--updates", "1", "--run", str(tmp_path / "run"), "--panels", "none"])
    assert Run.open(tmp_path / "run").recipe()["start_from"]["sha256"] == load_policy(SHIPPED).sha256


def test_a_run_that_began_with_a_policy_and_was_killed_goes_on_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before its first update: what is there then is what a kill leaves, and going on is as if it had not been."""
    policy = trained(tmp_path / "policy", 1).policy
    whole = trained(tmp_path / "whole", 1, start_from=str(policy))
    killed: list[Path] = []

    def kill(doomed: training.Training) -> None:
        killed.append(shutil.copytree(doomed.run.folder, tmp_path / "killed"))
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(training.Training, "_update", kill)
        with pytest.raises(KeyboardInterrupt):
            trained(tmp_path / "whole-again", 1, start_from=str(policy))
    left = resumed(Run(killed[0]), updates=1)
    assert same(checkpoint(whole)["algorithm"], checkpoint(left)["algorithm"]) and updates(whole) == updates(left)


def test_a_run_can_start_from_a_policy_of_other_ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flat = trained(tmp_path / "flat", 2)
    policy = load_policy(flat.policy)
    monkeypatch.setattr(training.Training, "learn", lambda self, *_: self.export())  # what it begins with
    rough = trained(tmp_path / "rough", 1, ROUGH, start_from=str(flat.policy), panels=("rough2",))
    recipe = rough.recipe()
    assert recipe["start_from"]["sha256"] == policy.sha256 and recipe["start_from"]["environment"] == FLAT
    assert recipe["ppo"]["initial_std"] == START_STD
    assert [each["panel"] for each in recipe["streams"]["held_out"]] == ["AnymalC-lstm-rough2-1"]
    begun = load_policy(rough.policy)
    for name in ("samples", "training_seconds"):
        assert begun.provenance[f"{name}_before"] == policy.provenance[name] > 0 == begun.provenance[name]
    seen = torch.randn(4, begun.document["observation"]["size"], generator=torch.Generator().manual_seed(0)).numpy()
    assert abs(begun(seen) - policy(seen[:, : policy.document["observation"]["size"]])).max() < 1e-4


@pytest.mark.parametrize("part", ["weight", "bias"])
def test_a_start_that_does_not_fit_leaves_no_run_behind(tmp_path: Path, part: str) -> None:
    rng = np.random.default_rng(0)
    lopsided = [(rng.normal(size=(12, 48)) * (part == "weight"), rng.normal(size=12) * (part == "bias"))]
    save_policy(tmp_path / "policy", task_of(FLAT), lopsided)
    with pytest.raises(ValueError, match="does not treat left and right alike"):
        trained(tmp_path / "run", 1, start_from=str(tmp_path / "policy"))
    with pytest.raises(ValueError, match="is for a new run, and the one to resume did not begin from it"):
        train("", TrainSettings("", resume=str(trained(tmp_path / "other", 1).folder), start_from="anything"))
    assert not (tmp_path / "run").exists()


def test_a_new_run_takes_no_checkpoint_that_lies_in_its_folder(
    straight: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = Run.create

    def poisoned(folder: Path) -> Run:
        made = create(folder)
        shutil.copy(straight.checkpoint, folder / "checkpoint.pt")
        return made

    monkeypatch.setattr(Run, "create", staticmethod(poisoned))
    run = trained(tmp_path / "run", 2, seed=77)
    assert [line["update"] for line in updates(run)] == [1, 2] and checkpoint(run)["seed"] == 77


def test_a_checkpoint_of_another_run_is_refused(straight: Run, half: Run) -> None:
    before = half.ledger.read_text()
    shutil.copy(straight.checkpoint, half.checkpoint)
    with pytest.raises(
        ValueError, match=f"the checkpoint is of run {straight.recipe()['id']}, not {half.recipe()['id']}"
    ):
        resumed(half)
    assert half.ledger.read_text() == before


def test_runs_of_version_0_1_0_go_on(straight: Run, half: Run) -> None:
    """They and their checkpoints have no identity."""
    recipe = half.recipe()
    half.write_recipe({name: value for name, value in recipe.items() if name != "id"})
    for path in (half.checkpoint, half.previous_checkpoint):
        state = torch.load(path, weights_only=True)
        torch.save({name: value for name, value in state.items() if name not in ("run", "seed")}, path)
    resumed(half, updates=4)
    assert updates(half) == updates(straight)


def test_two_processes_do_not_train_in_one_folder(half: Run) -> None:
    hold = (
        "import sys, time\nfrom pathlib import Path\nfrom locoenvs.training.run import Run\n"
        "with Run(Path(sys.argv[1])).locked():\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    other = subprocess.Popen([sys.executable, "-c", hold, str(half.folder)], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None and other.stdout.readline() == "held\n"
    before = half.ledger.read_text()
    with pytest.raises(BlockingIOError, match=f"is trained by process {other.pid} on"):
        resumed(half, updates=3)
    assert half.ledger.read_text() == before
    other.kill()
    other.wait()
    assert len(updates(resumed(half, updates=3))) == 3, "a dead process holds nothing"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_envs": 0}, "num_envs=0: must be a whole number from 1"),
        ({"num_envs": 10**9}, "num_envs=1000000000: must be a whole number from 1 to"),
        ({"updates": 0}, "updates=0"),
        ({"updates": -1}, "updates=-1"),
        ({"minutes": float("nan")}, "minutes=nan: must be a positive number"),
        ({"minutes": -3.0}, "minutes=-3.0"),
        ({"minutes": float("inf")}, "minutes=inf"),
        ({"seed": -1}, "seed=-1"),
        ({"seed": 2**64}, "seed=18446744073709551616"),
        ({"num_envs": 2**20}, "would take about .* GB, this machine has .* GB: at most [0-9]+ fit"),
        ({"device": "nonsense"}, "nonsense"),
        ({"backend": "nonsense"}, "unknown backend 'nonsense'"),
    ],
)
def test_settings_that_cannot_be_are_refused_before_anything_is_made(
    tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    given: dict[str, Any] = {"num_envs": 16, "updates": 1, "run": str(tmp_path / "run"), "recipe": "paper", **settings}
    with pytest.raises(ValueError, match=message):
        train(FLAT, TrainSettings(FLAT, **given))
    assert not list(tmp_path.iterdir())


def test_a_training_that_fails_in_its_first_update_leaves_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: training.Training) -> None:
        raise MemoryError("no more")

    monkeypatch.setattr(training.Training, "_update", full)
    with pytest.raises(MemoryError):
        trained(tmp_path / "run", 1)
    assert not list(tmp_path.iterdir())


def test_what_a_killed_beginning_leaves_is_no_dead_end(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "recipe.json.partial").write_text("{")
    assert len(updates(trained(tmp_path / "run", 1))) == 1


def test_where_there_is_no_terminal_it_says_how_far_it_is_and_how_long_it_will_take(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    update = training.Training._update

    def of_twenty_seconds(self: training.Training) -> dict[str, Any]:
        line = update(self)
        self.seconds = 20.0 * self.update
        return {**line, "samples_per_second": self.ppo.samples_per_update / 20.0}

    with monkeypatch.context() as patched:
        patched.setattr(training.Training, "_update", of_twenty_seconds)
        asked: dict[str, Any] = {"updates": 10**6, "minutes": 1.5, "validate_every": 0}
        train(FLAT, TrainSettings(FLAT, num_envs=16, run=str(tmp_path / "run"), **asked))
    out = capsys.readouterr().out
    assert "about 50 s from here, 4 of 1000000 updates; --recipe walk, made for a CPU, would take about" in out
    assert "1.5 minutes are over after 5" in out
    trained(tmp_path / "other", 3)
    out = capsys.readouterr().out
    assert "update 3 of 3  reward" in out and "k samples/s" in out
    assert max(map(len, out.splitlines())) < 200


def test_the_ledgers_times_add_up_and_its_checkpoints_are_named(straight: Run, half: Run) -> None:
    """Also over the halves of a run that was resumed."""
    for run, saved in ((straight, [4]), (half, [1, 2])):
        lines = [line for line in run.records() if line["kind"] == "update"]
        spent = np.cumsum([sum(line["seconds"].values()) for line in lines])
        np.testing.assert_allclose([line["elapsed_seconds"] for line in lines], spent, atol=0.02)
        assert [line["samples"] for line in lines] == [16 * 8 * (number + 1) for number in range(len(lines))]
        assert [line["update"] for line in run.records() if line["kind"] == "checkpoint"] == saved
