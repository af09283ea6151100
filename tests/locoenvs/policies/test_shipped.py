"""The policies that come with the package: each fits its task, walks, and is what its evaluation says it is."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

import locoenvs
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.evidence.audit import meets_bar
from locoenvs.evidence.panel import load_panel, panel_of
from locoenvs.evidence.result import Result
from locoenvs.policies.policy import load_policy

FOLDERS = sorted((Path(locoenvs.__file__).parent / "policies" / "shipped").glob("*_*"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_its_evaluation_is_of_this_policy_on_the_panel_of_today(folder: Path) -> None:
    result = Result.from_json((folder / "evaluation.json").read_text())
    assert result.policy_sha256 == load_policy(folder).sha256
    assert result.panel_hash == panel_of(load_policy(folder).task).hash


@pytest.mark.parametrize(
    "folder", [folder for folder in FOLDERS if "_rough" in folder.name], ids=lambda folder: folder.name
)
def test_the_page_of_results_says_of_a_rough_policy_what_its_evaluations_do(folder: Path) -> None:
    policy, page = load_policy(folder), (Path(__file__).parents[3] / "docs/results.md").read_text()
    result, crossing = (Result.from_json((folder / f"{name}.json").read_text()) for name in ("evaluation", "crossing"))
    assert crossing.policy_sha256 == policy.sha256 and crossing.panel_hash == panel_of(policy.task, "crossing").hash
    for rate, words in (("success_rate", "leave their tile, %"), ("fall_rate", "fall within 20 s, %")):
        cells = [f"{100 * group[rate].value:.1f}".removesuffix(".0") for group in result.strata["terrain"].values()]
        assert f"| {words} | {' | '.join(cells)} |" in page
    levels = crossing.strata["terrain_and_level"]
    for words, level in (("0.10 m are crossed by {} upwards and {} downwards", 3), ("0.15 m by {} and {}", 6)):
        rates = [f"{100 * levels[f'stairs_{way} {level}']['success_rate'].value:.0f} %" for way in ("up", "down")]
        assert words.format(*rates) in page


@pytest.mark.parametrize(
    "folder", [folder for folder in FOLDERS if "_flat" in folder.name], ids=lambda folder: folder.name
)
def test_the_page_of_results_says_of_it_what_its_evaluation_does(folder: Path) -> None:
    metrics = Result.from_json((folder / "evaluation.json").read_text()).metrics
    falls, errors = metrics["fall_rate"], [metrics[name] for name in ("velocity_error", "yaw_rate_error")]
    cells = [f"{falls.value:.1%} ({falls.low:.1%} to {falls.high:.1%})".replace("%", "")]
    cells += [f"{each.value:.3f} ({each.low:.3f} to {each.high:.3f})" for each in errors]
    page = (Path(__file__).parents[3] / "docs/results.md").read_text()
    assert any(
        line.startswith(f"| `{folder.name}` |") and all(cell in line for cell in cells) for line in page.splitlines()
    )


WALKS = sorted((Path(__file__).parents[3] / "benchmarks" / "results").glob("walk-seed-*"))


@pytest.mark.parametrize("folder", WALKS, ids=lambda folder: folder.name)
def test_the_readme_says_of_a_walk_what_its_evaluation_and_ledger_do(folder: Path) -> None:
    result = Result.from_json((folder / "evaluation.json").read_text())
    recipe = json.loads((folder / "recipe.json").read_text())
    lines = [json.loads(line) for line in (folder / "ledger.jsonl").read_text().splitlines()]
    assert recipe["seed"] == int(folder.name[-1]) and result.panel_hash == load_panel("flat").hash
    assert recipe["options"] == result.options == {"contact": "triangles", "cone": "elliptic"}
    judged = [line for line in lines if line["kind"] == "validation"]
    assert judged[-1]["met"] == 2 and meets_bar(result)
    falls, errors = result.metrics["fall_rate"], [result.metrics[n] for n in ("velocity_error", "yaw_rate_error")]
    cells = [str(recipe["seed"]), str(judged[-1]["update"]), f"{judged[-1]['elapsed_seconds'] / 60:.1f}"]
    cells += [f"{falls.value:.1%} ({falls.low:.1%} to {falls.high:.1%})".replace("%", "")]
    cells += [f"{each.value:.3f} ({each.low:.3f} to {each.high:.3f})" for each in errors]
    assert f"| {' | '.join(cells)} |" in (Path(__file__).parents[3] / "README.md").read_text()


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_its_ledger_is_of_the_run_that_made_it(folder: Path) -> None:
    policy = load_policy(folder)
    recipe = json.loads((folder / "recipe.json").read_text())
    updates = [json.loads(line) for line in (folder / "ledger.jsonl").read_text().splitlines()]
    last = [line for line in updates if line["kind"] == "update"][-1]
    assert recipe["task_hash"] == policy.provenance["task_hash"] == policy.document["task_hash"]
    assert (recipe["seed"], last["samples"]) == (policy.provenance["seed"], policy.provenance["samples"])


RESULTS = Path(__file__).parents[3] / "benchmarks/results"

STAGES, OF_A1 = RESULTS / "rough-lstm", RESULTS / "rough-a1"

FLAT = ("anymal_c_flat",)

OF_ROUGH = (*FLAT, "anymal_c_rough", STAGES / "1", STAGES / "2")

ON_FLAT = ("anymal_b_flat", "anymal_c_arm_flat", "anymal_c_flat_lstm", "anymal_c_rough")

BEGAN_FROM = dict.fromkeys(ON_FLAT, FLAT) | {
    "anymal_c_rough_lstm": OF_ROUGH,
    "anymal_b_rough": (*OF_ROUGH, ("anymal_c_rough_lstm", 751)),
    "anymal_c_arm_rough": (*OF_ROUGH, ("anymal_c_rough_lstm", 751)),
    "a1_rough": ("a1_flat", (OF_A1 / "1", 2400), OF_A1 / "2", OF_A1 / "3"),
    "cassie_rough": ("cassie_flat",),
}
"""Whose policies a policy began from, each with the update where it was not the last."""


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_it_tells_the_samples_and_the_time_of_what_it_began_from(folder: Path) -> None:
    def last(of: Path, update: int | None = None) -> dict[str, float]:
        lines = [json.loads(line) for line in (of / "ledger.jsonl").read_text().splitlines()]
        return [line for line in lines if line["kind"] == "update" and update in (None, line["update"])][-1]

    own, began = load_policy(folder).provenance, BEGAN_FROM.get(folder.name, ())
    start = json.loads((folder / "recipe.json").read_text())["start_from"]
    assert (start is not None) == bool(began)
    earlier = [
        last(folder.parent / of, *at) for of, *at in (each if isinstance(each, tuple) else (each,) for each in began)
    ]
    for told, name in (("samples", "samples"), ("training_seconds", "elapsed_seconds")):
        assert own[told] == last(folder)[name]
        assert own.get(f"{told}_before", 0) == pytest.approx(sum(line[name] for line in earlier))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_it_walks_where_it_is_told_to(folder: Path) -> None:
    policy = load_policy(folder)
    commands = dataclasses.replace(
        policy.task.commands, forward=(0.8, 0.8), sideways=(0, 0), mode="yaw_rate", yaw_rate=(0, 0)
    )
    env = LocoVectorEnv(dataclasses.replace(policy.task, commands=commands), 16, stagger=False, split="test")
    observation, _ = env.reset(seed=0)
    for _ in range(150):
        observation, _, terminated, _, _ = env.step(policy(observation))
    speed = env.state.episodes.readout.base_linear_velocity[:, 0]
    assert np.median(np.abs(speed - 0.8)) < 0.2 and not terminated.any()
    assert env.state.episodes.number.sum() <= 1
