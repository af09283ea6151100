"""What a script registers, the command line knows."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from locoenvs import install
from locoenvs.cli.app import main
from locoenvs.tasks.task import Task
from locoenvs.tasks.vocabulary import REWARD_TERMS

SCRIPT = '''
import locoenvs

@locoenvs.reward_term()
def stillness_of_mine(s):
    """Squared speed, m^2/s^2."""
    return s.mdp.xp.sum(s.readout.base_linear_velocity**2, axis=-1)

if __name__ == "__main__":
    raise SystemExit("it must not run")
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("locoenvs.install.scripts", {})
    (tmp_path / "my_own_terms.py").write_text(SCRIPT)
    yield tmp_path
    if sys.modules.pop("my_own_terms", None) is not None:
        REWARD_TERMS.remove("stillness_of_mine")


def test_a_term_of_a_script_can_be_named(folder: Path) -> None:
    change = "rewards.terms.stillness_of_mine.weight=-0.1"
    for _ in range(2):  # importing it twice is importing it once
        main(["--plugin", "my_own_terms.py", "task", "Loco/AnymalC-Flat-v0", "--set", change, "--out", "task.json"])
    term = Task.from_json((folder / "task.json").read_text()).rewards.terms["stillness_of_mine"]
    assert term.weight == -0.1
    digest = hashlib.sha256((folder / "my_own_terms.py").read_bytes()).hexdigest()
    assert install.scripts == {folder / "my_own_terms.py": digest[:12]}, "what processes compare that train together"
    assert '"my_own_terms"' in (folder / "task.json").read_text(), "the task says whose term it is"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["list", "--plugin"], "--plugin: name a file, such as my_terms.py"),
        (["--plugin", "nowhere.py", "list"], "nowhere.py: there is no such script"),
        (["--plugin", "json.py", "list"], "json.py: another module is called 'json', rename the file"),
        (["--plugin", "broken.py", "list"], "broken.py: ZeroDivisionError: division by zero"),
    ],
)
def test_what_is_no_plugin_is_one_line(
    folder: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "json.py").write_text("")
    (folder / "broken.py").write_text("1 / 0")
    with pytest.raises(SystemExit) as stopped:
        main(words)
    error = capsys.readouterr().err
    assert stopped.value.code == 2 and message in error and error.count("\n") == 1
    assert "broken" not in sys.modules
