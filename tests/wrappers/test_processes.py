"""Several processes that train one run: they do what one process does, robot by robot, and lose nothing when one of them is lost."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("rsl_rl")
pytest.importorskip("onnxruntime")
if not hasattr(os, "fork"):
    pytest.skip("processes are forked here, which this system cannot", allow_module_level=True)

import falls
import torch

from locoenvs import install, machine, terminal
from locoenvs.cli import app
from locoenvs.cli.steps import judge_run
from locoenvs.envs.registration import task as task_of
from locoenvs.envs.saved_state import rows_of
from locoenvs.evidence import panel as panels
from locoenvs.evidence.failures.archive import beside
from locoenvs.evidence.failures.keeper import Keeper
from locoenvs.evidence.panel import Panel
from locoenvs.evidence.result import Result
from locoenvs.machine import allowed_cores, cores
from locoenvs.mdp.layout import layout
from locoenvs.numerics.arrays import convert
from locoenvs.policies.policy import save_policy
from locoenvs.training import parts, ranks
from locoenvs.training.run import Run
from locoenvs.training.settings import TrainSettings
from locoenvs.wrappers import training, validation
from locoenvs.wrappers.metered import MeteredEnv
from locoenvs.wrappers.ppo import config
from locoenvs.wrappers.rsl_rl import train
from runs import same
from together import free_port, run_and_exit, said, together

pytestmark = pytest.mark.xdist_group("processes")

FLAT, ROUGH = "Loco/AnymalC-Flat-v0", "Loco/AnymalC-Rough-v0"
HORIZON = 8
LOSSES, UPDATES = int(os.environ.get("TEST_LOSSES", "1")), int(os.environ.get("TEST_UPDATES", "6"))
"""How often each host is lost, some ten seconds each, within so many updates."""
VALIDATED = {"validate_every": 2, "validate_robots": 9}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recipe's settings, but less of everything; with several minibatches, which are parted unevenly."""
    full = config
    less = {"horizon": HORIZON, "epochs": 2, "minibatches": 3, "hidden": (16, 8)}
    monkeypatch.setattr("locoenvs.wrappers.recipe.config", lambda task: dataclasses.replace(full(task), **less))
    whole = panels.validation_of

    def short(task: Any) -> Panel:
        panel = whole(task)
        timing = dataclasses.replace(panel.task.timing, episode_length=0.5)
        return dataclasses.replace(panel, task=dataclasses.replace(panel.task, timing=timing))

    monkeypatch.setattr(panels, "validation_of", short)


def trained(folder: Path, updates: int = 1, env_id: str = FLAT, **settings: Any) -> Run:
    given = {"num_envs": 16, "seed": 5, "recipe": "walk", "validate_every": 0, **settings}
    return Run(train(env_id, TrainSettings(env_id, run=str(folder), updates=updates, **given)))


def resumed(folder: Path, updates: int) -> Run:
    return Run(train("", TrainSettings("", resume=str(folder), updates=updates)))


def checkpoint(run: Run | Path) -> dict[str, Any]:
    return torch.load((run if isinstance(run, Run) else Run(run)).checkpoint, weights_only=True)


def updates(folder: Path) -> list[int]:
    return [line["update"] for line in Run(folder).records() if line["kind"] == "update"]


def closeness(one: Any, other: Any) -> float:
    """The largest difference of two trees of tensors and numbers."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        return max((closeness(one[name], other[name]) for name in one), default=0.0)
    if isinstance(one, list | tuple):
        return max((closeness(a, b) for a, b in zip(one, other, strict=True)), default=0.0)
    if isinstance(one, torch.Tensor | int | float):
        return float((torch.as_tensor(one).double() - torch.as_tensor(other).double()).abs().max())
    assert one == other
    return 0.0


def seen(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, np.ndarray]]:
    """What robots see, do and earn at every step of trainings from here on."""
    rows, step = list[dict[str, np.ndarray]](), MeteredEnv.step

    def watched(self: MeteredEnv, actions: Any) -> Any:
        returned = step(self, actions)
        episodes, observation = self.state.episodes, returned[0]
        row = {"reward": returned[1], "action": actions, "policy": observation["policy"]}
        row |= {name: getattr(episodes, name) for name in ("robot", "key", "command", "level", "column", "step")}
        rows.append({name: np.array(convert(value, "numpy")) for name, value in row.items()})
        return returned

    monkeypatch.setattr(MeteredEnv, "step", watched)
    return rows


def test_two_processes_do_what_one_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rows = seen(monkeypatch)

    def work(rank: int) -> None:
        trained(tmp_path / "two", env_id=ROUGH)
        np.savez(
            tmp_path / f"{rank}.npz", **{f"{t}.{name}": v for t, row in enumerate(rows) for name, v in row.items()}
        )

    codes = together(2, work, tmp_path / "log")
    assert codes == [0, 0], said(tmp_path / "log")
    one = trained(tmp_path / "one", env_id=ROUGH)
    parts = [np.load(tmp_path / f"{rank}.npz") for rank in range(2)]
    assert len(rows) == HORIZON and parts[0]["0.robot"].tolist() == list(range(8))
    for t, row in enumerate(rows):
        for name, value in row.items():
            assert np.array_equal(value, np.concatenate([part[f"{t}.{name}"] for part in parts])), (t, name)
    ours, theirs = checkpoint(one), checkpoint(tmp_path / "two")
    assert closeness(ours["algorithm"], theirs["algorithm"]) < 1e-5
    assert same(ours["env"], theirs["env"]) and ours["update"] == theirs["update"]
    assert same(ours["rng"], theirs["rng"]), "the next rollout explores alike, too"
    (a,), (b,) = ([line for line in run.records() if line["kind"] == "update"] for run in (one, Run(tmp_path / "two")))
    assert b.pop("processes") == 2 and a.keys() == b.keys()
    for name in ("resets", "most_at_once", "levels", "level_counts", "samples"):
        assert a[name] == b[name], name
    for name in ("reward_per_second", "action_clip_rate", "explained_variance", "learning_rate", "action_std"):
        assert a[name] == pytest.approx(b[name], rel=1e-4), name
    for name in ("terms_per_second", "advantage", "policy_lag"):
        assert a[name] == pytest.approx(b[name], rel=1e-3, abs=1e-6), name


@pytest.fixture(scope="module")
def of_two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that two processes have done two updates of."""
    place = tmp_path_factory.mktemp("of_two")
    with pytest.MonkeyPatch.context() as patched:
        small.__wrapped__(patched)  # type: ignore[attr-defined]
        codes = together(2, lambda _: trained(place / "run", updates=2, **VALIDATED), place / "log")
    assert codes == [0, 0], said(place / "log")
    return place / "run"


def test_two_updates_of_two_processes_are_those_of_one(of_two: Path, tmp_path: Path) -> None:
    run = trained(tmp_path / "one", updates=2, **VALIDATED)
    one, two = checkpoint(run), checkpoint(of_two)
    assert closeness(one["algorithm"], two["algorithm"]) < 1e-4 and same(one["rng"], two["rng"])
    (ours,), (theirs,) = (
        [line for line in each.records() if line["kind"] == "validation"] for each in (run, Run(of_two))
    )
    assert ours["num_robots"] == theirs["num_robots"] == 9 and ours["resets"] == theirs["resets"]
    for name, value in ours["metrics"].items():
        assert theirs["metrics"][name] == pytest.approx(value, rel=1e-3, abs=1e-5), name


@pytest.mark.parametrize("asked", [True, False])
def test_one_process_that_cannot_validate_is_told_of_by_all(
    asked: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = validation.environment_of
    monkeypatch.setattr(validation, "LEAST_UPDATES", 1)
    monkeypatch.setattr(validation, "SHARE", 1.0)

    def work(rank: int) -> None:
        def of_second(*given: Any, **named: Any) -> Any:
            if rank == 1:
                raise RuntimeError("one simulation a process")
            return made(*given, **named)

        monkeypatch.setattr(validation, "environment_of", of_second)
        trained(tmp_path / "run", updates=2, validate_every=1 if asked else None, validate_robots=9)

    codes = together(2, work, tmp_path / "log")
    assert codes == ([1, 1] if asked else [0, 0]), said(tmp_path / "log")
    told = (tmp_path / "log" / "0").read_text()
    assert ("rank 1 cannot validate: one simulation" if asked else "it is not validated: one simulation") in told


def test_a_panel_of_fewer_robots_than_processes_is_judged_by_the_first(tmp_path: Path) -> None:
    codes = together(3, lambda _: trained(tmp_path / "run", validate_every=1, validate_robots=2), tmp_path / "log")
    assert codes == [0, 0, 0], said(tmp_path / "log")
    (line,) = [line for line in Run(tmp_path / "run").records() if line["kind"] == "validation"]
    assert line["num_robots"] == 2 and sum(line["resets"].values()) == 2


class Few(Keeper):
    """Keeps no more than five falls."""

    def __init__(self) -> None:
        super().__init__(5)


def falling(folder: Path) -> tuple[Run, list[str]]:
    """A run whose robots fall, and two panels of seventeen of them."""
    shares = [{"kind": kind, "share": 0.5} for kind in ("flat", "rough")]
    held_out = falls.panel(1.2)
    task = held_out.task.with_({"terrain.shares": shares, "randomization.pushes": None})
    run, files = Run.create(folder / "run"), [folder / "first.json", folder / "second.json"]
    for file in files:
        panel = dataclasses.replace(held_out, name=file.stem, num_robots=17, task=task)
        file.write_text(panel.to_json())
    run.write_recipe({"environment": ROUGH, "learner": "rsl_rl", "backend": "mujoco", "options": {}})
    random, last = np.random.default_rng(0), layout(task)[-1].stop
    save_policy(run.policy, task, [(random.normal(size=(12, last)), np.zeros(12))], provenance={"updates": 1})
    return run, [str(file) for file in files]


@pytest.mark.parametrize("count", [2, 3])
def test_processes_judge_what_is_held_out_as_one_does(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit by bit, with what is kept of falls, of which there are more than there is room for; and once."""
    monkeypatch.setattr(parts, "Keeper", Few)
    found = []

    def judge(run: Run, names: list[str]) -> None:
        ranks.join()
        judge_run(terminal.console(), run, names, None)
        judge_run(terminal.console(), run, names, None)  # it is judged already

    for name in ("one", "many"):
        (tmp_path / name).mkdir()
        run, (panel, _) = falling(tmp_path / name)
        if name == "one":
            judge(run, [panel])
        else:
            codes = together(count, lambda _: judge(run, [panel]), tmp_path / "log")  # noqa: B023
            assert codes == [0] * count, said(tmp_path / "log")
        (file,) = run.panels.glob("*.json")
        result = Result.from_json(file.read_bytes())
        with np.load(beside(file)) as kept:
            arrays = {each: kept[each] for each in kept.files}
        (line,) = [line for line in run.records() if line["kind"] == "held_out"]
        assert line["use"] == 1 and line["resets"]["base_contact"] > 5
        told = {each: value for each, value in line.items() if each != "time"}
        found.append((dataclasses.replace(result, wall_seconds=0.0).to_json(), told, arrays))
    assert [bool((tmp_path / "log" / str(rank)).read_text()) for rank in range(count)] == [True] + [False] * (count - 1)
    (ours, line, here), (theirs, other, there) = found
    assert ours == theirs and line == other and len(here["begun"]) == 5
    assert here.keys() == there.keys()
    assert [name for name in here if not np.array_equal(here[name], there[name])] == []


def test_what_one_process_cannot_judge_is_told_and_the_next_panel_is_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, recorded = parts.environment_of, parts.recorded
    run, (first, second) = falling(tmp_path)
    third = tmp_path / "third.json"
    third.write_text(dataclasses.replace(panels.panel_in(Path(first), "anymal_c"), name="third").to_json())

    def work(rank: int) -> None:
        def without_room(panel: Panel, *given: Any, **named: Any) -> Any:
            if rank == 1 and panel.name == "first":
                raise RuntimeError("one simulation a process")
            return made(panel, *given, **named)

        def broken(policy: Any, panel: Panel, *given: Any) -> Any:
            if rank == 1 and panel.name == "second":
                raise ValueError("its numbers are none")
            return recorded(policy, panel, *given)

        monkeypatch.setattr(parts, "environment_of", without_room)
        monkeypatch.setattr(parts, "recorded", broken)
        ranks.join()
        judge_run(terminal.console(), run, [first, second, str(third)], None)

    assert together(2, work, tmp_path / "log") == [0, 0], said(tmp_path / "log")
    told = " ".join((tmp_path / "log" / "0").read_text().split())
    assert "rank 1: one simulation a process" in told and "rank 1: its numbers are none" in told
    assert [line["panel"] for line in run.records() if line["kind"] == "held_out"] == ["third"]


def robots_stay(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on whoever goes on with this run finds each of its robots where the checkpoint has it."""
    before = {name: value.numpy() for name, value in checkpoint(folder)["env"].items()}
    before["clock"] = before["clock"].reshape(())
    restore = MeteredEnv.restore

    def checked(self: MeteredEnv, saved: Any) -> Any:
        observation = restore(self, saved)
        own, now = rows_of(before, saved["episodes.robot"]), self.save()
        assert {name for name in own if not np.array_equal(own[name], now[name])} == set()
        return observation

    monkeypatch.setattr(MeteredEnv, "restore", checked)


@pytest.mark.parametrize("count", [1, 3, 4])
def test_a_run_goes_on_with_another_number_of_processes(
    count: int, of_two: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each robot is where it was, with its stream, wherever it is stepped now."""
    folder = tmp_path / "run"
    subprocess.run(["cp", "-r", str(of_two), str(folder)], check=True)
    robots_stay(folder, monkeypatch)
    if count == 1:
        resumed(folder, 3)
    else:
        codes = together(count, lambda _: resumed(folder, 3), tmp_path / "log")
        assert codes == [0] * count, said(tmp_path / "log")
    after = checkpoint(folder)
    assert after["update"] == 3 and after["env"]["episodes.robot"].tolist() == list(range(16))
    assert updates(folder) == [1, 2, 3]


def test_one_process_that_is_asked_to_stop_stops_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MeteredEnv, "clear", after(2, lambda: os.kill(os.getpid(), signal.SIGTERM), rank=1))
    codes = together(2, lambda _: trained(tmp_path / "run", updates=1000), tmp_path / "log")
    assert codes == [143, 143], said(tmp_path / "log")
    assert checkpoint(tmp_path / "run")["update"] == 2 and updates(tmp_path / "run") == [1, 2]
    assert "Interrupted by SIGTERM after 2 of 1000" in (tmp_path / "log" / "0").read_text()


def test_all_wait_until_the_first_has_saved_and_heed_no_echo_of_the_signal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A launcher that sees one end ends the others: none may end while the first still writes."""
    export = training.Training.export

    def slow(self: training.Training) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.3)
        export(self)

    def work(rank: int) -> None:
        try:
            trained(tmp_path / "run", updates=1000)
        finally:
            print("exported" if (tmp_path / "run" / "policy" / "policy.onnx").exists() else "too early")

    monkeypatch.setattr(training.Training, "export", slow)
    monkeypatch.setattr(MeteredEnv, "clear", after(2, lambda: os.kill(os.getpid(), signal.SIGTERM), rank=1))
    codes = together(2, work, tmp_path / "log")
    assert codes == [143, 143], said(tmp_path / "log")
    assert all((tmp_path / "log" / str(rank)).read_text().endswith("exported\n") for rank in range(2))


def after(updates: int, event: Any, rank: int) -> Any:
    """``MeteredEnv.clear`` with an ``event`` in one process as it begins that update, in its first start."""
    clear, begun = MeteredEnv.clear, [0]

    def watched(self: MeteredEnv) -> None:
        clear(self)
        begun[0] += 1
        own = os.environ.get("RANK") == str(rank) and os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") == "0"
        if own and begun[0] == updates:
            event()

    return watched


def test_a_process_that_dies_is_started_again_and_the_run_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By torchrun's own agent: what was done since the last checkpoint is done again, and the ledger tells each update once."""
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(MeteredEnv, "clear", after(3, lambda: os.kill(os.getpid(), signal.SIGKILL), rank=1))
    config = LaunchConfig(
        1, 1, 2, run_id="one", rdzv_backend="c10d", rdzv_endpoint="localhost:0", max_restarts=1, start_method="fork"
    )
    asked: dict[str, Any] = {"recipe": "walk", "num_envs": 16, "seed": 5, "updates": 4, "validate_every": 0}
    asked |= {"run": str(tmp_path / "run"), "changes": {"action_clip": 50.0, "ppo.entropy": 0.004}}
    work = lambda: train(FLAT, TrainSettings(FLAT, **asked), task=task_of(FLAT, "walk")).name  # noqa: E731
    child = os.fork()
    if child == 0:
        (tmp_path / "log").mkdir()
        run_and_exit(lambda: elastic_launch(config, work)(), tmp_path / "log" / "agent")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, said(tmp_path / "log")
    run = Run(tmp_path / "run")
    assert updates(run.folder) == [1, 2, 3, 4] and checkpoint(run)["update"] == 4
    assert [line["update"] for line in run.records() if line["kind"] == "resume"] == [2]
    assert (run.policy / "policy.onnx").exists() and len(run.recipe()["launchers"]) == 2  # by its store, too


def test_a_first_machine_that_does_not_see_the_run_begins_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A launcher that starts them again may make the first of a machine that has just come, whose ``runs/`` is its own."""
    for name in "01":
        (tmp_path / name).mkdir()
    Run.create(tmp_path / "1" / "run").write_recipe({"launchers": ["mine"]})
    monkeypatch.setattr(ranks, "launchers", lambda: ("mine",))

    def work(rank: int) -> None:
        os.chdir(tmp_path / str(rank))
        trained(Path("run"))

    assert together(2, work, tmp_path / "log") == [1, 1], said(tmp_path / "log")
    for rank in "01":
        told = (tmp_path / "log" / rank).read_text().splitlines()[-1]
        assert told.startswith("ValueError: rank 1 on ") and " sees the run run that was begun, rank 0 on " in told
        assert told.endswith("does not: let --run be in a folder that all machines share")
    assert not (tmp_path / "0" / "run").exists()


def test_a_job_that_was_stopped_goes_on_by_the_same_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a scheduler does: SIGTERM to the command that has started the processes, and the command again; here they are forked."""
    from torch.distributed.launcher import api

    folder, start = str(tmp_path / "run"), api.elastic_launch
    words = ["train", FLAT, "--num-envs", "16", "--recipe", "walk", "--actuator", "pd", "--validate-every", "0"]
    words += ["--set", "ppo.entropy=0.004", "--set", "action_clip=50.0", "--panels", "none", "--options", "threads=1"]
    words += ["--run", folder, "--resume", folder]

    def forked(config: Any, _: str) -> Any:
        return lambda *given: start(dataclasses.replace(config, start_method="fork"), lambda: app.main(given[2:]))()

    monkeypatch.setattr(api, "elastic_launch", forked)
    (tmp_path / "log").mkdir()
    child = os.fork()
    if child == 0:
        command = [*words, "--updates", "1000", "--processes", "2"]
        run_and_exit(lambda: app.main(command), tmp_path / "log" / "command")
    for _ in range(1200):
        if (tmp_path / "run" / "ledger.jsonl").exists():
            break
        time.sleep(0.05)
    os.kill(child, signal.SIGTERM)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 143, said(tmp_path / "log")
    done = updates(Path(folder))
    assert done == list(range(1, done[-1] + 1)) and checkpoint(Path(folder))["update"] == done[-1]
    app.main([*words, "--updates", str(done[-1] + 1)])
    assert updates(Path(folder)) == [*done, done[-1] + 1]
    with pytest.raises(SystemExit):
        app.main([*words, "--set", "ppo.horizon=9"])
    assert "are for a new run: a resumed one goes on as it began" in capsys.readouterr().err


def test_what_a_device_is_has_no_number() -> None:
    assert [machine.device_kind(each) for each in (None, "cpu", "cuda:1")] == ["cpu", "cpu", "cuda"]
    assert machine.device_kind(SimpleNamespace(platform="gpu")) == "gpu", "one of JAX"


def test_those_who_are_started_again_do_not_look_for_those_before_them(tmp_path: Path) -> None:
    """A launcher's store still has what the ones before have written: here the port of one that is gone."""
    from torch.distributed import TCPStore

    launchers = TCPStore("127.0.0.1", 0, None, True, wait_for_workers=False)
    launchers.set(ranks._PLACE, f"127.0.0.1 {free_port()}")

    def work(rank: int) -> None:
        os.environ |= {"TORCHELASTIC_USE_AGENT_STORE": "True", "MASTER_PORT": str(launchers.port)}
        time.sleep(1.0 if rank == 0 else 0.0)
        assert ranks.join().most(rank) == (1,)
        ranks.leave()
        assert cores() == allowed_cores(), "whoever is alone shares no cores"

    assert together(2, work, tmp_path / "log") == [0, 0], said(tmp_path / "log")


def test_one_that_hangs_ends_the_others_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang() -> None:
        told = f"grep -q ConnectionError {tmp_path}/log/0"
        os.system(f"(for i in $(seq 300); do {told} && break; sleep 0.2; done; kill -9 {os.getpid()}) &")
        os.kill(os.getpid(), signal.SIGSTOP)

    monkeypatch.setattr(MeteredEnv, "clear", after(2, hang, rank=1))
    codes = together(2, lambda _: trained(tmp_path / "run", updates=1000), tmp_path / "log", patience=4)
    assert codes == [1, -9], said(tmp_path / "log")
    told = (tmp_path / "log" / "0").read_text().splitlines()[-1]
    assert told.startswith("ConnectionError: rank 0 of 2 lost another process, or waited 4 s for one")
    assert "--resume" in told


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"seed": 6}, "seed of rank 1 on .* is 6, of rank 0 on .* 5: start all processes with the same"),
        (
            {"env_id": ROUGH},
            "environment of rank 1 on .* is Loco/AnymalC-Rough-v0, of rank 0 on .* Loco/AnymalC-Flat-v0",
        ),
        ({"code": "other"}, "code of rank 1 on .* is other, of rank 0"),
        ({"script": "other"}, "code of my_terms.py of rank 1 on .* is other, of rank 0 on .* None"),
        ({"device": "gpu"}, "device of rank 1 on .* is gpu, of rank 0 on .* cpu: start .* on devices of one kind"),
    ],
)
def test_processes_that_were_asked_for_other_things_are_refused(
    other: dict[str, Any], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import re

    from locoenvs.training import begin

    def work(rank: int) -> None:
        given = dict(other) if rank == 1 else {}
        if code := given.pop("code", None):
            monkeypatch.setattr(begin, "code", lambda: code)
        if script := given.pop("script", None):
            monkeypatch.setattr(install, "scripts", {Path("my_terms.py"): script})
        if device := given.pop("device", None):
            monkeypatch.setattr(training, "device_kind", lambda _: device)
        trained(tmp_path / "run", **given)

    assert together(2, work, tmp_path / "log") == [1, 1], said(tmp_path / "log")
    for rank in range(2):
        assert re.search(f"^ValueError: {told}", (tmp_path / "log" / str(rank)).read_text(), re.MULTILINE)
    assert not (tmp_path / "run").exists()


def test_more_processes_than_robots_are_refused_and_the_first_says_so(tmp_path: Path) -> None:
    assert together(2, lambda _: trained(tmp_path / "run", num_envs=1), tmp_path / "log") == [1, 2]
    assert "ValueError: num_envs=1: 2 processes need a robot each" in (tmp_path / "log" / "0").read_text()


def test_a_master_that_does_not_answer_is_told(tmp_path: Path) -> None:
    def work(rank: int) -> None:
        os.environ["RANK"] = "1"  # nobody is rank 0
        trained(tmp_path / "run")

    assert together(2, work, tmp_path / "log", patience=2) == [1, 1]
    told = (tmp_path / "log" / "0").read_text().splitlines()[-1]
    assert told.startswith("ConnectionError: rank 1 of 2 did not meet the others at 127.0.0.1:")
    assert "within 2 s" in told and told.endswith("check MASTER_ADDR, its port, and that all processes were started")


@pytest.fixture
def two_hosts() -> Iterator[list[str]]:
    """Two network namespaces with a wire between them, 10.98.7.1 and .2; without root there are none."""
    names = [f"locoenvs-{os.getpid()}-{end}" for end in "ab"]
    run = lambda *words: subprocess.run(["ip", *words], capture_output=True, text=True)  # noqa: E731
    made = [run("netns", "add", name) for name in names] if os.path.exists("/usr/sbin/ip") and os.geteuid() == 0 else []
    if not made or any(each.returncode for each in made):
        for name in names:
            run("netns", "del", name) if made else None
        pytest.skip("two hosts need root and network namespaces")
    try:
        wire = [f"le{os.getpid()}{end}" for end in "ab"]
        commands = [["link", "add", wire[0], "type", "veth", "peer", "name", wire[1]]]
        for number, (name, end) in enumerate(zip(names, wire), 1):
            commands += [["link", "set", end, "netns", name]]
            commands += [["-n", name, "addr", "add", f"10.98.7.{number}/24", "dev", end]]
            commands += [["-n", name, "link", "set", each, "up"] for each in (end, "lo")]
        for command in commands:
            assert (done := run(*command)).returncode == 0, (command, done.stderr)
        os.environ["TEST_WIRE"] = " ".join(wire)
        yield names
    finally:
        os.environ.pop("TEST_WIRE", None)
        for name in names:
            run("netns", "del", name)  # takes its end of the wire along


def test_two_hosts_train_together(two_hosts: list[str], tmp_path: Path) -> None:
    wire = os.environ["TEST_WIRE"].split()

    def work(rank: int) -> None:
        with open(f"/var/run/netns/{two_hosts[rank]}") as place:
            assert ctypes.CDLL(None, use_errno=True).setns(place.fileno(), 0x40000000) == 0  # CLONE_NEWNET
        os.environ |= {"GLOO_SOCKET_IFNAME": wire[rank], "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}
        trained(tmp_path / "two", updates=2)

    codes = together(2, work, tmp_path / "log", address="10.98.7.1")
    assert codes == [0, 0], said(tmp_path / "log")
    assert updates(tmp_path / "two") == [1, 2]


def test_a_wire_that_is_cut_ends_both_hosts_in_time(
    two_hosts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is told of it: what is sent is lost."""
    wire = os.environ["TEST_WIRE"].split()

    def cut() -> None:
        assert subprocess.run(["ip", "link", "set", wire[1], "down"]).returncode == 0
        (tmp_path / "cut").touch()

    def work(rank: int) -> None:
        with open(f"/var/run/netns/{two_hosts[rank]}") as place:
            assert ctypes.CDLL(None, use_errno=True).setns(place.fileno(), 0x40000000) == 0  # CLONE_NEWNET
        os.environ |= {"GLOO_SOCKET_IFNAME": wire[rank], "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}
        trained(tmp_path / "two", updates=1000)

    monkeypatch.setattr(MeteredEnv, "clear", after(2, cut, rank=1))
    codes = together(2, work, tmp_path / "log", address="10.98.7.1", patience=6)
    assert codes == [1, 1] and (tmp_path / "cut").exists(), said(tmp_path / "log")
    for rank in range(2):
        told = (tmp_path / "log" / str(rank)).read_text().splitlines()[-1]
        assert told.startswith(f"ConnectionError: rank {rank} of 2 lost another process, or waited 6 s for one")


@pytest.mark.parametrize("lost", [0, 1])
def test_a_host_that_is_lost_again_and_again_costs_what_came_after_the_last_checkpoint(
    lost: int, two_hosts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time another launcher takes the place of the one that was killed with all that it had started. Processes 0 and 1 are on
    hosts 0 and 1; the launchers meet at the host that stays."""
    pytest.importorskip("torch.distributed.launcher.api")
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    wire, folder, clear = os.environ["TEST_WIRE"].split(), tmp_path / "run", MeteredEnv.clear
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(MeteredEnv, "clear", lambda self: (time.sleep(0.2), clear(self)))
    port, log = free_port(), tmp_path / "log"
    log.mkdir()

    def launch(number: int) -> None:
        with open(f"/var/run/netns/{two_hosts[number]}") as place:
            assert ctypes.CDLL(None, use_errno=True).setns(place.fileno(), 0x40000000) == 0  # CLONE_NEWNET
        os.environ |= {"GLOO_SOCKET_IFNAME": wire[number], "LOCOENVS_PATIENCE": "20"}
        os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"  # or PyTorch 2.13's launchers wait for each other
        alive = {"keep_alive_interval": 1, "keep_alive_max_attempt": 5}
        config = LaunchConfig(
            2, 2, 1, run_id="two", rdzv_backend="c10d", rdzv_endpoint=f"10.98.7.{2 - lost}:{port}", max_restarts=20, start_method="fork",
            rdzv_configs={"is_host": number != lost, **alive}, local_addr=f"10.98.7.{number + 1}", monitor_interval=0.1,
        )  # fmt: skip
        elastic_launch(config, lambda: trained(folder, updates=UPDATES).folder.name)()

    def host(number: int, name: str) -> int:
        child = os.fork()
        if child == 0:
            os.setpgid(0, 0)
            run_and_exit(lambda: launch(number), log / name)
        return child

    def end(child: int) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def done() -> int:
        ledger = folder / "ledger.jsonl"
        return max([0, *updates(folder)]) if ledger.exists() else 0

    kept, going = host(1 - lost, "kept"), host(lost, "lost-0")
    try:
        for kill, update in enumerate(sorted(random.Random(lost).sample(range(1, UPDATES - 1), LOSSES)), 1):
            begun = time.monotonic()
            while done() < update:
                assert time.monotonic() - begun < 120, said(log)
                time.sleep(0.02)
            os.killpg(going, signal.SIGKILL)
            assert end(going) == -9
            going = host(lost, f"lost-{kill}")
        assert (end(kept), end(going)) == (0, 0), said(log)
    finally:
        for child in (kept, going):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
    assert updates(folder) == list(range(1, UPDATES + 1)) and checkpoint(folder)["update"] == UPDATES
    resumed = [line["update"] for line in Run(folder).records() if line["kind"] == "resume"]
    assert len(resumed) >= LOSSES and resumed == sorted(resumed)
    assert (Run(folder).policy / "policy.onnx").exists()


def test_the_command_starts_processes_and_skrl_does_what_it_does_in_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And each goes on with the other's run as the other would."""
    pytest.importorskip("skrl")
    options = ["--learner", "skrl", "--num-envs", "16", "--updates", "1", "--recipe", "walk", "--validate-every", "0"]
    options += [
        "--set",
        "ppo.hidden=[16,8]",
        "--set",
        "ppo.horizon=8",
        "--set",
        "ppo.minibatches=3",
        "--set",
        "ppo.epochs=2",
        "--panels",
        "none",
    ]
    app.main(["train", FLAT, *options, "--run", str(tmp_path / "one")])
    command = [
        sys.executable,
        "-m",
        "locoenvs",
        "train",
        FLAT,
        *options,
        "--run",
        str(tmp_path / "two"),
        "--processes",
        "2",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("policy: ") == 1
    ours, theirs = (checkpoint(tmp_path / name) for name in ("one", "two"))
    assert closeness(ours["algorithm"], theirs["algorithm"]) < 1e-5 and same(ours["env"], theirs["env"])
    assert same(ours["rng"], theirs["rng"])
    line = json.loads((tmp_path / "two" / "ledger.jsonl").read_text().splitlines()[0])
    assert line["processes"] == 2
    robots_stay(tmp_path / "two", monkeypatch)  # those of the other run are there as well
    more = ["train", "--updates", "2", "--panels", "none", "--resume"]
    app.main([*more, str(tmp_path / "two")])
    command = [sys.executable, "-m", "locoenvs", *more, str(tmp_path / "one"), "--processes", "2"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    ours, theirs = (checkpoint(tmp_path / name) for name in ("one", "two"))
    assert closeness(ours["algorithm"], theirs["algorithm"]) < 1e-4 and same(ours["rng"], theirs["rng"])
    assert ours["env"]["episodes.robot"].tolist() == theirs["env"]["episodes.robot"].tolist() == list(range(16))


@pytest.mark.parametrize("before", [["--"], []])
def test_torchrun_hands_run_on_after_two_dashes(before: list[str]) -> None:
    """Without them it takes --run for its own --run-path."""
    from torch.distributed.run import parse_args

    words = ["--nproc-per-node", "2", "-m", "locoenvs", *before, "train", FLAT, "--run", "rough"]
    if not before:
        with pytest.raises(SystemExit):
            parse_args(words)
        return
    parsed = parse_args(words)
    assert (parsed.module, parsed.training_script) == (True, "locoenvs")
    assert [word for word in parsed.training_script_args if word != "--"] == ["train", FLAT, "--run", "rough"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--learner", "sb3"], "learner 'sb3' trains in one process, 2 are asked for: take --learner rsl_rl or skrl"),
        (["--num-envs", "1"], "--processes 2: each needs a robot, and --num-envs is 1"),
        (["--processes", "0"], "--processes 0: must be a whole number from 1 to 1024"),
    ],
)
def test_what_processes_cannot_do_is_told_once_before_any_is_started(
    options: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        app.main(["train", FLAT, "--processes", "2", *options])
    assert capsys.readouterr().err.startswith(f"locoenvs: {told}")
