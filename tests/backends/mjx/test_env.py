"""The environment on MJX: the same task, compiled whole, with arrays that stay where they are."""

from __future__ import annotations

import dataclasses
import functools
import re
from typing import Any

import numpy as np
import pytest

pytest.importorskip("jax")
pytest.importorskip("mujoco.mjx")
pytest.importorskip("torch")

import jax
import jax.numpy as jnp
import torch

import locoenvs
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.mdp.draws import drive_numbers
from locoenvs.numerics.arrays import convert
from locoenvs.numerics.rows import named_arrays
from locoenvs.tasks.vocabulary import RANDOMIZATIONS
from mjx_physics import ROBOTS_HERE, ROUGH

pytestmark = pytest.mark.xdist_group("mjx-environment")
"""One process compiles each program once for all tests."""

DRAWN = ("robot", "key", "number", "step", "level", "column", "start_position")


@functools.cache
def made(impl: str = "jax") -> LocoVectorEnv:
    return LocoVectorEnv(ROUGH, ROBOTS_HERE, backend="mjx", device="cpu", options={"impl": impl})


@functools.cache
def varied(backend: str) -> LocoVectorEnv:
    """The environment with all randomizations, which waits a step after an episode: one more program, for what either brings."""
    task = ROUGH.with_({f"randomization.terms.{name}": {} for name in RANDOMIZATIONS.words()})
    own: dict[str, Any] = {"mjx": {"device": "cpu", "options": {"impl": "jax"}}, "mujoco": {"options": {"threads": 1}}}
    return LocoVectorEnv(task, ROBOTS_HERE, backend=backend, autoreset_mode="next_step", **own[backend])


def ready(array: str, impl: str = "jax", privileged: bool = False) -> LocoVectorEnv:
    """The environment, begun anew, returning that kind of array: what it computes does not depend on the kind."""
    env = made(impl)
    env.array, env.privileged = array, privileged
    env.reset(seed=5)
    return env


def action(t: int) -> np.ndarray:
    robot, joint = np.arange(ROBOTS_HERE)[:, None], np.arange(12)
    return np.sin(robot + joint + 0.3 * t).astype(np.float32)


def flatten(value: Any) -> list[Any]:
    """All arrays of what a step returns."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [leaf for part in value for leaf in flatten(part)]
    return [value]


@pytest.mark.usefixtures("optimized")  # which could round a draw in another way
@pytest.mark.parametrize("impl", ["jax", "warp"])
def test_commands_levels_pushes_and_draws_are_bit_by_bit_those_of_native_mujoco(impl: str) -> None:
    ours, native = ready("numpy", impl), LocoVectorEnv(ROUGH, ROBOTS_HERE, backend="mujoco", options={"threads": 1})
    native.reset(seed=5)
    compared, pushes = 0, 0
    for t in range(31):
        a, b = (dict(named_arrays(env.state.episodes)) for env in (ours, native))
        same = np.array(a["number"]) == b["number"]
        if t == 0:
            assert same.all()
            for name in ("friction", "payload"):
                np.testing.assert_array_equal(ours.save()[f"physics.{name}"], native.save()[f"physics.{name}"])
        for name in DRAWN:
            np.testing.assert_array_equal(np.array(a[name])[same], b[name][same], err_msg=f"{name} at step {t}")
        # All that is drawn; the yaw rate follows from the heading.
        np.testing.assert_array_equal(np.array(a["command"])[same][:, [0, 1, 3]], b["command"][same][:, [0, 1, 3]])
        pushed = same & (b["step"] % 5 == 0) & (b["step"] > 0) & (t > 0)
        qvel = np.array(ours.state.physics.qvel)[:, :2]
        np.testing.assert_array_equal(qvel[pushed], native.simulator._qvel[pushed, :2].astype(np.float32))
        compared, pushes = compared + int(same.sum()), pushes + int(pushed.sum())
        ours.step(action(t))
        native.step(action(t))
    assert compared > 60 and pushes > 5 and max(b["number"]) >= 1


@pytest.mark.parametrize("impl", ["jax", "warp"])
def test_the_step_can_be_written_for_an_nvidia_gpu_and_calls_no_python_there(impl: str) -> None:
    env = ready("jax", impl)
    program: Any = env._step
    traced = program._jit.trace(program._constants, env.state, jnp.asarray(action(0)))
    text = traced.lower(lowering_platforms=("cuda",)).as_text()
    called = set(re.findall(r"custom_call @([\w.]+)", text)) | set(re.findall(r'call_target_name = "([^"]+)"', text))
    assert not [name for name in called if "python" in name or "callback" in name], called
    assert any("warp" in name or "callable" in name for name in called) == (impl == "warp"), called


def test_the_step_is_compiled_once() -> None:
    env = ready("jax")
    for t in range(30):
        env.step(jnp.asarray(action(t)))
        env.reset(options={"reset_mask": np.arange(ROBOTS_HERE) == t % 2})
    env.reset()
    env.step(action(0))
    env.restore(env.save())
    env.step(torch.from_numpy(action(1)))
    assert [program.compilations for program in (env._step, env._reset, env._observe)] == [1, 1, 1]


def test_a_step_moves_nothing_between_host_and_device() -> None:
    env = ready("jax")
    given = jax.device_put(jnp.asarray(action(0)), env.simulator.device)
    env.step(given)
    with jax.transfer_guard("disallow"):
        with pytest.raises(Exception, match="[Dd]isallowed"):
            jnp.sin(np.ones(3, np.float32))
        for _ in range(5):
            observation, reward, terminated, truncated, info = env.step(given)
    assert all(isinstance(leaf, jax.Array) for leaf in flatten((observation, reward, terminated, truncated, info)))


def test_the_state_before_a_step_is_reused_by_it() -> None:
    env = ready("jax")
    before = env.state
    env.step(jnp.asarray(action(0)))
    assert before.physics.qpos.is_deleted() and before.episodes.step.is_deleted()
    assert not env.state.physics.qpos.is_deleted()


def test_torch_sees_the_memory_of_jax() -> None:
    array = jnp.arange(12.0).reshape(3, 4)
    assert convert(array, "torch").data_ptr() == array.unsafe_buffer_pointer()
    given = torch.ones(3, 4)
    taken = convert(given, "jax")
    given += 1
    assert float(taken.sum()) == 12.0, "what jax reads must not change with the caller's tensor"


@pytest.mark.parametrize("array", ["numpy", "torch", "jax"])
def test_every_kind_of_array_has_the_same_numbers_and_is_the_callers(array: str) -> None:
    """Writing into what a step returned, as learners do, changes no later step."""
    env = ready("numpy", privileged=True)
    expected = [env.step(action(t)) for t in range(8)]
    env = ready(array, privileged=True)
    for t in range(8):
        ours = flatten(env.step(convert(action(t), array)))
        theirs = flatten(expected[t])
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs):
            np.testing.assert_array_equal(convert(a, "numpy"), b)
            if array != "jax" and a.ndim:
                a[...] = 0 if array == "numpy" else torch.zeros_like(a)


@pytest.mark.parametrize("impl", ["jax", "warp"])
def test_saving_and_restoring_goes_on_bit_by_bit(impl: str) -> None:
    env = ready("numpy", impl)
    for t in range(7):
        env.step(action(t))
    saved = env.save()
    first = [env.step(action(t)) for t in range(20)]
    env.reset(seed=99)
    env.restore(saved)
    for t, expected in enumerate(first):
        for a, b in zip(flatten(env.step(action(t))), flatten(expected)):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_action_that_is_not_finite_breaks_its_robot_only(value: float) -> None:
    env = ready("numpy")
    twin = [env.step(action(t)) for t in range(2)][-1]
    env.reset(seed=5)
    env.step(action(0))
    bad = action(1)
    bad[2, 7] = value
    observation, reward, terminated, _, info = env.step(bad)
    others = [0, 1, 3]
    assert (
        info["reset_reason"][2] == 3
        and terminated[2]
        and (info["reset_reason"][others] == twin[4]["reset_reason"][others]).all()
    )
    for a, b in zip(flatten((observation, reward)), flatten(twin[:2])):
        np.testing.assert_array_equal(a[others], b[others])
    assert all(np.isfinite(leaf).all() for leaf in flatten((observation, reward, info)))


def test_next_step_autoreset_waits_a_step() -> None:
    env = varied("mjx")
    env.reset(seed=5)
    bad = action(0)
    bad[1] = np.nan
    reasons = [env.step(bad if t == 0 else action(t))[4]["reset_reason"].tolist() for t in range(3)]
    assert reasons[0][1] == 3 and reasons[1][1] == 0 and env._step_then_wait.compilations == 1
    assert int(np.array(env.state.episodes.number)[1]) == 1 and int(np.array(env.state.episodes.step)[1]) == 1


def test_inside_a_scan_the_functional_face_gives_the_environments_numbers() -> None:
    env = ready("numpy")
    expected = [env.step(action(t)) for t in range(20)]
    pure = locoenvs.functional(
        "Loco/AnymalC-Rough-v0", num_envs=ROBOTS_HERE, task=ROUGH, device="cpu", options={"impl": "jax"}
    )
    actions = jnp.stack([jnp.asarray(action(t)) for t in range(20)])

    @jax.jit
    def rollout(key: Any, actions: Any) -> Any:
        state, first = pure.reset(key)
        return first, jax.lax.scan(pure.step, state, actions)

    first, (last, transitions) = rollout(jax.random.key(5), actions)
    env.reset(seed=5)
    # Another program may fuse a product and a sum, which rounds once instead of twice. A wrong draw of noise is 1e-2.
    same = functools.partial(np.testing.assert_allclose, rtol=0, atol=1e-6)
    same(first.policy, env._observation(env._observe(env.state.episodes)))
    assert isinstance(jax.tree.leaves(last)[0], jax.Array)
    for t, (observation, reward, terminated, truncated, _) in enumerate(expected):
        np.testing.assert_array_equal(transitions.terminated[t], terminated)
        np.testing.assert_array_equal(transitions.truncated[t], truncated)
        if t < 5:  # contacts amplify it
            np.testing.assert_allclose(transitions.observation.policy[t], observation, atol=2e-2)
            np.testing.assert_allclose(transitions.reward[t], reward, atol=1e-3)
    for key in (5, np.uint32(5), jnp.int32(5), jax.random.PRNGKey(5)):
        same(pure.reset(key)[1].policy, first.policy)

    state, _ = pure.reset(0)
    with pytest.raises(
        ValueError,
        match=r"action must be an array of shape \(4, 12\), one row a robot, got a traced float32 of shape \(12,\)",
    ):
        jax.jit(lambda state: pure.step(state, jnp.zeros(12)))(state)
    with pytest.raises(ValueError, match=r"the state has robots of shape .* do not vmap it"):
        pure.step(
            dataclasses.replace(state, episodes=dataclasses.replace(state.episodes, robot=jnp.arange(3))), actions[0]
        )
    with pytest.raises(TypeError, match="step takes the state that reset and step return, got tuple"):
        pure.step(pure.reset(0), actions[0])
    with pytest.raises(ValueError, match=r"action must be floating point, got int32"):
        pure.step(state, jnp.zeros((4, 12), jnp.int32))
    with pytest.raises(
        ValueError, match=r"key must be one integer or one of JAX's keys for all robots, got uint32 of shape \(3, 2\)"
    ):
        pure.reset(jax.random.split(jax.random.PRNGKey(0), 3))
    with pytest.raises(ValueError, match=r"key must be an integer in \[0, 2\^64\) .*, got -1"):
        pure.reset(-1)


def test_the_environments_own_step_says_that_it_cannot_be_traced() -> None:
    env = ready("jax")
    with pytest.raises(TypeError, match="step\\(\\) of an environment cannot be traced.*locoenvs.functional"):
        jax.jit(lambda action: env.step(action)[0])(jnp.zeros((ROBOTS_HERE, 12)))


def test_a_picture_shows_the_robot_of_the_state() -> None:
    try:
        env = ready("jax")
        first = env.simulator.render(env.state.physics, 0)
    except Exception as error:  # a machine that cannot draw raises whatever its OpenGL does
        pytest.skip(f"this machine cannot draw: {error}")
    second = env.simulator.render(env.state.physics, 3)
    assert first.shape == (480, 640, 3) and first.dtype == np.uint8 and first.std() > 5
    assert np.abs(first.astype(int) - second).mean() > 1, "another robot, on another tile"
    env.simulator.close()


def test_with_all_randomizations_what_is_drawn_and_seen_is_native_mujocos() -> None:
    """Masses, drives, delays and sensors: as the episodes begin, and after a step of robots that differ in all of them."""
    ours, native = varied("mjx"), varied("mujoco")
    seen, wanted = (env.reset(seed=5)[0] for env in (ours, native))
    np.testing.assert_allclose(seen, wanted, atol=1e-4)
    saved, drawn = ours.save(), native.save()
    for name in ("friction", "payload", "mass", "center_of_mass", "armature"):
        assert np.ptp(drawn[f"physics.{name}"], axis=0).min() > 0, "robots differ"
        np.testing.assert_allclose(saved[f"physics.{name}"], drawn[f"physics.{name}"], rtol=1e-6, err_msg=name)
    now = [env.state.episodes for env in (ours, native)]
    drives = [drive_numbers(env.mdp, each.key, each.number) for env, each in zip((ours, native), now, strict=True)]
    assert np.ptp(drives[1], axis=1).max(axis=1).min() > 0, "each number differs"
    np.testing.assert_allclose(drives[0], drives[1], rtol=1e-5)
    seen, wanted = (env.step(action(0))[0] for env in (ours, native))
    np.testing.assert_allclose(seen, wanted, atol=1e-4)
    torques = [env.state.episodes.readout.joint_torque for env in (ours, native)]
    np.testing.assert_allclose(*torques, atol=1e-2)
