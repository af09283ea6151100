"""What a study's file may say, and what is said of what it may not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from locoenvs.training.study.spec import Range, configurations, parsed, resolved
from studies import ENTROPIES, study_of

ENTROPY = {"ppo.entropy": [0.1]}


def test_a_grid_is_every_combination_and_the_base_comes_first() -> None:
    space = {"ppo.entropy": [0.1, 0.2], "rewards.terms.action_rate.weight": [-0.02, -0.03]}
    found = configurations(study_of(space=space))
    assert [each.name for each in found] == ["base", "trial-1", "trial-2", "trial-3", "trial-4"]
    assert found[0].changes == {} and found[3].changes == {
        "ppo.entropy": 0.2,
        "rewards.terms.action_rate.weight": -0.02,
    }
    assert found[3].run(7) == "trial-3-seed-7"


def test_a_point_that_is_the_base_is_trained_once() -> None:
    found = configurations(study_of(space={"ppo.entropy": [0.005, 0.1]}))  # the recipe's own is 0.005
    assert [each.name for each in found] == ["base", "trial-1"]
    assert found[0].values == {"ppo.entropy": 0.005} and found[1].values == {"ppo.entropy": 0.1}
    found = configurations(study_of(space={"ppo.entropy": [0.005, 0.1]}, base=False))
    assert [each.changes["ppo.entropy"] for each in found] == [0.005, 0.1]


def test_what_set_says_holds_for_the_base_too() -> None:
    study = study_of(space={"ppo.entropy": [0.1]}, set={"ppo.clip": 0.1, "commands.resample_every": 2.0}, num_envs=32)
    task, ppo = resolved(study.base_of(), {"ppo.entropy": 0.1})
    assert (ppo.clip, ppo.entropy, ppo.num_envs, task.commands.resample_every) == (0.1, 0.1, 32, 2.0)
    assert study.settings(3, changes={"ppo.entropy": 0.1}).changes == {
        "ppo.clip": 0.1,
        "commands.resample_every": 2.0,
        "ppo.entropy": 0.1,
    }


def test_points_are_trained_as_they_are_written() -> None:
    points = [{"ppo.entropy": 0.1, "ppo.clip": 0.1}, {"ppo.clip": 0.3}]
    assert [dict(each.changes) for each in configurations(study_of(space=None, points=points))][1:] == points


def test_points_are_drawn_within_their_ranges_and_by_the_seed() -> None:
    space = {
        "ppo.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
        "ppo.epochs": {"low": 2, "high": 4, "whole": True},
        "ppo.clip": [0.1, 0.2],
    }
    drawn = configurations(study_of(space=space, trials=40))[1:]
    rates = [each.changes["ppo.learning_rate"] for each in drawn]
    assert len(drawn) == 40 and all(1e-4 <= rate <= 1e-2 for rate in rates)
    assert 10 < sum(rate < 1e-3 for rate in rates) < 30, "half of them below the middle of the logarithm"
    assert {each.changes["ppo.epochs"] for each in drawn} == {2, 3, 4}
    assert {each.changes["ppo.clip"] for each in drawn} == {0.1, 0.2}
    assert configurations(study_of(space=space, trials=40))[1:] == drawn
    assert configurations(study_of(space=space, trials=40, draw_seed=1))[1:] != drawn


def test_rungs_grow_by_the_factor_up_to_the_budget() -> None:
    assert study_of(prune={"after": 2, "factor": 3}, updates=50).rungs == (2, 6, 18, 50)
    assert study_of(prune={"after": 2, "factor": 3}, updates=18).rungs == (2, 6, 18)
    assert study_of(prune=None).rungs == (9,)
    study = study_of(prune={"after": 0.5, "factor": 2}, updates=None, minutes=2)
    assert study.rungs == (0.5, 1.0, 2.0) and study.settings(0, 1).minutes == 1.0
    assert study.settings(0).validate_minutes == 0.5
    assert study_of().settings(0, 1).updates == 3 and study_of().settings(0, 1).validate_every == 1


SAMPLES: dict[str, Any] = {"updates": None, "samples": 6_144_000, "validate_samples": 1_228_800, "prune": None}


def test_a_budget_in_samples_is_as_many_updates_of_each_configuration_as_come_nearest() -> None:
    points = [{"ppo.num_envs": 2048}, {"ppo.horizon": 1000}, {"ppo.num_envs": 2**20}]
    study = study_of(**SAMPLES | {"space": None, "points": points})
    found = configurations(study)
    assert [each.samples_per_update for each in found] == [512 * 24, 2048 * 24, 512 * 1000, 2**20 * 24]
    asked = [study.settings(0, -1, each.changes, each.samples_per_update) for each in found]
    assert [each.updates for each in asked] == [500, 125, 12, 1]
    assert [each.validate_every for each in asked] == [100, 25, 2, 1]
    assert all(each.minutes is None and each.validate_minutes is None for each in asked)
    assert (study.unit, study.budget, study.pace) == ("samples", 6_144_000, 1_228_800)
    in_all = study_of(**SAMPLES | {"num_envs": 256, "set": {"ppo.horizon": 48}})
    assert {each.samples_per_update for each in configurations(in_all)} == {256 * 48}


def test_rungs_and_the_first_validation_are_in_samples_too() -> None:
    study = study_of(**SAMPLES | {"prune": {"after": 1_000_000, "factor": 2}, "validate_samples": None})
    assert study.rungs == (1e6, 2e6, 4e6, 6_144_000) and study.pace == 1e6
    settings = [study.settings(0, rung, samples_per_update=49_152) for rung in range(4)]
    assert [each.updates for each in settings] == [20, 41, 81, 125]
    assert {each.validate_every for each in settings} == {20}


def test_trainings_may_stop_by_the_bar() -> None:
    assert study_of(**SAMPLES, until_bar=True).settings(0, samples_per_update=12_288).until_bar
    assert not study_of(**SAMPLES).settings(0, samples_per_update=12_288).until_bar


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"space": {"ppo.entrpy": [0.1]}}, "did you mean 'entropy'"),
        ({"space": {"rewards.terms.action_rat.weight": [0.1]}}, "did you mean 'action_rate'"),
        ({"space": {"ppo.entropy": []}}, "space.ppo.entropy: is empty"),
        ({"space": {}}, "space, points: give one of them"),
        ({"points": [{"ppo.clip": 0.1}]}, "space, points: give one of them"),
        ({"space": None, "points": [{}]}, "base is that one"),
        ({"space": {"ppo.entropy": ["much"]}}, "entropy"),
        ({"space": {"ppo.epochs": [0]}}, "must be a whole number of at least 1"),
        ({"space": {"ppo.entropy": {"low": 0.1, "high": 0.2}}}, "say by trials how many"),
        ({"space": {"ppo.entropy": {"low": 0.2, "high": 0.1}}, "trials": 3}, "must be less than high"),
        ({"space": {"ppo.entropy": {"low": 0, "high": 0.1, "log": True}}, "trials": 3}, "begins above 0"),
        ({"space": {"ppo.epochs": {"low": 2.4, "high": 2.6, "whole": True}}, "trials": 3}, "no whole number is between"),
        ({"space": {"ppo.epochs": {"low": 2, "high": 1e30, "whole": True}}, "trials": 3}, "are drawn from within"),
        ({"space": {"ppo.entropy": [0.005]}}, "nothing in them differs from the base"),
        ({"space": {"ppo.updates": [5]}}, "updates, minutes or samples"),
        ({"space": {"ppo.num_envs": [5]}, "num_envs": 5}, "num_envs says it for all"),
        ({"space": ENTROPY, "set": {"ppo.entropy": 0.2}}, "set fixes it for all"),
        ({"seeds": []}, "seeds"),
        ({"seeds": [1, 1]}, "each of them once"),
        ({"seeds": [-1]}, "seeds.0"),
        ({"updates": None}, "updates, minutes, samples: give one of them"),
        ({"minutes": 3}, "updates, minutes, samples: give one of them"),
        ({"samples": 3}, "updates, minutes, samples: give one of them"),
        (SAMPLES | {"samples": 0}, "samples: Input should be greater than or equal to 1"),
        (SAMPLES | {"samples": 1.5}, "samples: Input should be a valid integer"),
        (SAMPLES | {"samples": 10**15}, "updates=81380208333: must be a whole number from 1"),
        (SAMPLES | {"validate_samples": 0}, "validate_samples=0: must be more than 0 and at most 6,144,000"),
        (SAMPLES | {"validate_samples": 7_000_000}, "validate_samples=7,000,000: must be more than 0 and at most 6,144,000"),
        (SAMPLES | {"prune": {"after": 1000.5}}, "prune.after=1000.5: must be a whole number of samples"),
        (SAMPLES | {"prune": {"after": 6_144_000}}, "prune.after=6,144,000: must be less than samples=6,144,000"),
        (SAMPLES | {"validate_every": 50}, "validate_every: is for a budget in updates, this one is in samples"),
        ({"validate_samples": 50}, "validate_samples: is for a budget in samples, this one is in updates"),
        ({"updates": None, "minutes": 9, "validate_samples": 50}, "this one is in minutes"),
        ({"until_bar": True, "validate_every": 1}, "until_bar, prune: give one of them"),
        (SAMPLES | {"until_bar": True, "validate_samples": None}, "until_bar: say how often to look by validate_samples"),
        ({"until_bar": True, "prune": None}, "until_bar: say how often to look by validate_every"),
        (SAMPLES | {"until_bar": True, "env_id": "Loco/AnymalC-Rough-v0"}, "until_bar: the bar is one of flat ground"),
        ({"updates": 0, "prune": None}, "must be a whole number from 1"),
        ({"updates": None, "minutes": -1, "prune": None}, "positive number of minutes"),
        ({"objective": "reward"}, "unknown objective 'reward'"),
        ({"objective": "fal_rate"}, "did you mean 'fall_rate'"),
        ({"prune": {"after": 9}}, "must be less than updates=9"),
        ({"prune": {"after": 1.5}}, "whole number of updates"),
        ({"prune": {"after": 1, "factor": 1}}, "prune.factor"),
        ({"validate_every": 2}, "the first look is after 1 updates"),
        ({"validate_every": 0}, "must be more than 0"),
        ({"updats": 3}, "did you mean 'updates'"),
        ({"learner": 3}, "learner"),
        ({"env_id": "Loco/AnymalD-Flat-v0"}, "Loco/AnymalC-Flat-v0"),
        ({"recipe": "wlak"}, "did you mean 'walk'"),
        ({"recipe": "walk", "task": "task.json"}, "leave recipe and actuator out"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("[", r"\[")):
        configurations(study_of(**fields))


@pytest.mark.parametrize("text", ["env_id =", "\xff", "env_id = 1979-05-27", ENTROPIES + "x = nan"])
def test_what_is_no_study_is_called_that(text: str) -> None:
    with pytest.raises(ValueError, match="my.toml"):
        parsed(text.encode("latin-1"), "my.toml")


def test_a_range_by_its_logarithm_draws_whole_numbers_too() -> None:
    random = np.random.default_rng(0)
    drawn = [Range(1, 100, log=True, whole=True).draw(random) for _ in range(200)]
    assert all(isinstance(each, int) and 1 <= each <= 100 for each in drawn)
    drawn = [Range(8, 10, log=True, whole=True).draw(random) for _ in range(3000)]
    shares = [drawn.count(each) / len(drawn) for each in (8, 9, 10)]
    expected = np.diff(np.log([8, 9, 10, 11])) / np.log(11 / 8)
    np.testing.assert_allclose(shares, expected, atol=0.04)


@pytest.mark.parametrize(
    "asked",
    [
        Range(0.123456, 0.123459),
        Range(0.123441, 0.123444, log=True),
        Range(1.4, 3.6, whole=True),
        Range(1.4, 3.6, log=True, whole=True),
        Range(0.2, 1.4, log=True, whole=True),
    ],
)
def test_what_is_drawn_is_in_the_range(asked: Range) -> None:
    random = np.random.default_rng(0)
    assert all(asked.low <= asked.draw(random) <= asked.high for _ in range(200))
