"""A run's folder survives a crash at any moment."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import IO

import pytest

from locoenvs.tasks.documents import write_atomically
from locoenvs.training.run import Run


def test_a_folder_with_something_in_it_is_not_taken(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "a" / "b")
    assert Run.create(run.folder) == run  # it is empty still
    run.write_recipe({"seed": 1})
    with pytest.raises(FileExistsError, match="--resume"):
        Run.create(run.folder)
    assert Run.open(run.folder).recipe() == {"seed": 1}
    with pytest.raises(FileNotFoundError, match="recipe.json"):
        Run.open(tmp_path)


def test_the_ledger_reads_back_what_was_recorded(tmp_path: Path) -> None:
    run = Run.create(tmp_path)
    assert run.records() == []
    run.record("update", update=1, reward=0.5)
    run.record("checkpoint", update=1)
    assert run.records() == [{"kind": "update", "update": 1, "reward": 0.5}, {"kind": "checkpoint", "update": 1}]


def test_a_last_line_that_a_crash_cut_short_is_left_out(tmp_path: Path) -> None:
    run = Run.create(tmp_path)
    run.record("update", update=1)
    with run.ledger.open("a") as file:
        file.write('{"kind": "update", "upd')
    with pytest.warns(UserWarning, match="line 2 cannot be read"):
        assert [line["update"] for line in run.records()] == [1]
    with pytest.warns(UserWarning, match="1 lines cannot be read; they are in .*ledger.unreadable.jsonl"):
        run.truncate_ledger(1)
    run.record("update", update=2)
    assert [line["update"] for line in run.records()] == [1, 2]
    assert (run.folder / "ledger.unreadable.jsonl").read_text() == '{"kind": "update", "upd\n'


def test_lines_after_the_checkpoint_are_dropped_and_those_of_no_update_kept(tmp_path: Path) -> None:
    run = Run.create(tmp_path)
    run.record("evaluation", success=0.9)
    for update in (1, 2, 3):
        run.record("update", update=update)
    run.truncate_ledger(2)
    assert [(line["kind"], line.get("update")) for line in run.records()] == [
        ("evaluation", None),
        ("update", 1),
        ("update", 2),
    ]


def test_the_checkpoint_before_stays(tmp_path: Path) -> None:
    run = Run.create(tmp_path)
    for content in (b"one", b"two", b"three"):
        run.save_checkpoint(lambda file, content=content: file.write(content))
    assert run.checkpoint.read_bytes() == b"three" and run.previous_checkpoint.read_bytes() == b"two"


def test_a_newest_checkpoint_that_was_set_aside_does_not_push_out_the_one_before(tmp_path: Path) -> None:
    run = Run.create(tmp_path)
    for content in (b"good", b"torn"):
        run.save_checkpoint(lambda file, content=content: file.write(content))
    run.set_aside_newest()
    run.save_checkpoint(lambda file: file.write(b"next"))
    assert run.checkpoint.read_bytes() == b"next" and run.previous_checkpoint.read_bytes() == b"good"


def test_a_write_that_fails_midway_changes_nothing(tmp_path: Path) -> None:
    run = Run.create(tmp_path)
    run.save_checkpoint(lambda file: file.write(b"one"))
    run.save_checkpoint(lambda file: file.write(b"two"))

    def full(file: IO[bytes]) -> None:
        file.write(b"thr")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        run.save_checkpoint(full)
    assert run.checkpoint.read_bytes() == b"two" and run.previous_checkpoint.read_bytes() == b"one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint.previous.pt", "checkpoint.pt"]


@pytest.mark.parametrize("killed_at", [1, 2])
def test_a_process_killed_between_two_renames_leaves_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_at: int
) -> None:
    run = Run.create(tmp_path)
    run.save_checkpoint(lambda file: file.write(b"one"))
    calls, replace = [], os.replace

    def killed(source: str, target: str) -> None:
        calls.append(target)
        if len(calls) == killed_at:
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        run.save_checkpoint(lambda file: file.write(b"two"))
    left = [path.read_bytes() for path in (run.checkpoint, run.previous_checkpoint) if path.exists()]
    assert left == [b"one"]


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "recipe.json"
    write_atomically(path, lambda file: file.write(b"{}"))
    seen = []

    def slowly(file: IO[bytes]) -> None:
        file.write(b'{"a"')
        file.flush()
        seen.append(json.loads(path.read_text()))
        file.write(b": 1}")

    write_atomically(path, slowly)
    assert seen == [{}] and json.loads(path.read_text()) == {"a": 1}


def test_a_record_after_a_line_that_was_cut_stands_on_a_line_of_its_own(tmp_path: Path) -> None:
    run = Run.create(tmp_path)
    for update in range(1, 6):
        run.record("update", update=update)
    run.ledger.write_text(run.ledger.read_text()[:-8])
    run.record("evaluation", panel="x")
    for update in range(6, 9):
        run.record("update", update=update)
    with pytest.warns(UserWarning, match="line 5 cannot be read"):
        assert [line.get("update") for line in run.records()] == [1, 2, 3, 4, None, 6, 7, 8]


@pytest.mark.parametrize("broken", [b"{", b"\xff\xfe", b"[1]", b"3", b'{"update": 3}', b"\x00" * 40])
def test_a_broken_line_in_the_middle_costs_no_other(tmp_path: Path, broken: bytes) -> None:
    run = Run.create(tmp_path)
    for update in (1, 2):
        run.record("update", update=update)
    with run.ledger.open("ab") as file:
        file.write(broken + b"\n")
    for update in (3, 4):
        run.record("update", update=update)
    with pytest.warns(UserWarning, match="line"):
        run.truncate_ledger(3)
    assert [line["update"] for line in run.records()] == [1, 2, 3]
    assert (run.folder / "ledger.unreadable.jsonl").read_bytes() == broken + b"\n"
    assert json.loads((run.folder / "ledger.again.jsonl").read_text())["update"] == 4


def test_a_file_or_a_folder_of_something_else_is_no_place_for_a_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes.txt").write_text("mine")
    for name in ("file", "folder"):
        with pytest.raises(FileExistsError, match="exists and is no run: choose another name"):
            Run.create(tmp_path / name)
    assert (tmp_path / "folder" / "notes.txt").read_text() == "mine"


def test_a_lock_is_held_once_and_given_back(tmp_path: Path) -> None:
    run = Run.create(tmp_path)
    with run.locked(), pytest.raises(BlockingIOError, match=f"process {os.getpid()} on"), run.locked():
        pass
    with run.locked():
        pass
    assert Run.create(tmp_path) == run, "a lock alone is no run"
