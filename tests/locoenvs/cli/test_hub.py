"""A policy goes to the Hub and comes back the same, and what is no policy does not come back at all. The Hub is a double of its HTTP interface."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hub_double import Double, hub
from locoenvs.cli.app import main
from locoenvs.cli.hub import RESULTS
from locoenvs.evidence.result import Result
from locoenvs.mdp.layout import layout
from locoenvs.policies import mlp
from locoenvs.policies.policy import POLICIES, load_policy, save_policy
from locoenvs.tasks import documents

pytest.importorskip("google.protobuf")
pytest.importorskip("huggingface_hub", reason="needs the extra hub")

REPO = "somebody/walks"


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Double]:
    import huggingface_hub.constants as constants

    with hub() as made:
        monkeypatch.setattr(constants, "ENDPOINT", made.address)
        template = made.address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setenv("HF_TOKEN", "hf_of_nobody")
        monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        monkeypatch.chdir(tmp_path)
        yield made


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and said.startswith("locoenvs: ")
    return said.removeprefix("locoenvs: ")


def test_a_policy_goes_there_and_comes_back_the_same(double: Double, capsys: pytest.CaptureFixture[str]) -> None:
    main(["push", "anymal_c_rough", REPO, "--license", "apache-2.0"])
    files = double.commits[REPO][-1]
    assert len(double.commits[REPO]) == 2, "one to make it, one for all files"
    assert set(files) == {
        ".gitattributes",
        "policy.onnx",
        "policy.json",
        "evaluation.json",
        "crossing.json",
        "README.md",
    }
    assert double.private == set()
    main(["pull", REPO, "--out", "here"])
    said = " ".join(capsys.readouterr().out.split())
    assert f"pushed: {double.address}/{REPO}/commit/" in said and f"policy: here ({REPO} at" in said
    own, back = load_policy(POLICIES / "anymal_c_rough"), load_policy(Path("here"))
    assert back.document == own.document and back.sha256 == own.sha256
    assert {path.name for path in Path("here").iterdir()} == set(files) - {"README.md", ".gitattributes"}
    for name in ("evaluation.json", "crossing.json"):
        mine = Result.from_json((POLICIES / "anymal_c_rough" / name).read_text())
        assert Result.from_json(Path("here", name).read_text()).metrics == mine.metrics
    assert "already: choose another folder" in refused(capsys, "pull", REPO, "--out", "here")
    main(["pull", REPO, "--out", "here", "--force"])
    main(["pull", REPO])
    assert load_policy(Path("walks")).sha256 == own.sha256


def test_the_card_is_made_of_what_is_known(double: Double) -> None:
    yaml = pytest.importorskip("yaml")
    main(["push", "anymal_c_flat", REPO, "--license", "cc-by-4.0", "--private"])
    assert double.private == {REPO}
    card = double.commits[REPO][-1]["README.md"].decode()
    _, front, text = card.split("---\n", 2)
    data = yaml.safe_load(front)
    assert data["license"] == "cc-by-4.0" and data["library_name"] == "locoenvs" and "anymal_c" in data["tags"]
    result = Result.from_json((POLICIES / "anymal_c_flat" / "evaluation.json").read_text())
    (found,) = data["model-index"][0]["results"]
    values = {each["type"]: each["value"] for each in found["metrics"]}
    assert values["fall_rate"] == pytest.approx(result.metrics["fall_rate"].value, abs=1e-6)
    assert found["dataset"]["name"] == result.panel and found["dataset"]["revision"] == result.panel_hash
    assert f"{100 * result.metrics['success_rate'].value:.1f} (" in text
    for words in ("rsl\\_rl", "| samples |", "training time", "num\\_envs 512", f"locoenvs pull {REPO} --out"):
        assert words in text, words


def test_a_policy_of_its_own_has_a_card_of_what_little_is_known(double: Double) -> None:
    task = load_policy(POLICIES / "anymal_c_flat").task
    evil = {"environment": None, "learner": "<img src=x>|\n# [a](b)"}
    save_policy(Path("mine"), task, [(np.zeros((12, layout(task)[-1].stop)), np.zeros(12))], provenance=evil)
    main(["push", "mine", REPO])
    card = double.commits[REPO][-1]["README.md"].decode()
    assert set(double.commits[REPO][-1]) == {".gitattributes", "policy.onnx", "policy.json", "README.md"}
    assert "It was not evaluated" in card and "\\<img src=x\\>\\| # \\[a\\](b) |" in card


def test_the_results_of_a_run_go_with_its_policy_if_they_are_of_it(double: Double) -> None:
    own = load_policy(POLICIES / "a1_flat")
    own.save(Path("run/policy"))
    Path("run/panels").mkdir()
    text = (POLICIES / "a1_flat" / "evaluation.json").read_text()
    Path("run/panels/flat.json").write_text(text)
    Path("run/panels/disturb.json").write_text(text.replace(own.sha256, "0" * 64))
    Path("run/recipe.json").write_bytes((POLICIES / "a1_flat" / "recipe.json").read_bytes())
    main(["push", "run", REPO])
    assert "flat.json" in double.commits[REPO][-1] and "disturb.json" not in double.commits[REPO][-1]
    assert b"num\\_envs 512" in double.commits[REPO][-1]["README.md"]


def test_an_older_commit_can_be_had(double: Double) -> None:
    main(["push", "a1_flat", REPO])
    main(["push", "anymal_c_flat", REPO])
    main(["pull", REPO, "--revision", double.commit(REPO, 1), "--out", "old"])
    main(["pull", REPO, "--out", "new"])
    names = {folder: load_policy(Path(folder)).task.robot.name for folder in ("old", "new")}
    assert names == {"old": "a1", "new": "anymal_c"}


def test_results_of_an_older_policy_do_not_stay(double: Double) -> None:
    main(["push", "anymal_c_rough", REPO])
    double.commits[REPO][-1]["notes.txt"] = b"mine"
    main(["push", "a1_flat", REPO])
    kept = {".gitattributes", "notes.txt", "policy.onnx", "policy.json", "evaluation.json", "README.md"}
    assert set(double.commits[REPO][-1]) == kept
    main(["pull", REPO])


def test_results_of_the_policy_that_a_pull_replaces_do_not_stay(
    double: Double, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["push", "a1_flat", REPO])
    del double.commits[REPO][-1]["evaluation.json"]
    other = (POLICIES / "anymal_c_flat" / "evaluation.json").read_text()
    own = (POLICIES / "a1_flat" / "evaluation.json").read_text()
    Path("walks").mkdir()
    for name, text in (("evaluation.json", other), ("crossing.json", other), ("flat.json", own), ("notes.json", other)):
        (Path("walks") / name).write_text(text)
    said = refused(capsys, "pull", REPO)
    assert "walks holds evaluation.json and " in said and " and crossing.json" in said and "notes" not in said
    assert not (Path("walks") / "policy.json").exists()
    main(["pull", REPO, "--force"])
    kept = {"policy.onnx", "policy.json", "flat.json", "notes.json"}
    assert {path.name for path in Path("walks").iterdir()} == kept


def test_what_should_be_private_does_not_go_where_all_can_see_it(
    double: Double, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["push", "a1_flat", REPO])
    before = len(double.commits[REPO])
    said = refused(capsys, "push", "anymal_c_flat", REPO, "--private")
    assert f"{REPO} is there already, and public: choose another name" in said
    assert len(double.commits[REPO]) == before
    main(["push", "a1_flat", "somebody/hidden", "--private"])
    main(["push", "anymal_c_flat", "somebody/hidden", "--private"])
    assert len(double.commits["somebody/hidden"]) == 3 and double.private == {"somebody/hidden"}


def test_only_files_of_known_names_are_asked_for(double: Double, capsys: pytest.CaptureFixture[str]) -> None:
    main(["push", "a1_flat", REPO])
    evil = {
        "policy.py": b"boom",
        "../../escape.json": b"{}",
        "/etc/x.json": b"{}",
        "policy.pkl": b"boom",
        "a/policy.json": b"{}",
    }
    double.commits[REPO][-1].update(evil)
    double.asked.clear()
    main(["pull", REPO, "--out", "deep/here"])
    files = {path.rpartition("/")[2] for path in double.asked if "/resolve/" in path}
    assert files <= {"policy.onnx", "policy.json", *RESULTS} and not any(".." in path for path in double.asked)
    assert {path.name for path in Path("deep/here").iterdir()} == {"policy.onnx", "policy.json", "evaluation.json"}
    assert [path.name for path in Path().iterdir()] == ["deep"]
    assert "left there, as no policy has them" in " ".join(capsys.readouterr().out.split())


def test_what_is_not_what_it_says_is_refused(double: Double, capsys: pytest.CaptureFixture[str]) -> None:
    main(["push", "a1_flat", REPO])
    files = double.commits[REPO][-1]
    good = dict(files)

    def error() -> str:
        said = refused(capsys, "pull", REPO, "--out", "x")
        assert not Path("x").exists()
        files.clear()
        files.update(good)
        double.listed.clear()
        double.served.clear()
        double.sha = None
        return said

    double.served["policy.json"] = good["policy.json"] + b" "
    assert "policy.json is not what commit" in error()
    double.served["policy.onnx"] = good["policy.onnx"][:-1]
    assert "policy.onnx is not what commit" in error()
    double.listed["policy.onnx"] = {"size": mlp.LARGEST + 1}
    assert f"policy.onnx is larger than {mlp.LARGEST} bytes" in error()
    double.served["policy.onnx"] = bytes(mlp.LARGEST + 1)  # and the listing lies
    assert f"policy.onnx is larger than {mlp.LARGEST} bytes" in error()
    double.served["evaluation.json"] = bytes(documents.LARGEST + 1)
    assert "evaluation.json is larger than" in error()
    files["policy.onnx"] = b"other"
    assert "is not the network that policy.json describes" in error()
    files["policy.json"] = json.dumps({"format": "locoenvs.policy", "format_version": 3}).encode()
    assert f"{REPO}/policy.json: " in error()
    files["evaluation.json"] = (POLICIES / "cassie_flat" / "evaluation.json").read_bytes()
    assert "evaluation.json is of another policy" in error()
    files["evaluation.json"] = b"{"
    assert f"{REPO}/evaluation.json is not JSON" in error()
    double.sha = "../../x"
    assert "is no commit" in error()
    del files["policy.onnx"]
    assert f"{REPO} holds no policy: policy.onnx missing" in error()


def test_what_the_hub_refuses_is_one_line(double: Double, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"no repository {REPO} on the Hub for you" in refused(capsys, "pull", REPO)
    main(["push", "a1_flat", REPO])
    capsys.readouterr()
    assert "has no such revision" in refused(capsys, "pull", REPO, "--revision", "v9")
    for name in ("a1_flat", "../x/y", "a/../b", "a/b/c", "https://a/b", "a/b\n"):
        assert "it must be OWNER/NAME" in refused(capsys, "pull", name)
        assert "it must be OWNER/NAME" in refused(capsys, "push", "a1_flat", name)
    double.refuses = 403
    assert f"the Hub answers 403 for {REPO}: hf auth login" in refused(capsys, "push", "a1_flat", REPO)
    assert "the Hub answers 403" in refused(capsys, "pull", REPO)


def test_a_hub_that_is_not_there_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert f"the Hub cannot be reached for {REPO}" in refused(capsys, "pull", REPO)


def test_without_its_library_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for command in (["pull", REPO], ["push", "a1_flat", REPO]):
        assert "the Hub needs huggingface_hub: pip install" in refused(capsys, *command)
