"""What gymnasium.make and gymnasium.make_vec build."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import TimeLimit

import locoenvs
from locoenvs.envs import registration
from locoenvs.envs.registration import IDS, OPTIONS, make, task
from locoenvs.envs.single import LocoEnv
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.tasks.task import Task

FLAT = "Loco/AnymalC-Flat-v0"


@pytest.mark.parametrize("env_id", IDS)
def test_every_id_is_registered_bare(env_id: str) -> None:
    spec = gymnasium.spec(env_id)
    assert (spec.max_episode_steps, spec.order_enforce, spec.disable_env_checker) == (None, False, True)
    assert spec.kwargs == {"env_id": env_id} and not spec.additional_wrappers
    assert task(env_id).robot.name and (task(env_id).terrain.kind == "plane") == ("Flat" in env_id)


def test_registering_again_changes_nothing() -> None:
    before = dict(gymnasium.registry)
    locoenvs.register()
    assert gymnasium.registry == before


@pytest.fixture
def mine() -> Iterator[str]:
    """An id that is forgotten again."""
    yield "Mine/AnymalC-Taken-v0"
    registration._OWN.pop("Mine/AnymalC-Taken-v0", None)
    gymnasium.registry.pop("Mine/AnymalC-Taken-v0", None)


def register_as(module: str, env_id: str, given: Task) -> None:
    """Register an id as code of that module does."""
    exec(
        "locoenvs.register(env_id, given)", {"__name__": module, "locoenvs": locoenvs, "env_id": env_id, "given": given}
    )


def test_an_id_is_of_the_module_that_registered_it(mine: str) -> None:
    """Which may give it another task, as a cell of a notebook that is run again; another module may not."""
    first, second = task(FLAT), task(FLAT, "walk")
    register_as("theirs", mine, first)
    register_as("theirs", mine, second)
    assert task(mine) == second
    with pytest.raises(ValueError, match=f"{mine} of 'others' is taken by 'theirs': choose another id"):
        register_as("others", mine, first)
    assert task(mine) == second


def test_an_id_of_another_package_of_gymnasiums_is_not_replaced(mine: str) -> None:
    gymnasium.register(mine, entry_point="theirs:Env")
    with pytest.raises(ValueError, match=f"{mine} of '.*' is taken by 'theirs:Env, in Gymnasium'"):
        locoenvs.register(mine, task(FLAT))
    assert gymnasium.registry[mine].entry_point == "theirs:Env" and mine not in registration.ids()


def test_num_envs_makes_the_batch_itself() -> None:
    made = gymnasium.make(FLAT, num_envs=2), gymnasium.make_vec(FLAT, num_envs=2), gymnasium.make_vec(FLAT)
    explicit = gymnasium.make_vec(FLAT, num_envs=2, vectorization_mode="vector_entry_point")
    for env in (*made, explicit):
        assert type(env) is LocoVectorEnv and env.unwrapped is env
        assert env.spec is not None and env.spec.id == FLAT
    assert [env.num_envs for env in (*made, explicit)] == [2, 2, 1, 2]
    again = gymnasium.make(made[0].spec)  # type: ignore[arg-type]
    assert type(again) is LocoVectorEnv and again.num_envs == 2
    np.testing.assert_array_equal(*(env.reset(seed=1)[0] for env in made[:2]))


def test_without_num_envs_it_is_one_robot_alone() -> None:
    env = gymnasium.make(FLAT)
    assert type(env) is LocoEnv and env.spec is not None and env.spec.id == FLAT
    assert type(env.spec.make()) is LocoEnv


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_gymnasium_vectorizes_the_single_robot(mode: str) -> None:
    context = {"vector_kwargs": {"context": "spawn"}} if mode == "async" else {}  # jax, if it is here, survives no fork
    env = gymnasium.make_vec(FLAT, num_envs=2, vectorization_mode=mode, **context)
    assert type(env) is (SyncVectorEnv if mode == "sync" else AsyncVectorEnv)
    observation, _ = env.reset(seed=5)
    alone = [gymnasium.make(FLAT) for _ in range(2)]
    expected = np.stack([one.reset(seed=5 + index)[0] for index, one in enumerate(alone)])
    for t in range(3):
        np.testing.assert_array_equal(observation, expected)
        action = np.full((2, 12), 0.1 * t, np.float32)
        observation, reward, *_, info = env.step(action)
        steps = [one.step(row) for one, row in zip(alone, action)]
        expected = np.stack([step[0] for step in steps])
        assert reward.tolist() == [step[1] for step in steps]
    assert info["reset_reason"].tolist() == ["running"] * 2
    env.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    "code",
    [
        "gymnasium.make('locoenvs:Loco/AnymalC-Flat-v0', num_envs=2)",
        "gymnasium.make_vec('locoenvs:Loco/AnymalC-Flat-v0', num_envs=2, vectorization_mode='sync')",
        "gymnasium.make_vec('locoenvs:Loco/AnymalC-Flat-v0', num_envs=2, vectorization_mode='async',"
        " vector_kwargs={'context': 'spawn'})",
    ],
)
def test_a_process_that_did_not_import_it(code: str) -> None:
    """Gymnasium imports what stands before the colon; workers that are spawned start from nothing."""
    script = (
        "import gymnasium, sys\n"
        "if __name__ == '__main__':\n"
        "    assert 'locoenvs' not in sys.modules\n"
        f"    env = {code}\n"
        "    print(env.reset(seed=0)[0].shape)\n"
        "    env.close()\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.stdout == "(2, 48)\n", result.stderr


def test_options_reach_the_environment() -> None:
    env = make(FLAT, 2, autoreset_mode=AutoresetMode.DISABLED, recipe="legged_gym", split="panel", privileged=True)
    assert isinstance(env, LocoVectorEnv)
    assert (env.task.recipe, env.split, env.privileged, env.stagger) == ("legged_gym", "panel", True, False)
    assert env.autoreset_mode is AutoresetMode.DISABLED
    own = task(FLAT, "walk")
    assert make(FLAT, 2, task=own).task is own


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_env": 2}, "unknown option 'num_env'; did you mean 'num_envs'"),
        ({"num_envs": 2, "backed": "mujoco"}, "unknown option 'backed'; did you mean 'backend'"),
        ({"num_envs": 2, "recipe": "leged_gym"}, "unknown recipe 'leged_gym'; did you mean 'legged_gym'"),
        ({"recipe": "walk", "task": task(FLAT)}, "give a task or a recipe, not both"),
        ({"actuator": "ltsm"}, "unknown actuator 'ltsm'; did you mean 'lstm'"),
        ({"actuator": "pd", "task": task(FLAT)}, "give a task or an actuator, not both"),
        ({"num_envs": 0}, "num_envs must be an integer of at least 1, got 0"),
        ({"array": "torch"}, "option 'array' is for robots stepped together: give num_envs too"),
        ({"autoreset_mode": "disabled"}, "option 'autoreset_mode' is for robots stepped together"),
        ({"num_envs": 2, "backend": "mujoc"}, "unknown backend 'mujoc'; did you mean 'mujoco'"),
        ({"num_envs": 2, "options": {"tread": 1}}, "did you mean 'threads'"),
    ],
)
def test_wrong_options_are_named_with_what_comes_nearest(options: dict[str, Any], message: str) -> None:
    for entry in (make, gymnasium.make):
        with pytest.raises(ValueError) as error:
            entry(FLAT, **options)
        assert message in str(error.value)


def test_wrong_ids_are_named_with_what_comes_nearest() -> None:
    with pytest.raises(ValueError, match="unknown environment 'Loco/AnymalC-Ruogh-v0'; did you mean '.*Rough-v0'"):
        task("Loco/AnymalC-Ruogh-v0")
    with pytest.raises(gymnasium.error.NameNotFound, match="Did you mean: `AnymalC-Rough`"):
        gymnasium.make("Loco/AnymalC-Ruogh-v0")


def test_every_option_is_one_of_the_batch() -> None:
    assert set(OPTIONS) == {"task", "recipe", "actuator", "backend", "device", "array", "autoreset_mode", "privileged", "split",
                            "stagger", "first_robot", "render_mode", "render_robot", "width", "height", "action_limit", "options"}  # fmt: skip


def test_what_gymnasium_would_wrap_around_a_batch_is_refused() -> None:
    for maker in (gymnasium.make, gymnasium.make_vec):
        with pytest.raises(ValueError, match="max_episode_steps .* set the task's timing.episode_length"):
            maker(FLAT, num_envs=2, max_episode_steps=100)
    with pytest.raises(ValueError, match="disable_env_checker=False checks one robot, not a batch"):
        gymnasium.make(FLAT, num_envs=2, disable_env_checker=False)
    with pytest.raises(ValueError, match="'rgb_array_list' collects the pictures of one robot"):
        gymnasium.make(FLAT, num_envs=2, render_mode="rgb_array_list")
    alone = gymnasium.make(FLAT, max_episode_steps=100)
    assert isinstance(alone, TimeLimit), "one robot alone may be limited"
    for options in ({"max_episode_steps": None}, {"max_episode_steps": -1}, {"disable_env_checker": True}):
        assert gymnasium.make(FLAT, num_envs=2, **options).num_envs == 2
