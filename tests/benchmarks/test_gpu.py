"""The benchmark for GPUs does all of its parts, small, on a CPU, and goes on where it stopped."""

from __future__ import annotations

import dataclasses
import functools
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("jax")
pytest.importorskip("mujoco.mjx")
pytest.importorskip("rsl_rl")
pytest.importorskip("onnxruntime")

from locoenvs.benchmarks.gpu import command, device, result, training
from locoenvs.benchmarks.gpu.command import gpu
from locoenvs.benchmarks.gpu.parts import parts
from locoenvs.benchmarks.gpu.plan import PANELS, SMALL, Job, Part, Plan
from locoenvs.benchmarks.gpu.training import panel as judge
from locoenvs.benchmarks.throughput import IDS
from locoenvs.envs.registration import make_vector
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.evidence.panel import Panel, load_panel


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Warp's compiled programs are shared by this file's tests, those of JAX by all."""
    monkeypatch.setenv("WARP_CACHE_PATH", str(tmp_path_factory.getbasetemp() / "programs" / "warp"))


@pytest.fixture(autouse=True)
def no_collection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between parts memory is given back, which takes a second where other tests have left much that was compiled."""
    monkeypatch.setattr(command, "gc", SimpleNamespace(collect=lambda: 0))


def there_are(monkeypatch: pytest.MonkeyPatch, made: list[Part]) -> None:
    """These parts instead of those that measure."""
    for module in (command, result):
        monkeypatch.setattr(module, "parts", lambda plan: iter(made))


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The environments of the parts are made once for all of them, and panels are short; the options that were asked for.

    On a CPU every implementation is JAX's, so they do not tell environments apart.
    """
    made: dict[tuple[str, int], LocoVectorEnv] = {}
    asked: list[dict[str, Any]] = []

    def make(env_id: str, robots: int, array: Any, options: dict[str, Any], **others: Any) -> LocoVectorEnv:
        asked.append(options)
        if (env_id, robots) not in made:
            made[env_id, robots] = make_vector(env_id, robots, **others)
            monkeypatch.setattr(made[env_id, robots], "close", lambda: None)
            compile_once(made[env_id, robots])
        made[env_id, robots].array = array
        return made[env_id, robots]

    def compile_once(env: LocoVectorEnv) -> None:
        """Its bare physics, which is timed again by the parts for the other implementation."""
        compiled, simulator = dict[Any, Any](), device.simulator(env)
        compiling = simulator.compile

        def compile(function: Any, mdp: Any, **options: Any) -> Any:
            if function not in compiled:
                compiled[function] = compiling(function, mdp, **options)
            return compiled[function]

        monkeypatch.setattr(simulator, "compile", compile)

    def short(name: str) -> Panel:
        panel = load_panel(name)
        timing = dataclasses.replace(panel.task.timing, episode_length=2.5)
        return dataclasses.replace(panel, task=dataclasses.replace(panel.task, timing=timing))

    monkeypatch.setattr(device, "make_vector", make)
    monkeypatch.setattr(training, "load_panel", short)
    return asked


@pytest.mark.timeout(900)  # it compiles everything, flat and rough
def test_all_of_it_small(
    tmp_path: Path, options: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert gpu(tmp_path, device="cpu", small=True) is True
    assert "all is done" in capsys.readouterr().out
    found = json.loads((tmp_path / "small" / "gpu.json").read_text())
    names = [part.name for part in parts(SMALL)]
    assert sorted(found["parts"]) == sorted(names) and found["waiting"] == []
    assert {name.split("/")[0] for name in names} == {part.name.split("/")[0] for part in parts(Plan())}
    made = found["parts"]
    assert made["checks/draws"]["different"] == []
    assert made["checks/torch"]["largest_difference"] == 0.0 and made["checks/torch"]["compilations"] == 1
    assert made["checks/parity"]["air"]["mjx-jax"]["largest_rad"] < 1e-4
    assert made["checks/stairs"]["stairs"]["mjx-jax"]["robots"] == SMALL.check_robots
    for ground in IDS:
        assert made[f"learning/{ground}/3"]["control_steps_per_second"] > 0
        for part in (f"speed/{ground}/3", f"speed-jax/{ground}/3"):
            assert min(made[part]["control_steps_per_second"].values()) > 0
    assert "Warp records graphs" in made["speed-graph/jax/3"]["skipped"]
    rates = made["speed/flat/3"]["control_steps_per_second"]
    assert set(rates) == {"whole", "bare", "with an untrained network", "with the shipped policy"}
    assert min(rates.values()) > 0 and made["speed/flat/3"]["impl"] == "mjx-jax"
    assert made["train/flat"]["updates"] == 2 and (tmp_path / "small/train/flat/policy/policy.onnx").exists()
    assert set(made["panel/flat"]["backends"]) == {"mjx-jax", "mujoco"}
    assert options.count({"impl": "jax"}) == len(IDS), "speed-jax asks for it"
    assert found["versions"]["jax"] and found["versions"]["torch"] and found["task_hashes"].keys() == IDS.keys()


def test_what_is_finished_is_not_done_again_and_what_fails_is_told_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done: list[str] = []

    def work(job: Job) -> dict[str, int]:
        done.append("good")
        return {"value": 1}

    def half(job: Job) -> dict[str, int] | None:
        done.append("half")
        return {"value": 2} if done.count("half") == 2 else None

    def bad(job: Job) -> dict[str, int]:
        done.append("bad")
        if done.count("bad") == 1:
            raise RuntimeError("out of memory")
        return {"value": 3}

    made = [Part("a/good", work, 1), Part("b/half", half, 1), Part("b/bad", bad, 1)]
    there_are(monkeypatch, made)
    monkeypatch.setattr(command, "tables", lambda found: [])
    assert gpu(tmp_path, minutes=1) is False
    text = json.loads((tmp_path / "gpu.json").read_text())
    assert set(text["parts"]) == {"a/good"} and text["waiting"] == ["b/half", "b/bad"]
    assert text["errors"] == {"b/bad": ["RuntimeError: out of memory"]}
    assert "b/bad: RuntimeError: out of memory" in capsys.readouterr().out
    assert gpu(tmp_path, minutes=0.001) is False and len(done) == 3, "nothing is begun that there is no time for"
    assert gpu(tmp_path, minutes=1, only=("a",)) is True and len(done) == 3
    assert gpu(tmp_path, minutes=1) is True
    assert done == ["good", "half", "bad", "half", "bad"]
    assert set(json.loads((tmp_path / "gpu.json").read_text())["parts"]) == {"a/good", "b/half", "b/bad"}


def test_what_fails_twice_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def bad(job: Job) -> dict[str, int]:
        raise RuntimeError("out of memory")

    there_are(monkeypatch, [Part("bad", bad, 1)])
    assert [gpu(tmp_path, minutes=1) for _ in range(3)] == [False, False, True]
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert found["errors"] == {"bad": ["RuntimeError: out of memory"] * 2} and found["parts"] == {}


def test_a_panel_whose_training_is_left_out_is_left_out_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def bad(job: Job) -> dict[str, int]:
        raise RuntimeError("out of memory")

    panel = functools.partial(judge, ground="flat", name="flat")
    made = [Part("train/flat", bad, 1), Part("panel/flat", panel, 1)]
    there_are(monkeypatch, made)
    assert [gpu(tmp_path, minutes=1) for _ in range(4)] == [False, False, False, True]
    errors = json.loads((tmp_path / "gpu.json").read_text())["errors"]
    why = "RuntimeError: train/flat failed 2 times, so there is no policy: RuntimeError: out of memory"
    assert errors["panel/flat"] == [why] * 2


def test_what_another_machine_has_done_stays_and_is_not_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def part(name: str) -> Part:
        return Part(name, lambda job: done.append(name) or {"value": len(done)}, 1)

    names = ("checks/a", "train/flat", "train/rough", "panel/flat", "panel/rough", "panel/crossing", "speed/b")
    there_are(monkeypatch, [part(name) for name in names])
    monkeypatch.setattr(command, "tables", lambda found: [])
    first, second = tmp_path / "first", tmp_path / "second"
    assert gpu(first, only=("checks", "train", "panel/flat", "panel/rough")) is True
    before = json.loads((first / "gpu.json").read_text())["parts"]
    assert all(found["on"] for found in before.values())
    done.clear()
    assert gpu(second, known=first / "gpu.json") is True
    again = ["train/rough", "panel/rough", "panel/crossing", "speed/b"]
    assert done == again, "a policy that is not here is trained again"
    after = json.loads((second / "gpu.json").read_text())["parts"]
    kept = before.keys() - set(again)
    assert set(after) == set(names) and all(after[name] == before[name] for name in kept) and len(kept) == 3
    with pytest.raises(SystemExit, match="no such file. Leave it out to begin with nothing"):
        gpu(tmp_path / "third", known=tmp_path / "none.json")


def test_what_there_is_no_time_for_is_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [Part(name, lambda job: {"value": 1}, seconds) for name, seconds in (("short", 1), ("long", 100))]
    there_are(monkeypatch, made)
    assert gpu(tmp_path, minutes=1) is False
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert set(found["parts"]) == {"short"} and found["waiting"] == ["long"]


def test_the_real_thing_covers_what_is_asked() -> None:
    names = [part.name for part in parts(Plan())]
    assert len(set(names)) == len(names)
    for ground in IDS:
        for robots in (1024, 2048, 4096, 8192, 16384, 32768):
            assert f"speed/{ground}/{robots}" in names
        panels = {f"panel/{name}" for name in PANELS[ground]}
        assert panels | {f"train/{ground}", f"learning/{ground}/4096", f"speed-jax/{ground}/4096"} <= set(names)
    assert dict(Plan().updates) == {"flat": 300, "rough": 1500} and Plan().train_robots == 4096
    assert Plan().steady_steps == 10_000
