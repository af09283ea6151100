"""Peers are measured in turns, what fails is a row that says why, and the page says what the result does."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from locoenvs.benchmarks.peers import command, contest, learning, processes
from locoenvs.benchmarks.peers import page as pages
from locoenvs.benchmarks.peers import worker as worker_script
from locoenvs.benchmarks.peers.contestants import CONTESTANTS, LEARNING, LIBRARIES, OURS, Contestant, Library
from locoenvs.benchmarks.peers.processes import Failed, Worker

ROOT = Path(__file__).parents[2]
FACTS = {"physics_seconds": 0.005, "physics_steps": 4, "observation": 48, "memory_mb": 100.0, "make_seconds": 1.0}


def contestant(name: str, kind: Any = "envpool", library: str = "other", most: int | None = None) -> Contestant:
    return Contestant(name, library, kind, "Task-v0", "robot", "flat", "locoenvs, robot flat", "nothing", "", most)


OWN = contestant("locoenvs, robot flat", OURS, OURS)


class Scripted:
    """A worker whose speeds are known beforehand; None: it fails."""

    def __init__(self, name: str, rates: list[float | None], order: list[str], bare: bool | None = None) -> None:
        self.facts, self.name, self.order, self.closed = FACTS, name, order, False
        self._rates, self._bare = iter(rates), name == OWN.name if bare is None else bare

    def rates(self, seconds: float) -> dict[str, float]:
        self.order.append(self.name)
        rate = next(self._rates)
        if rate is None:
            raise Failed("it broke")
        return {"environment": rate} | ({"mujoco.batch": 2 * rate} if self._bare else {})

    def close(self) -> None:
        self.closed = True


def test_they_take_turns_and_ratios_are_those_of_the_turns() -> None:
    order: list[str] = []
    speeds: dict[str, list[float | None]] = {OWN.name: [100, 300, 200], "peer": [50, 100, 400]}
    made: list[Scripted] = []

    def make(one: Contestant, robots: int) -> Scripted:
        made.append(Scripted(one.name, speeds[one.name], order))
        return made[-1]

    own, bare, peer = contest.compete((OWN, contestant("peer")), 16, 1.0, 3, make)
    assert order == [OWN.name, "peer"] * 3 and all(worker.closed for worker in made)
    assert (own["control_steps_per_second"], own["ours_to_it"]) == (200, 1)
    assert (bare["name"], bare["control_steps_per_second"], bare["ours_to_it"]) == (
        "mujoco.batch, robot flat",
        400,
        0.5,
    )
    assert (peer["control_steps_per_second"], peer["ours_to_it"]) == (100, 2)  # of 2, 3 and 0.5
    assert peer["physics_steps_per_second"] == 400 and peer["repeats"] == [50, 100, 400] and "error" not in peer


def test_one_that_cannot_be_made_or_breaks_is_a_row_that_says_why() -> None:
    speeds: dict[str, list[float | None]] = {OWN.name: [1, 1], "breaks": [5, None], "small": [1, 1]}

    def make(one: Contestant, robots: int) -> Scripted:
        if one.name == "absent":
            raise Failed("no such library")
        return Scripted(one.name, speeds[one.name], [])

    everyone = (OWN, contestant("absent"), contestant("breaks"), contestant("small", most=8))
    rows = contest.compete(everyone, 16, 1.0, 2, make)
    told = {row["name"]: row.get("error") for row in rows}
    assert told == {
        OWN.name: None,
        "mujoco.batch, robot flat": None,
        "absent": "no such library",
        "breaks": "it broke",
        "small": "more than 8 robots, each with a model of its own",
    }


def test_robots_that_would_not_fit_into_memory_are_not_made() -> None:
    before = [{"name": "peer", "robots": robots, "memory_mb": 100.0 + 10 * robots} for robots in (16, 64)]
    contest.check(contestant("peer"), 512, before, 6000.0)
    with pytest.raises(Failed, match="4096 robots would take 40 GB of memory, 10 MB each"):
        contest.check(contestant("peer"), 4096, before, 6000.0)
    assert contest.memory_per_1024(before, "peer") == 10240
    assert contest.memory_per_1024(before[:1], "peer") is None
    assert contest.memory_per_1024([before[1], before[0] | {"memory_mb": 800.0}], "peer") is None


def test_a_library_is_installed_once_and_again_where_that_broke(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library, asked, broken = Library("envpool", ("envpool==1.2.5", "numpy"), ()), list[list[str]](), [True]

    def call(command: list[str], *_: Any) -> str:
        asked.append(command)
        (tmp_path / "envpool").mkdir(exist_ok=True)
        if "pip" in command and broken:
            raise Failed("no wheel for this Python")
        return ""

    monkeypatch.setattr(processes, "call", call)
    with pytest.raises(Failed, match="no wheel for this Python"):
        processes.interpreter(library, tmp_path)
    broken.clear()
    python = tmp_path / "envpool" / "bin" / "python"
    assert [processes.interpreter(library, tmp_path) for _ in range(2)] == [python, python]
    venv = [sys.executable, "-m", "venv", str(tmp_path / "envpool")]
    install = [str(python), "-m", "pip", "install", "--quiet", "envpool==1.2.5", "numpy"]
    assert asked == [venv, install] * 2
    processes.interpreter(Library("envpool", ("envpool==1.3",), ()), tmp_path)
    assert len(asked) == 6


def test_a_process_that_fails_or_hangs_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Failed, match="ModuleNotFoundError: No module named 'no_such_module'"):
        processes.call([sys.executable, "-c", "import no_such_module"], 60)
    with pytest.raises(Failed, match="train cannot be run: No such file"):
        processes.call([str(tmp_path / "train")], 60)
    with pytest.raises(Failed, match="did not end within 0 s"):
        processes.call([sys.executable, "-c", "import time; time.sleep(60)"], 0.2)
    script = tmp_path / "worker.py"
    monkeypatch.setattr(processes, "WORKER", script)
    script.write_text("raise ValueError('no robots')")
    with pytest.raises(Failed, match="ValueError: no robots"):
        Worker(contestant("peer"), Path(sys.executable), 4, 1, tmp_path)
    monkeypatch.setattr(processes, "ANSWER_SECONDS", 0.3)
    script.write_text("import time; time.sleep(60)")
    with pytest.raises(Failed, match="no answer within 0.3 s"):
        Worker(contestant("peer"), Path(sys.executable), 4, 1, tmp_path)


def test_a_worker_answers_as_often_as_it_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "worker.py"
    monkeypatch.setattr(processes, "WORKER", script)
    script.write_text(
        "import json, sys\nprint(json.dumps({'robots': int(sys.argv[2])}), flush=True)\n"
        "for line in sys.stdin: print(json.dumps({'environment': [100, float(line)]}), flush=True)"
    )
    worker = Worker(contestant("peer"), Path(sys.executable), 4, 1, tmp_path)
    assert worker.facts == {"robots": 4}
    assert [worker.rates(seconds)["environment"] for seconds in (1.0, 0.5)] == [100, 200]
    worker.close()
    worker.close()


def test_this_projects_worker_measures_itself_and_bare_physics(tmp_path: Path) -> None:
    worker = Worker(CONTESTANTS[0], Path(sys.executable), 2, 1, tmp_path)
    measured = worker.rates(0.01)
    worker.close()
    assert set(measured) == {"environment", "mujoco.batch"} and min(measured.values()) > 0
    assert worker.facts["physics_seconds"] == 0.005 and worker.facts["physics_steps"] == 4
    assert worker.facts["observation"] == 48 and worker.facts["touching"] > 4
    if sys.platform == "linux":
        assert 30 < worker.facts["memory_mb"] < 2000


def test_steps_are_counted_until_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(100))
    monkeypatch.setattr(worker_script.time, "perf_counter", lambda: float(next(clock)))
    shapes: list[Any] = []
    stepped = worker_script.Stepped(lambda action: shapes.append(action.shape), 3, 2, lambda draw: draw)
    stepped.settle(4)
    assert stepped.rates(5.0) == {"environment": [3 * 4, 6.0]}
    assert shapes == [(3, 2)] * 8


def test_unilab_gets_a_folder_like_its_checkout_and_meshes_for_looking_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mujoco

    robot = tmp_path / "unilab" / "assets" / "robots" / "go2"
    robot.mkdir(parents=True)
    (tmp_path / "unilab" / "__init__.py").touch()
    (robot / "go2.xml").write_text(
        '<mujoco><compiler meshdir="assets"/><asset>\n<mesh file="base_0.obj"/>\n</asset>\n<worldbody><geom type="mesh" mesh="base_0"/></worldbody></mujoco>'
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert worker_script.prepare_unilab(tmp_path / "files") == tmp_path / "unilab"
    assert Path.cwd() == tmp_path / "files"
    assert mujoco.MjModel.from_xml_path("src/unilab/assets/robots/go2/go2.xml").nmesh == 1


def test_times_are_read_from_a_ledger_and_from_what_rsl_rl_prints() -> None:
    seconds = {"environment": 1.0, "inference": 0.5, "learning": 2.0}
    assert learning.of_ledger([{"kind": "start"}, {"kind": "update", "seconds": seconds}]) == [(1.5, 2.0)]
    printed = "Collection time: 7.688s\n Learning time: 23.100s\n Collection time: 4.455s \n Learning time: 23.186s"
    assert learning.of_log(printed) == [(7.688, 23.1), (4.455, 23.186)]
    with pytest.raises(Failed, match="no times"):
        learning.of_log("Collection time: 7.688s\n Learning time: 23.100s\n")


def test_trainings_take_turns_and_one_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order = []

    def train(one: Any, python: Any, robots: int, *_: Any) -> list[tuple[float, float]]:
        order.append(one.library)
        if one.library != OURS:
            raise Failed("no meshes")
        return [(9.0, 9.0), (1.0, 1.0), (1.0, 3.0), (1.0, 2.0)]

    monkeypatch.setattr(learning, "_train", train)
    own, other = learning.learn({OURS: Path("python"), "unilab": Path("python")}, 100, 4, 2, tmp_path)
    assert order == [OURS, "unilab", OURS]
    assert own["samples_per_second"] == 100 * learning.HORIZON / 3 and own["ours_to_it"] == 1
    assert own["seconds_of_an_update"] == {"collecting": 1.0, "learning": 2.0}
    assert other["error"] == "no meshes"


def test_minutes_until_it_walks_are_those_of_the_kept_trainings(tmp_path: Path) -> None:
    one, none = learning.until_it_walks([ROOT / "benchmarks" / "results" / "walk-seed-2", tmp_path])
    assert (one["meets_the_bar"], one["minutes"], one["panel"]) == (True, 17.3, "AnymalC-flat-1")
    assert none["run"] == tmp_path.name and "no training" in none["error"]


def test_everyone_is_compared_with_one_of_this_project() -> None:
    names = {one.name for one in CONTESTANTS if one.kind == OURS}
    assert {one.against for one in CONTESTANTS} <= names
    known = {library.name for library in LIBRARIES} | {OURS}
    assert {one.library for one in (*CONTESTANTS, *LEARNING)} <= known
    assert all(one.kind in worker_script.KINDS and one.differs for one in CONTESTANTS)


def document() -> dict[str, Any]:
    def make(one: Contestant, robots: int) -> Scripted:
        if one.name == "absent":
            raise Failed("no wheel | for this Python")
        return Scripted(one.name, [2000.0], [])

    rows = contest.compete((OWN, contestant("absent")), 16, 1.0, 1, make)
    for row in rows:
        row["memory_mb_per_1024"] = None
    return {
        "date": "2026-11-28T00:00:00+00:00",
        "hardware": {"processor": "a processor", "cores": 2},
        "versions": {"locoenvs": "0.2.0", "mujoco": "4.0.0"},
        "libraries": [{"name": "other", "error": "no wheel"}, {"name": "envpool", "versions": {"envpool": "1.2.5"}}],
        "environments": rows,
        "learning": [],
        "no_learner": {},
        "until_it_walks": [],
    }


def test_the_tables_say_what_was_measured_and_what_was_not(tmp_path: Path) -> None:
    text = pages.figures(document())
    assert "on a processor, 2 cores: locoenvs 0.2.0, mujoco 4.0.0; other: no wheel; envpool 1.2.5." in text
    assert "| locoenvs, robot flat | 2.00 (1.00) | - |" in text
    assert "| absent | - | - |" in text and "- absent: no wheel | for this Python (16 robots)" in text
    page = tmp_path / "page.md"
    page.write_text(f"before\n{pages.BEGIN}\nold\n{pages.END}\nafter\n")
    for _ in range(2):
        pages.put(page, document())
    assert page.read_text() == f"before\n{pages.BEGIN}\n{text}{pages.END}\nafter\n"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"robots": ()}, "robots=0: must be at least 1"),
        ({"robots": (16, -4)}, "robots=-4: must be at least 1"),
        ({"updates": 1}, "updates=1: must be at least 2"),
        ({"seconds": 0.0}, "seconds=0.0: must be at least 0.01"),
    ],
)
def test_a_number_that_measures_nothing_is_refused_at_once(
    wrong: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "installed", lambda *_: pytest.fail("it began"))
    with pytest.raises(SystemExit, match=said):
        command.peers(**wrong)


def test_a_page_without_its_marks_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "installed", lambda *_: pytest.fail("it began"))
    page = tmp_path / "page.md"
    page.write_text("nothing")
    with pytest.raises(SystemExit, match="page.md lacks the lines"):
        command.peers(page=page)


def test_the_result_holds_whatever_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def script(*_: Any) -> contest.Make:
        return lambda one, robots: Scripted(one.name, [2000.0] * 3, [], bare=one.kind == OURS)

    monkeypatch.setattr(command, "installed", lambda library, _: (Path("python"), {"name": library.name, "error": "-"}))
    monkeypatch.setattr(command, "worker", script)
    monkeypatch.setattr(command, "learn", lambda *_: pytest.fail("it was not asked for"))
    out = tmp_path / "new" / "peers.json"
    command.peers((16,), ("envpool",), learners=False, out=out, folder=tmp_path)
    result = json.loads(out.read_text())
    assert [library["name"] for library in result["libraries"]] == ["envpool"] and result["learning"] == []
    assert {row["library"] for row in result["environments"]} == {OURS, "envpool", "mujoco.batch"}
    assert set(result["task_hashes"]) == {one.task for one in CONTESTANTS if one.library == OURS}
    assert [run["run"] for run in result["until_it_walks"]] == ["walk-seed-0", "walk-seed-1", "walk-seed-2"]


RESULT = ROOT / "benchmarks" / "results" / "peers.json"


def test_the_page_says_what_the_committed_result_does() -> None:
    result = json.loads(RESULT.read_text())
    page = (ROOT / "docs" / "peers.md").read_text()
    assert f"{pages.BEGIN}\n{pages.figures(result)}{pages.END}" in page
    assert {library["name"] for library in result["libraries"]} == {library.name for library in LIBRARIES}
    assert {row["name"] for row in result["environments"]} >= {one.name for one in CONTESTANTS}
    assert all(("error" in row) != ("control_steps_per_second" in row) for row in result["environments"])
