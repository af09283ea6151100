"""A study trains what it must, prunes by validation, and goes on where it was, whenever it was stopped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from locoenvs.envs.registration import task
from locoenvs.training.run import Run
from locoenvs.training.study.loop import Here, carry_out
from locoenvs.training.study.state import State
from locoenvs.training.study.trial import Job, where
from studies import ENTROPIES, FLAT, Pretended, state_of


class Killed(BaseException):
    """What a process that is killed sees, as nearly as one can in it."""


def carried_out(folder: Path, train: Pretended, text: str = ENTROPIES) -> State:
    state = state_of(text, folder)
    carry_out(state, Here(train), lambda said: None)
    return state


def statuses(state: State) -> dict[str, str]:
    return {each.name: state.status(each) for each in state.configurations}


@pytest.fixture
def straight(tmp_path: Path) -> tuple[State, list[tuple[str, int, bool]]]:
    train = Pretended()
    return carried_out(tmp_path / "straight", train), train.asked


def test_the_best_of_each_rung_goes_on_and_the_rest_is_pruned(
    straight: tuple[State, list[tuple[str, int, bool]]],
) -> None:
    state, asked = straight
    assert statuses(state) == {
        "base": "finished",
        "trial-1": "finished",
        "trial-2": "pruned after 1 updates",
        "trial-3": "pruned after 1 updates",
        "trial-4": "pruned after 1 updates",
    }
    assert asked[:6] == [(f"base-seed-{seed}", updates, updates > 1) for updates in (1, 3, 9) for seed in (0, 1)]
    assert asked[-4:] == [(f"trial-1-seed-{seed}", updates, True) for updates in (3, 9) for seed in (0, 1)]
    assert len(asked) == 18, "each run to each rung once"
    best = state.best()
    assert best is not None and best.name == "trial-1"


def test_the_order_is_by_validation_and_not_by_the_reward(tmp_path: Path) -> None:
    train = Pretended(value=lambda changes, seed, update: -float(changes.get("ppo.entropy", 0.0)))
    best = carried_out(tmp_path / "study", train).best()
    assert best is not None and best.changes == {"ppo.entropy": 0.4}


SAMPLES = """
env_id = "Loco/AnymalC-Flat-v0"
recipe = "walk"
num_envs = 5
seeds = [0, 1]
samples = 90
validate_samples = 10
objective = "velocity_error"
panels = ["none"]
set = { "ppo.minibatches" = 1, "ppo.horizon" = 2 }
points = [{ "ppo.entropy" = 0.1 }, { "ppo.entropy" = 0.2 }]
"""


def test_all_train_for_as_many_samples(tmp_path: Path) -> None:
    text = SAMPLES.replace(', "ppo.horizon" = 2', "").replace('[{ "ppo.entropy" = 0.1 }', '[{ "ppo.horizon" = 6 }')
    said: list[str] = []
    train = Pretended()
    state = state_of(text.replace("validate_samples = 10\n", ""), tmp_path / "study")
    carry_out(state, Here(train), said.append)
    assert [each.samples_per_update for each in state.configurations] == [120, 30, 120]
    assert dict(each[:2] for each in train.asked) == {
        f"{name}-seed-{seed}": updates
        for name, updates in (("base", 1), ("trial-1", 3), ("trial-2", 1))
        for seed in (0, 1)
    }
    assert said[0] == "base-seed-0: to 90 of 90 samples"


UNTIL_BAR = SAMPLES + "until_bar = true\n"


def test_a_training_stops_by_the_bar(tmp_path: Path) -> None:
    state = carried_out(tmp_path / "study", Pretended(bar=0.1075), UNTIL_BAR)
    ends = {run: [(each.update, each.stopped_by_the_bar) for each in rungs] for run, rungs in state.reached.items()}
    assert ends == {
        "base-seed-0": [(9, False)],
        "base-seed-1": [(9, False)],
        "trial-1-seed-0": [(2, True)],
        "trial-1-seed-1": [(4, True)],
        "trial-2-seed-0": [(9, False)],
        "trial-2-seed-1": [(9, False)],
    }
    assert set(statuses(state).values()) == {"finished"}
    assert [each.name for each in sorted(state.configurations, key=lambda each: state.rank(each, 0))][-1] == "trial-1"
    again = carried_out(tmp_path / "study", train := Pretended(), UNTIL_BAR)
    assert again.reached == state.reached and not train.asked


def test_a_run_that_its_bar_stopped_is_not_trained_on_if_its_study_was_killed_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, train = tmp_path / "study", Pretended(bar=0.1075)

    def kill(self: State) -> None:
        if "trial-1-seed-0" in self.reached:
            raise Killed
        write(self)

    write = State.write
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(State, "write", kill)
        carried_out(folder, train, UNTIL_BAR)
    assert "trial-1-seed-0" not in json.loads((folder / "state.json").read_text())["reached"]
    before = Run(folder / "trial-1-seed-0").records()
    state = carried_out(folder, train, UNTIL_BAR)
    assert ("trial-1-seed-0", 2, True) in train.asked, "no further than it is"
    assert Run(folder / "trial-1-seed-0").records() == before
    assert state.reached == carried_out(tmp_path / "straight", Pretended(bar=0.1075), UNTIL_BAR).reached


def test_the_state_of_a_study_that_did_not_know_of_the_bar_is_read(tmp_path: Path) -> None:
    state = carried_out(tmp_path / "study", Pretended())
    file = state.folder / "state.json"
    document = json.loads(file.read_text())
    for rungs in document["reached"].values():
        assert all(each.pop("stopped_by_the_bar") is False for each in rungs)
    file.write_text(json.dumps(document))
    assert carried_out(tmp_path / "study", train := Pretended()).reached == state.reached and not train.asked


def test_where_a_run_is(straight: tuple[State, list[tuple[str, int, bool]]]) -> None:
    state, _ = straight
    found = where(Run(state.folder / "trial-1-seed-1"))
    assert (found.update, found.samples, found.seconds) == (9, 90, 54.0)
    assert found.reward == pytest.approx(0.9), "of the last tenth of the updates"
    assert found.metrics["velocity_error"] == pytest.approx(0.1 + 0.01 - 0.009)
    assert found == state.reached["trial-1-seed-1"][-1]


@pytest.mark.parametrize("at", [("base-seed-0", 1), ("base-seed-1", 5), ("trial-2-seed-0", 1), ("trial-1-seed-1", 7)])
def test_a_killed_study_goes_on_and_comes_to_the_same(
    at: tuple[str, int], straight: tuple[State, list[tuple[str, int, bool]]], tmp_path: Path
) -> None:
    def kill(run: str, update: int) -> None:
        if (run, update) == at:
            raise Killed

    folder = tmp_path / "killed"
    first, second = Pretended(kill), Pretended()
    with pytest.raises(Killed):
        carried_out(folder, first)
    state = carried_out(folder, second)
    assert state.reached == straight[0].reached
    assert [each[:2] for each in first.asked[:-1] + second.asked] == [each[:2] for each in straight[1]], (
        "what was done is not done again, and what was half done is gone on with"
    )
    lines = [line["update"] for line in Run(folder / "trial-1-seed-1").records() if line["kind"] == "update"]
    assert lines == list(range(1, 10)), "no update twice"
    third = Pretended()
    assert carried_out(folder, third).reached == state.reached and not third.asked


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_anew(tmp_path: Path) -> None:
    state = state_of(ENTROPIES, tmp_path / "study")
    Run.create(state.folder / "base-seed-0").write_recipe({"of": "nothing that can be gone on with"})
    train = Pretended()
    carry_out(state, Here(train), lambda said: None)
    assert train.asked[0] == ("base-seed-0", 1, False)


def test_a_configuration_that_fails_is_out_and_is_tried_again_later(tmp_path: Path) -> None:
    def fail(run: str, update: int) -> None:
        if run == "trial-1-seed-1":
            raise RuntimeError("out of memory")

    said: list[str] = []
    state = state_of(ENTROPIES, tmp_path / "study")
    carry_out(state, Here(Pretended(fail)), said.append)
    assert statuses(state)["trial-1"] == "failed" and statuses(state)["trial-2"] == "finished"
    assert state.failed == {"trial-1": "RuntimeError: out of memory"}
    assert "trial-1-seed-1 failed: RuntimeError: out of memory" in said
    assert json.loads((state.folder / "state.json").read_text())["failed"] == state.failed
    train = Pretended()
    again = carried_out(tmp_path / "study", train)
    assert not again.failed and train.asked[0] == ("trial-1-seed-1", 1, False)


def test_another_file_does_not_go_on_with_a_study(tmp_path: Path) -> None:
    carried_out(tmp_path / "study", Pretended())
    other = ENTROPIES.replace("seeds = [0, 1]", "seeds = [0, 2]").replace("after = 1", "after = 3")
    with pytest.raises(ValueError, match=r"seeds\.1 is 2, was 1; prune\.after is 3, was 1.*another --run"):
        state_of(other, tmp_path / "study")
    carried_out(tmp_path / "study", Pretended(), "# the same, told otherwise\n" + ENTROPIES)


def test_a_study_of_which_nothing_was_trained_begins_by_another_file(tmp_path: Path) -> None:
    state_of(ENTROPIES, tmp_path / "study")
    state = state_of(ENTROPIES.replace("seeds = [0, 1]", "seeds = [5]"), tmp_path / "study")
    assert state.study.seeds == (5,) and "seeds = [5]" in (tmp_path / "study" / "study.toml").read_text()


def test_a_task_that_changed_meanwhile_does_not_go_on_with_a_study(tmp_path: Path) -> None:
    own, file = task(FLAT, "walk", "pd"), tmp_path / "task.json"
    text = ENTROPIES.replace('recipe = "walk"\nactuator = "pd"', f'task = "{file}"')
    file.write_text(own.to_json())
    carried_out(tmp_path / "study", Pretended(), text)
    file.write_text(own.with_({"commands.resample_every": 3.0}).to_json())
    with pytest.raises(ValueError, match="base comes to another task or other settings than when the study began"):
        state_of(text, tmp_path / "study")


def test_several_at_a_time_leave_no_place_empty(tmp_path: Path) -> None:
    """Four places, of which the one that was filled first is done first."""

    class Four:
        def __init__(self) -> None:
            self.here, self.jobs, self.most = Here(Pretended()), list[Job](), 0

        def free(self) -> bool:
            return len(self.jobs) < 4

        def begin(self, job: Job) -> None:
            assert (job.configuration, job.seed) not in [(other.configuration, other.seed) for other in self.jobs]
            self.jobs.append(job)
            self.most = max(self.most, len(self.jobs))

        def wait(self):  # type: ignore[no-untyped-def]
            self.here.begin(self.jobs.pop(0))
            return self.here.wait()

    places, state = Four(), state_of(ENTROPIES, tmp_path / "study")
    carry_out(state, places, lambda said: None)
    assert places.most == 4
    best = state.best()
    assert best is not None and best.name == "trial-1"
    assert statuses(state)["base"] == "finished" and statuses(state)["trial-4"] == "pruned after 1 updates"


def test_a_learner_that_does_not_validate_is_told_apart(tmp_path: Path) -> None:
    def train(learner, settings, task):  # type: ignore[no-untyped-def]
        run = Run.create(Path(settings.run))
        run.write_recipe({})
        run.record("update", update=1, samples=1, elapsed_seconds=1.0, reward_per_second=0.0)
        return run.folder

    state = state_of(ENTROPIES, tmp_path / "study")
    carry_out(state, Here(train), lambda said: None)
    assert "not judged on validation streams" in state.failed["base"]
