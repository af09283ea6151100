"""The task in Isaac Lab. What needs Isaac Lab is skipped where it is not, and runs in an environment that has it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import gymnasium  # noqa: E402

import locoenvs  # noqa: E402, F401  registers the ids
from locoenvs.backends.isaaclab import newton, requirements  # noqa: E402
from locoenvs.backends.isaaclab.simulator import _room  # noqa: E402
from locoenvs.envs.registration import task as task_of  # noqa: E402
from locoenvs.envs.vector import LocoVectorEnv  # noqa: E402
from locoenvs.mdp.state import Readout  # noqa: E402
from locoenvs.tasks.task import PDActuator, Task  # noqa: E402

FLAT = dataclasses.replace(task_of("Loco/AnymalC-Flat-v0"), actuator=PDActuator())
ROUGH = task_of("Loco/AnymalC-Rough-v0")


def why_not() -> str | None:
    """Why Isaac Lab's Newton cannot run here."""
    try:
        requirements.choose(requirements.find(), "newton")
    except ImportError as error:
        return str(error)
    return None


needs_isaac_lab = pytest.mark.skipif(why_not() is not None, reason=f"not verified here: {why_not()}")


@pytest.mark.parametrize(("task", "each"), [(FLAT, 1), (ROUGH, 4)], ids=["plane", "triangles"])
def test_room_for_contacts_is_sized_from_robot_and_ground(task: Task, each: int) -> None:
    assert _room(task, "newton", 64, None) == each * len(task.robot.spheres)
    assert _room(task, "newton", 64, 500) == 500
    spheres = len(task.robot.spheres)
    with pytest.raises(
        ValueError, match=rf"contacts_per_robot=3: .* has {spheres} spheres.* {each * spheres * 64} for 64"
    ):
        _room(task, "newton", 64, 3)


def test_triangles_near_a_sphere_are_counted_generously() -> None:
    ball = 0.1  # a sphere this large with its margin reaches over at most four cells of 0.1 m a side
    robot = dataclasses.replace(
        FLAT.robot, spheres=tuple(dataclasses.replace(s, radius=ball) for s in FLAT.robot.spheres[:1]),
        feet=(), penalized=(), terminating=(FLAT.robot.spheres[0].body,),
    )  # fmt: skip
    assert newton.triangle_pairs(dataclasses.replace(ROUGH, robot=robot)) == 2 * 4**2


@needs_isaac_lab
def test_gymnasium_makes_it_bare_in_numpy() -> None:
    """With the learned drive, whose memory goes along with the physics and is cleared where an episode begins."""
    made: Any = gymnasium.make("Loco/AnymalC-Flat-v0", num_envs=2, backend="isaaclab", device="cpu")
    try:
        assert type(made) is LocoVectorEnv
        observation, _ = made.reset(seed=0)
        observation, reward, *_ = made.step(np.zeros((2, 12), np.float32))
        assert isinstance(observation, np.ndarray) and observation.shape == (2, 48) and reward.shape == (2,)
        assert (
            made.task.actuator.kind == "lstm"
            and (np.asarray(made.save()["physics.actuator"]) != 0).all(axis=(1, 2)).any()
        )
        made.reset(seed=0)
        assert not np.asarray(made.save()["physics.actuator"]).any()
    finally:
        made.close()


@pytest.fixture(scope="module")
def env() -> Iterator[LocoVectorEnv]:
    made = LocoVectorEnv(FLAT, 4, backend="isaaclab", device="cpu", array="torch", options={"physics": "newton"})
    yield made
    made.close()


def at_rest(env: LocoVectorEnv, height: float) -> Readout:
    env.reset(seed=0)
    still = Readout(
        **{f.name: torch.zeros_like(getattr(env.state.episodes.readout, f.name)) for f in dataclasses.fields(Readout)}
    )
    still.base_position[:, 2] = height
    still.base_quaternion[:, 0] = 1
    return dataclasses.replace(still, joint_position=still.joint_position + env.mdp.default_pose)


def every(env: LocoVectorEnv) -> Any:
    return torch.ones(env.num_envs, dtype=torch.bool)


@needs_isaac_lab
def test_only_the_robots_of_the_mask_are_placed(env: LocoVectorEnv) -> None:
    simulator: Any = env.simulator
    simulator.place(None, every(env), at_rest(env, 1.0))
    before = simulator._readout()
    mask = torch.tensor([False, True, False, True])
    start = dataclasses.replace(
        at_rest(env, 2.0),
        base_quaternion=torch.tensor([[0.5, 0.5, 0.5, 0.5]] * 4),
        base_linear_velocity=torch.tensor([[1.0, 2.0, 3.0]] * 4),
        base_angular_velocity=torch.tensor([[0.3, 0.2, 0.1]] * 4),
        joint_velocity=torch.arange(48.0).reshape(4, 12) / 10,
    )
    simulator.place(None, every(env), before)
    simulator.place(None, mask, start)
    after = simulator._readout()
    for name in ("base_position", "base_quaternion", "base_linear_velocity", "base_angular_velocity", "joint_position",
                 "joint_velocity"):  # fmt: skip
        torch.testing.assert_close(getattr(after, name)[mask], getattr(start, name)[mask], atol=2e-6, rtol=1e-6)
        assert torch.equal(getattr(after, name)[~mask], getattr(before, name)[~mask]), name


@needs_isaac_lab
def test_a_robot_in_the_air_falls_and_its_feet_with_it(env: LocoVectorEnv) -> None:
    simulator: Any = env.simulator
    simulator.place(None, every(env), at_rest(env, 5.0))
    readout = simulator.advance(None, env.mdp.default_pose.expand(4, -1))[1]
    # Four steps of 5 ms, velocity first: v = -g t, and the joints hold still
    torch.testing.assert_close(readout.base_linear_velocity[:, 2], torch.full((4,), -9.81 * 0.02), atol=1e-4, rtol=0)
    torch.testing.assert_close(readout.foot_velocity[..., 2], torch.full((4, 4), -9.81 * 0.02), atol=1e-3, rtol=0)
    assert not readout.contact_force.any() and not readout.broken.any()


@needs_isaac_lab
def test_a_push_changes_the_horizontal_velocity_of_its_robots_only(env: LocoVectorEnv) -> None:
    simulator: Any = env.simulator
    simulator.place(None, every(env), at_rest(env, 5.0))
    before = simulator._readout()
    simulator.push(None, torch.tensor([True, False, False, False]), torch.tensor([[0.7, -0.3]] * 4))
    velocity = simulator._readout().base_linear_velocity
    torch.testing.assert_close(velocity[0], torch.tensor([0.7, -0.3, 0.0]), atol=1e-6, rtol=0)
    assert torch.equal(velocity[1:], before.base_linear_velocity[1:])


@needs_isaac_lab
def test_payload_is_carried(env: LocoVectorEnv) -> None:
    heavy = dataclasses.replace(FLAT, randomization=dataclasses.replace(FLAT.randomization, payload=(0.0, 10.0)))
    simulator: Any = env.simulator
    simulator.task, kept = heavy, simulator.task
    try:
        payload, start = torch.tensor([0.0, 2.0, 5.0, 10.0]), at_rest(env, 0.54)
        simulator.configure(torch.ones(4), payload)
        simulator.place(None, every(env), start)
        for _ in range(110):  # until it has stopped swinging
            readout = simulator.advance(None, env.mdp.default_pose.expand(4, -1))[1]
        weight = (FLAT.robot.mass + payload) * 9.81
        torch.testing.assert_close(readout.contact_force.sum(dim=1)[:, 2], weight, rtol=0.01, atol=0)
    finally:
        simulator.configure(torch.ones(4), payload * 0)
        simulator.task = kept


@needs_isaac_lab
def test_it_goes_on_bit_by_bit_from_what_was_saved(env: LocoVectorEnv) -> None:
    env.reset(seed=1)
    action = torch.zeros(4, 12)
    for _ in range(20):
        env.step(action)
    saved = env.save()
    first = [env.step(action)[0].clone() for _ in range(5)]
    env.reset(seed=2)
    env.step(action + 0.5)
    env.restore(saved)
    second = [env.step(action)[0].clone() for _ in range(5)]
    for a, b in zip(first, second):
        assert torch.equal(a, b)


@needs_isaac_lab
def test_a_broken_robot_ends_is_counted_and_walks_on_and_others_feel_nothing(env: LocoVectorEnv) -> None:
    env.reset(seed=3)
    simulator: Any = env.simulator
    poison = dataclasses.replace(simulator._readout(), joint_velocity=torch.full((4, 12), float("nan")))
    simulator.place(None, torch.tensor([False, True, False, False]), poison)
    observation, reward, terminated, _, info = env.step(torch.zeros(4, 12))
    assert terminated.tolist() == [False, True, False, False]
    assert env.reset_reasons[int(info["reset_reason"][1])] == "broken_physics"
    assert observation.isfinite().all() and info["final_obs"].isfinite().all() and reward.isfinite().all()
    for _ in range(5):
        observation, _, terminated, _, _ = env.step(torch.zeros(4, 12))
    assert observation.isfinite().all() and not terminated.any()


@needs_isaac_lab
def test_one_simulation_a_process(env: LocoVectorEnv) -> None:
    with pytest.raises(RuntimeError, match="one simulation a process.*close"):
        LocoVectorEnv(FLAT, 2, backend="isaaclab", device="cpu", options={"physics": "newton"})


@needs_isaac_lab
def test_returned_arrays_are_the_callers(env: LocoVectorEnv) -> None:
    observation, _ = env.reset(seed=0)
    kept = [observation, *(a for a in env.step(torch.zeros(4, 12))[:4])]
    copies = [array.clone() for array in kept]
    readout = env.state.episodes.readout
    fields = {f.name: getattr(readout, f.name).clone() for f in dataclasses.fields(Readout)}
    env.step(torch.ones(4, 12))
    assert all(torch.equal(a, b) for a, b in zip(kept, copies))
    assert all(torch.equal(getattr(readout, name), value) for name, value in fields.items())
