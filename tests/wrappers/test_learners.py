"""Every learner, by the same code: it trains, resumes bit by bit, and leaves a policy that is its own network."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("google.protobuf")
pytest.importorskip("onnxruntime")

import torch

from locoenvs import install
from locoenvs.cli import app as cli
from locoenvs.envs.registration import task
from locoenvs.mdp.symmetry import mirror
from locoenvs.policies.policy import load_policy
from locoenvs.tasks.task import Task
from locoenvs.training import learners
from locoenvs.training.run import Run
from locoenvs.wrappers import training
from locoenvs.wrappers.ppo import PPOConfig
from locoenvs.wrappers.recipe import ppo_of
from runs import MEASURED, same

FLAT = "Loco/AnymalC-Flat-v0"
LIBRARIES = {
    "rsl_rl": "rsl_rl",
    "skrl": "skrl",
    "skrl_jax": "skrl.models.jax",
    "sb3": "stable_baselines3",
    "rl_games": "rl_games",
    "brax": "brax",
}


@pytest.fixture(
    scope="module", params=[pytest.param(name, marks=pytest.mark.xdist_group(f"learner-{name}")) for name in LIBRARIES]
)
def learner(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(LIBRARIES[request.param].split(".")[0])
    if request.param == "skrl_jax":
        pytest.importorskip("flax")
    return request.param


def user_code(learner: str, updates: int, folder: Path) -> Run:
    """Twenty lines of a user, in which nothing but the learner's name changes."""
    robots = task(FLAT, recipe="walk")
    settings = PPOConfig(
        num_envs=8,
        horizon=8,
        epochs=2,
        minibatches=2,
        hidden=(16, 8),
        mirror=True,
        privileged=True,
        updates=updates,
    )
    run = Run(learners.train(FLAT, learner, robots, settings, run=str(folder), seed=3))
    policy = load_policy(run.policy)
    env = gymnasium.make(FLAT, num_envs=4, options={"threads": 1})
    observation, _ = env.reset(seed=0)
    for _ in range(3):
        observation, reward, *_ = env.step(policy(observation))
    assert np.isfinite(reward).all() and policy.provenance["updates"] == updates
    env.close()
    return run


@pytest.fixture(scope="module")
def run(learner: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of two updates."""
    return user_code(learner, 2, tmp_path_factory.mktemp(learner) / "run")


def updates(run: Run) -> list[dict[str, Any]]:
    return [line for line in run.records() if line["kind"] == "update"]


def test_the_ledger_says_the_same_of_every_learner(run: Run, learner: str) -> None:
    first, second = updates(run)
    assert first["samples"] == 64 and second["samples"] == 128
    assert set(first["seconds"]) == {"environment", "inference", "learning"}
    assert all(seconds > 0 for seconds in first["seconds"].values()), first["seconds"]
    assert first["elapsed_seconds"] == pytest.approx(sum(first["seconds"].values()), abs=0.02)
    assert set(first["resets"]) == {"time_limit", "base_contact", "broken_physics", "map_edge"}
    total = sum(first["terms_per_second"].values())
    assert first["reward_per_second"] >= total - 1e-6 and "linear_velocity_tracking" in first["terms_per_second"]
    losses = first["losses"]
    assert {"value", "surrogate", "entropy"} <= set(losses) and np.isfinite(list(losses.values())).all()
    assert losses["value"] > 0
    one_joint = np.log(first["action_std"] * np.sqrt(2 * np.pi * np.e))  # the entropy of a Gaussian
    assert losses["entropy"] == pytest.approx(12 * one_joint, rel=0.05)
    assert first["action_std"] == pytest.approx(1.0, abs=0.1) and 1e-5 <= first["learning_rate"] <= 1e-2
    assert first["reward_per_second"] != second["reward_per_second"]
    for line in (first, second):
        lag, advantage = line["policy_lag"], line["advantage"]
        assert set(lag) == {"kl", "clip_fraction", "last_epoch_clip_fraction", "gradient_steps"}
        assert lag["gradient_steps"] == 4 and lag["kl"] > 0 and 0 <= lag["clip_fraction"] <= 1
        assert advantage["minimum"] < advantage["mean"] < advantage["maximum"] and advantage["deviation"] > 0
        assert np.isfinite([*lag.values(), *advantage.values()]).all() and line["explained_variance"] < 1
    assert run.recipe()["learner"] == learner == load_policy(run.policy).provenance["learner"]
    assert list((run.folder / "tensorboard").glob("events.*"))
    json.dumps(run.recipe())


def test_a_resumed_run_is_the_same_run_bit_by_bit(run: Run, learner: str, tmp_path: Path) -> None:
    half = user_code(learner, 1, tmp_path / "half")
    cli.main(["train", "--resume", str(half.folder), "--updates", "2", "--panels", "none"])
    ours, theirs = (torch.load(one.checkpoint, weights_only=True) for one in (run, half))
    for name in ("learner", "robot", "observations", "task_hash", "update", "algorithm", "rng", "env"):
        assert same(ours[name], theirs[name]), name
    steady = [[{k: v for k, v in line.items() if k not in MEASURED} for line in updates(one)] for one in (run, half)]
    assert steady[0] == steady[1]
    assert (run.policy / "policy.onnx").read_bytes() == (half.policy / "policy.onnx").read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"env_id": "Loco/A1-Flat-v0"}, f"environment 'Loco/A1-Flat-v0': the run to resume has '{FLAT}'"),
        (
            {"task": task(FLAT, recipe="paper")},
            r"task 'robot anymal_c on task \w+': the run to resume has 'robot anymal_c on",
        ),
        ({"task": task("Loco/A1-Flat-v0", recipe="walk")}, "task 'robot a1 on task .* has 'robot anymal_c on task"),
        ({"ppo": PPOConfig(num_envs=8, horizon=8, clip=0.3)}, "ppo.epochs 5: the run to resume has 2"),
        ({"seed": 0}, "seed=0: the run to resume has 3"),
        ({"run": "elsewhere"}, "run 'elsewhere' is for a new run, but .* is resumed: leave one out"),
    ],
)
def test_a_run_is_not_resumed_for_something_else(run: Run, change: dict[str, Any], message: str) -> None:
    before = run.ledger.read_bytes()
    with pytest.raises(ValueError, match=message):
        learners.train(**{"env_id": FLAT, "resume": str(run.folder), "updates": 3, **change})
    assert run.ledger.read_bytes() == before


def test_a_run_starts_from_the_policy_of_another(
    run: Run, learner: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training.Training, "learn", lambda self, *_: self.export())  # what it begins with
    given = PPOConfig(num_envs=8, horizon=8, minibatches=2, mirror=True)
    settings = {"run": str(tmp_path / "started"), "start_from": str(run.policy), "updates": 1}
    started = Run(learners.train(FLAT, learner, task(FLAT, recipe="walk"), given, **settings))
    for (weight, bias), (own, offset) in zip(load_policy(run.policy).layers(), load_policy(started.policy).layers()):
        np.testing.assert_allclose(own, weight, atol=1e-6)
        np.testing.assert_allclose(offset, bias, atol=1e-6)


def rsl_rl_means(learner: Any, observation: torch.Tensor) -> Any:
    from tensordict import TensorDict

    return learner.algorithm.get_policy()(TensorDict({"policy": observation}, batch_size=[len(observation)]))


def skrl_means(learner: Any, observation: torch.Tensor) -> Any:
    return learner.agent.act(observation, observation, timestep=0, timesteps=1)[1]["mean_actions"]


def skrl_jax_means(learner: Any, observation: torch.Tensor) -> Any:
    values = importlib.import_module("jax.numpy").asarray(observation.numpy())
    return learner.agent.act(values, values, timestep=0, timesteps=1)[1]["mean_actions"]


def sb3_means(learner: Any, observation: torch.Tensor) -> Any:
    groups = {"policy": observation.numpy(), "critic": observation.numpy()}
    return learner.model.predict(groups, deterministic=True)[0]


def rl_games_means(learner: Any, observation: torch.Tensor) -> Any:
    return learner.agent.get_action_values({"obs": observation, "states": observation})["mus"]


def brax_means(learner: Any, observation: torch.Tensor) -> Any:
    from brax.training.agents.ppo.networks import make_inference_fn

    act = make_inference_fn(learner.networks)((None, learner.parameters.policy), deterministic=True)
    return act({"state": importlib.import_module("jax.numpy").asarray(observation.numpy())}, learner.key)[0]


MEANS: dict[str, Callable[[Any, torch.Tensor], Any]] = {
    "rsl_rl": rsl_rl_means,
    "skrl": skrl_means,
    "skrl_jax": skrl_jax_means,
    "sb3": sb3_means,
    "rl_games": rl_games_means,
    "brax": brax_means,
}
KINDS = {
    "rsl_rl": ("rsl_rl.learner", "RslRlLearner"),
    "skrl": ("skrl.learner", "SkrlLearner"),
    "skrl_jax": ("skrl.with_jax", "SkrlJaxLearner"),
    "sb3": ("sb3.learner", "Sb3Learner"),
    "rl_games": ("rl_games.learner", "RlGamesLearner"),
    "brax": ("brax.learner", "BraxLearner"),
}


def test_the_exported_policy_is_the_learners_own_network_and_symmetric(run: Run, learner: str) -> None:
    module, name = KINDS[learner]
    recipe = run.recipe()
    own: Task = Task.from_json(json.dumps(recipe["task"]))
    kind = getattr(importlib.import_module(f"locoenvs.wrappers.{module}"), name)
    trained = training.Training(kind, run, own, ppo_of(recipe["ppo"]), recipe, resume=True).learner
    observation = torch.randn(16, 48, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = np.asarray(MEANS[learner](trained, observation))
    policy = load_policy(run.policy)
    assert expected.std() > 0.01
    np.testing.assert_allclose(policy(observation.numpy()), expected, rtol=0, atol=2e-5)
    image = mirror(own)
    seen = image.observation_sign * observation.numpy()[:, image.observation_index]
    np.testing.assert_allclose(policy(seen), image.action_sign * expected[:, image.action_index], rtol=0, atol=2e-5)


@pytest.mark.parametrize("name", list(LIBRARIES))
def test_a_missing_library_is_named_with_the_line_to_install_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    library = LIBRARIES[name].split(".")[0]

    def load() -> None:
        raise ModuleNotFoundError(f"No module named {library!r}", name=library)

    monkeypatch.setattr(learners, "installed", lambda: {name: load})
    extra = name.replace("_", "-")
    with pytest.raises(ImportError, match=re.escape(f"learner {name!r} needs {library}: {install.line(extra)}")):
        learners.train(FLAT, name)


def test_what_a_learner_lacks_is_known_without_importing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(package: str) -> str:
        if package == "rl-games":
            raise importlib.metadata.PackageNotFoundError(package)
        return "1"

    monkeypatch.setattr(learners, "version", version)
    assert learners.missing("rl_games") == "rl-games"
    assert [learners.missing(name) for name in LIBRARIES if name != "rl_games"] == [None] * 5
    assert learners.missing("somebody_elses") is None


def test_a_learner_of_another_package_is_for_that_package_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def load() -> None:
        raise ModuleNotFoundError("No module named 'theirs'", name="theirs")

    monkeypatch.setattr(learners, "installed", lambda: {"random_search": load})
    with pytest.raises(ImportError, match="^learner 'random_search' needs theirs: see the package that provides"):
        learners.train(FLAT, "random_search")


def test_anything_of_an_extra_that_is_missing_is_told_before_a_run_begins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(learners, "missing", lambda name: "tensorboard")
    with pytest.raises(ImportError, match=re.escape(f"learner 'sb3' needs tensorboard: {install.line('sb3')}")):
        learners.train(FLAT, "sb3", updates=1, run=str(tmp_path / "run"))
    assert not list(tmp_path.iterdir())


def test_every_learner_is_an_entry_point_and_an_extra_of_its_name() -> None:
    import tomllib

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert set(project["entry-points"][learners.GROUP]) == set(LIBRARIES)
    assert {name.replace("_", "-") for name in LIBRARIES} <= set(project["optional-dependencies"])
