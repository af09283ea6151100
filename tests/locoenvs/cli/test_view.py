from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import falls
import numpy as np
import pytest

from locoenvs import install
from locoenvs.cli.app import main
from locoenvs.cli.view import _session
from locoenvs.policies.policy import POLICIES, load_policy
from locoenvs.tools.view.falls import FallSession
from locoenvs.tools.view.page import address, serve
from locoenvs.tools.view.session import Session
from locoenvs.tools.view.sources import Followed

pytest.importorskip("viser")
pytest.importorskip("onnxruntime")


def told(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stopped:
        main(["view", *arguments])
    said = capsys.readouterr().err
    assert stopped.value.code == 2 and len(said.splitlines()) == 1
    return said


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = told(["--port", str(port)], capsys)
    assert said.startswith(f"locoenvs: --host 127.0.0.1 --port {port}: Address already in use; choose another port")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--host", "192.0.2.1"], "--host 192.0.2.1 --port 0"),
        (["--port", "99999"], "--port 99999: must be from 0 to 65535"),
        (["nothing"], "no policy in nothing"),
        (["Loco/AnymalC-Flat-v1"], "Loco/AnymalC-Flat-v1"),
        (["--robots", "17"], "17 robots: one to 16 can be looked at"),
        (["--ground", "lava"], "ground 'lava': choose one of plane"),
        (["--level", "10"], "level 10: the levels are 0 to 9"),
        (["--set", "robot.action_scale=0.1"], "does not fit the task. action scale"),
        (["anymal_c_flat", "--task", "{rough}"], "does not fit the task. observation"),
        (["--failures", "{nothing}"], "nothing.json"),
        (["--follow", "nothing"], "nothing"),
        (["--failures", "{nothing}", "--robots", "4"], "leave out --robots"),
        (["--failures", "{nothing}", "--ground", "plane", "--level", "2"], "leave out --ground, --level"),
        (["--failures", "{nothing}", "--backend", "mjx", "--options", "threads=1"], "leave out --backend, --options"),
        (["--failures", "{nothing}", "--set", "action_clip=1", "--task", "{rough}"], "leave out --task, --set"),
        (["anymal_c_rough", "--failures", "{nothing}", "--follow", "rough"], "leave out POLICY, --follow"),
    ],
)
def test_mistakes_are_told_in_a_line(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rough = tmp_path / "rough.json"
    main(["task", "Loco/AnymalC-Rough-v0", "--out", str(rough)])
    filled = [each.format(rough=rough, nothing=tmp_path / "nothing.json") for each in arguments]
    given = filled if "--port" in filled else [*filled, "--port", "0"]
    assert said in told(given, capsys)


def test_without_viser_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['viser'] = None\nfrom locoenvs.cli.app import main\nmain(['view'])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1] == f"locoenvs: the viewer needs viser: {install.line('view')}"


def test_viser_is_imported_only_when_it_is_asked_for() -> None:
    code = "import sys, locoenvs.cli.app\nassert not {'viser', 'trimesh'} & {name.partition('.')[0] for name in sys.modules}"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_it_listens_on_this_machine_alone() -> None:
    server = serve("127.0.0.1", 0)
    try:
        assert server.get_host() == "127.0.0.1"
        assert address("127.0.0.1", 8080) == "http://127.0.0.1:8080"
        assert address("0.0.0.0", 8080) == "http://localhost:8080"
    finally:
        server.stop()


def opened(
    policy: str = "anymal_c_flat", follow: str | None = None, failures: Path | None = None
) -> tuple[Session, Followed | None]:
    return _session(policy, 1, None, 0, "mujoco", (), follow, failures, None, ())


def test_an_environment_without_a_policy_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("locoenvs.cli.arguments.POLICIES", tmp_path)
    session, source = opened("Loco/A1-Rough-v0")
    assert session.policy is None and source is None
    session.close()


def test_a_run_that_has_no_policy_yet_is_waited_for(tmp_path: Path) -> None:
    run, task = tmp_path / "run", load_policy(POLICIES / "a1_flat").task
    run.mkdir()
    recipe = {"task_hash": task.hash, "task": json.loads(task.to_json())}
    (run / "recipe.json").write_text(json.dumps(recipe))
    session, source = opened(follow=str(run))
    assert session.policy is None and session.task == task and source is not None
    assert source.newer(0.0) is None
    shutil.copytree(POLICIES / "a1_flat", run / "policy")
    newer = source.newer(10.0)
    assert newer is not None
    session.swap(newer)
    session.step()
    session.close()


def test_the_falls_of_an_evaluation(tmp_path: Path) -> None:
    session, _ = opened(failures=falls.written(tmp_path))
    assert isinstance(session, FallSession) and session.fall.robot == 0
    assert np.isfinite(session.readout.base_position).all()
    session.close()
