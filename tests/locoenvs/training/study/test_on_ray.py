"""Studies on Ray: killed in the middle they go on, and an address that is none is told in time."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from locoenvs.training.study import on_ray
from locoenvs.training.study.on_ray import OnRay
from locoenvs.training.study.trial import Job
from studies import Pretended, study_of, toml

ROOT = Path(__file__).parents[4]

TINY = {
    "env_id": "Loco/AnymalC-Flat-v0",
    "recipe": "walk",
    "actuator": "pd",
    "num_envs": 16,
    "seeds": [0, 1],
    "updates": 4,
    "objective": "fall_rate",
    "validate_robots": 4,
    "options": {"threads": 1},
    "panels": ["none"],
    # Validated on the task itself, in short episodes: the suite's panels are for another action scale.
    "set": {
        "robot.action_scale": 0.4,
        "timing.episode_length": 0.4,
        "ppo.horizon": 4,
        "ppo.epochs": 1,
        "ppo.minibatches": 1,
        "ppo.hidden": [8],
    },
    "space": {"ppo.entropy": [0.005, 0.05, 0.5]},
    "prune": {"after": 2, "factor": 2},
}
"""Three values, of which the first is the recipe's own, the base."""


@pytest.mark.slow
def test_a_study_on_ray_that_is_killed_goes_on(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    pytest.importorskip("rsl_rl")
    (tmp_path / "tiny.toml").write_text(toml(TINY))
    folder = tmp_path / "runs" / "tiny"
    command = [sys.executable, "-m", "locoenvs", "study", "tiny.toml", "--on", "ray", "--cpus"]
    # As many at a time as there are cores, and then, each on two, fewer: most of the time goes into what a worker imports.
    many, few = [*command, "1"], [*command, str(min(os.cpu_count() or 1, 2))]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NPROC": "8", "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    start = subprocess.Popen(many, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 200
    while not (first := reached(folder)) and start.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    start.send_signal(signal.SIGKILL)
    _, error = start.communicate()
    assert first, error.decode()[-2000:]
    again = subprocess.run(few, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=250)
    assert again.returncode == 0, again.stderr[-2000:]
    after = reached(folder)
    assert all(after[run][: len(rungs)] == rungs for run, rungs in first.items()), "what was done is not done again"
    assert sorted(len(after[f"{name}-seed-{seed}"]) for name in ("trial-1", "trial-2") for seed in (0, 1)) == [
        1,
        1,
        2,
        2,
    ]
    assert [len(after[f"base-seed-{seed}"]) for seed in (0, 1)] == [2, 2]
    assert "pruned after 2 updates" in again.stdout and "best by validation" in again.stdout
    rows = {row["name"]: row for row in json.loads((folder / "results.json").read_text())["rows"]}
    assert sorted(rows) == ["base", "trial-1", "trial-2"] and rows["base"]["seeds"] == 2
    assert all(row["numbers"]["fall_rate"]["low"] is not None for row in rows.values())
    for run in after:
        lines = [json.loads(line) for line in (folder / run / "ledger.jsonl").read_text().splitlines()]
        updates = [line["update"] for line in lines if line["kind"] == "update"]
        assert updates == list(range(1, len(updates) + 1)), "each update once"


def reached(folder: Path) -> dict[str, Any]:
    file = folder / "state.json"
    return json.loads(file.read_text())["reached"] if file.is_file() else {}


def test_without_ray_the_line_to_install_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"studies on Ray need ray: pip install .*\[ray\]"):
        with on_ray.on_ray(Pretended(), None, 1, 0):
            pass


class Rayless:
    """What :class:`OnRay` uses of Ray, without it."""

    def __init__(self, **resources: float) -> None:
        self.resources, self.asked = resources, dict[str, Any]()

    def cluster_resources(self) -> dict[str, float]:
        return self.resources

    def put(self, value: Any) -> Any:
        return value

    def remote(self, **asked: Any) -> Any:
        self.asked = asked
        return lambda function: SimpleNamespace(remote=lambda *given: object())


@pytest.mark.parametrize("address", [None, "auto"])
def test_sigterm_exits_as_elsewhere_and_ray_leaves_no_handler(
    address: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ray(Rayless):
        def init(self, **_: Any) -> None:
            signal.signal(signal.SIGTERM, lambda number, _: sys.exit(number))

        def shutdown(self) -> None:
            pass

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setitem(sys.modules, "ray", Ray(CPU=1.0))
    monkeypatch.setattr(on_ray, "_check", lambda address: None)
    with pytest.raises(SystemExit) as stopped:
        with on_ray.on_ray(Pretended(), address, 1, 0):
            signal.raise_signal(signal.SIGTERM)
    assert stopped.value.code == 143 and signal.getsignal(signal.SIGTERM) == before


def test_there_is_room_for_as_many_as_the_resources_are_for() -> None:
    ray = Rayless(CPU=7.0, GPU=2.0)
    places = OnRay(ray, Pretended(), cpus=2, gpus=0.5)
    assert (ray.asked["num_cpus"], ray.asked["num_gpus"]) == (2, 0.5)
    for number in range(3):
        assert places.free()
        places.begin(Job("base", 0, number, "rsl_rl", study_of().settings(number), None))
    assert not places.free()
    with pytest.raises(ValueError, match="gpus=3: this Ray has 2 GPUs in all"):
        OnRay(ray, Pretended(), cpus=1, gpus=3)


@pytest.mark.parametrize("address", ["here", "127.0.0.1", "127.0.0.1:port", ":6379"])
def test_what_is_no_address_is_told(address: str) -> None:
    with pytest.raises(ValueError, match="must be host:port"):
        on_ray._check(address)


def test_an_address_where_nothing_answers_is_told_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        with pytest.raises(ConnectionError, match=r"nothing answers within 10 s .*ray start --head"):
            on_ray._check(f"127.0.0.1:{taken.getsockname()[1]}")


def test_what_answers_and_is_no_ray_is_told_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_ray, "JOIN_SECONDS", 0.05)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(ConnectionError, match="joining it takes more than 0.05 s"):
            on_ray._check(f"127.0.0.1:{other.getsockname()[1]}")
