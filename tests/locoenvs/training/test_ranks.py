"""Which robots each of several processes has; a process alone asks nobody and imports nothing."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from locoenvs.training import learners, ranks
from locoenvs.training.begin import gone_on_with
from locoenvs.training.ranks import Ranks
from locoenvs.training.run import Run
from locoenvs.training.settings import TrainSettings


@pytest.mark.parametrize(("count", "size"), [(16, 2), (10, 3), (7, 7), (4096, 64), (5, 4)])
def test_parts_are_all_robots_once_and_differ_by_one_at_most(count: int, size: int) -> None:
    parts = [Ranks(rank, size).robots(count) for rank in range(size)]
    assert [robot for part in parts for robot in part] == list(range(count))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert parts == [Ranks(0, size).robots(count, rank) for rank in range(size)]


def test_a_process_without_a_robot_is_refused() -> None:
    Ranks(0, 4).check_robots(4)
    with pytest.raises(ValueError, match="num_envs=3: 4 processes need a robot each. Start at most 3"):
        Ranks(0, 4).check_robots(3)


def test_a_process_alone_asks_nobody() -> None:
    code = (
        "import sys\n"
        "from locoenvs.training import ranks\n"
        "me = ranks.join()\n"
        "assert (me.most(3, 1.5), me.gathered('a'), me.scattered(['b']), me.first_says(lambda: 'c')) == ((3, 1.5), ['a'], 'b', 'c')\n"
        "me.check_alike({'seed': 1}); ranks.leave()\n"
        "assert ranks.device(None, 'mjx') is None and ranks.device('cuda', 'mjx') == 'cuda' and ranks.here(7) == 7\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])


def test_processes_that_no_launcher_started_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="WORLD_SIZE=2 but no RANK: start the processes by torchrun or --processes"):
        ranks.join()


@pytest.mark.parametrize("given", ["soon", "0", "-1", "nan", "inf"])
def test_patience_is_a_time(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ranks.PATIENCE, given)
    with pytest.raises(ValueError, match=f"LOCOENVS_PATIENCE={given}: must be a positive number of seconds"):
        ranks.patience()


def test_learners_that_train_in_one_process_say_so() -> None:
    for name in ("sb3", "rl_games", "skrl_jax", "brax"):
        learners.check_together(name, 1)
        with pytest.raises(
            ValueError, match=f"learner '{name}' trains in one process, 2 are asked for: take --learner"
        ):
            learners.check_together(name, 2)
    for name in learners.TOGETHER:
        learners.check_together(name, 2)


def test_what_a_launcher_starts_again_goes_on_with_its_own_run_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = {"changes": {"ppo.entropy": 0.0}, "recipe": "walk", "actuator": "pd"}
    asked = TrainSettings("Loco/AnymalC-Flat-v0", run=str(tmp_path / "run"), **new)  # type: ignore[arg-type]
    run = Run.create(tmp_path / "run")
    monkeypatch.setattr(ranks, "launchers", lambda: ("mine", "new"))
    assert gone_on_with(asked) is asked  # it had begun none
    run.write_recipe({"launchers": ["another"]})
    assert gone_on_with(asked) is asked
    run.write_recipe({"launchers": ["gone", "mine"]})
    again = gone_on_with(asked)
    assert (again.resume, again.run) == (str(run.folder), None)
    assert again.changes is again.recipe is again.actuator is None
    monkeypatch.setattr(ranks, "launchers", lambda: ())
    assert gone_on_with(asked) is asked


def test_a_launcher_is_known_by_its_process_and_its_store_whatever_the_user_calls_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    distributed = pytest.importorskip("torch.distributed")
    for name in ("TORCHELASTIC_RUN_ID", "TORCHELASTIC_USE_AGENT_STORE"):
        monkeypatch.delenv(name, raising=False)
    assert ranks._launcher() == []
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "rough")
    (own,) = ranks._launcher()
    assert ranks._launcher() == [own] and f" {os.getppid()} " in own
    monkeypatch.setattr(os, "getppid", os.getpid)
    assert ranks._launcher()[0] != own
    monkeypatch.setattr(ranks, "process_began", lambda process: None)
    assert ranks._launcher() == [], "a number alone may be another's tomorrow"
    stores = [distributed.TCPStore("127.0.0.1", 0, None, True, wait_for_workers=False) for _ in range(2)]
    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", "True")
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    words = []
    for store in (stores[0], stores[0], stores[1]):
        monkeypatch.setenv("MASTER_PORT", str(store.port))
        words += ranks._launcher()
    assert words[0] == words[1] != words[2]


def test_a_machine_that_others_reach_by_its_name_tells_that_and_not_its_loopback() -> None:
    for host in ("127.0.1.1", "localhost"):
        with socket.create_server((host, 0)) as server:
            assert ranks._address_towards(host, server.getsockname()[1]) == host
