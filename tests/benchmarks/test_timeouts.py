"""With and without the value at time-outs: the same training but for that, told in curves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rsl_rl")
pytest.importorskip("google.protobuf")
pytest.importorskip("matplotlib")

import torch
from tensordict import TensorDict

from circle import PHASES, ROBOTS, SMALL, Circle
from locoenvs.benchmarks import timeouts
from locoenvs.training.run import Run


def recorded(name: str) -> torch.Tensor:
    """The rewards that the learner stores of a step in which robot 0 runs out of time and robot 1 fails; all are given 1."""
    learner = timeouts.LEARNERS[name](Circle("torch"), SMALL, None, 0)
    algorithm = learner.algorithm
    observation = learner.env.get_observations()
    done = torch.zeros(ROBOTS, dtype=torch.long)
    done[:2] = 1
    final = TensorDict({"policy": torch.eye(PHASES)[torch.zeros(ROBOTS, dtype=torch.long)]}, batch_size=[ROBOTS])
    extras = {"time_outs": torch.arange(ROBOTS) == 0, "final_observations": final}
    with torch.inference_mode():
        algorithm.act(observation)
        algorithm.process_env_step(observation, torch.ones(ROBOTS), done, extras)
    assert bool(extras["time_outs"][0])  # the caller's are as they were
    return algorithm.storage.rewards[0, :, 0]


def test_only_the_value_at_time_outs_is_left_out() -> None:
    assert recorded("without").tolist() == [1.0] * ROBOTS
    others = recorded("with").tolist()
    assert others[0] != 1.0 and others[1:] == [1.0] * (ROBOTS - 1)


def test_a_training_goes_on_to_the_updates_that_are_asked_for(tmp_path: Path) -> None:
    first = timeouts.run("without", 0, 4, 1, tmp_path)
    both = timeouts.run("without", 0, 4, 2, tmp_path)
    assert both["samples"] == [96, 192] and both["value_loss"][:1] == first["value_loss"]


def test_it_trains_each_seed_both_ways_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {"robots": 4, "updates": 2, "folder": tmp_path / "runs", "out": tmp_path / "timeouts.json"}
    timeouts.timeouts((0,), plots=tmp_path / "timeouts.png", **asked)
    monkeypatch.setattr(timeouts.training, "train", lambda *_: pytest.fail("it was done already"))
    timeouts.timeouts((0,), **asked)
    with pytest.raises(ValueError, match="robots=8: .*with-0 has 4. Choose another --folder, or remove that one"):
        timeouts.timeouts((0,), **asked | {"robots": 8})
    result = json.loads((tmp_path / "timeouts.json").read_text())
    assert list(result["results"]) == ["with", "without"]
    for name, by_seed in result["results"].items():
        assert by_seed["0"]["samples"] == [96, 192] and len(by_seed["0"]["value_loss"]) == 2, name
    assert Run(tmp_path / "runs" / "without-0").recipe()["learner"] == "rsl_rl without bootstrap"
    assert (tmp_path / "timeouts.png").stat().st_size > 10_000
