"""The backends of the suite do what a backend must, and one that does not is told what it does wrong."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("mujoco.batch")

from locoenvs.backends.mujoco.simulator import MujocoSimulator  # noqa: E402
from locoenvs.envs import backends  # noqa: E402
from locoenvs.mdp.actuators import actuator_of  # noqa: E402
from locoenvs.mdp.draws import DRIVE  # noqa: E402
from locoenvs.mdp.state import Readout  # noqa: E402
from locoenvs.mdp.terrain import HeightMap  # noqa: E402
from locoenvs.tasks.task import PDActuator, Task  # noqa: E402
from locoenvs.testing import check_backend  # noqa: E402
from locoenvs.testing.robots import by_single_steps  # noqa: E402


@pytest.mark.parametrize("contact", ["triangles", "mujoco"])
def test_native_mujoco_does_what_a_backend_must(contact: str) -> None:
    assert len(check_backend(backends.load("mujoco"), contact=contact)) == 15


STAND = ("_stands", "_slides_by_its_friction", "_carries_its_payload", "_stands_on_the_map")
"""Checks of robots that stand for seconds."""


@pytest.mark.parametrize("impl", ["jax", "warp"])
def test_mjx_does_what_a_backend_must(impl: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Warp is made for GPUs: on a CPU robots that stand would take it half a minute, and tests/backends/mjx has them beside native MuJoCo's."""
    pytest.importorskip("mujoco.mjx")
    from locoenvs.backends.mjx.device import find, is_gpu

    left_out = STAND if impl == "warp" and not is_gpu(find(None)) else ()
    for check in left_out:
        monkeypatch.setattr(f"locoenvs.testing.backend.{check}", lambda robots: False)
    bodies = impl == "jax"  # Warp varies no masses
    assert len(check_backend(backends.load("mjx"), impl=impl)) == 14 + bodies - len(left_out)


def backend(change: Callable[[Readout], Readout], **methods: Any) -> Callable[..., MujocoSimulator]:
    """Native MuJoCo whose readouts are changed, and some of whose methods are others."""

    class Wrong(MujocoSimulator):
        def advance(self, physics: object, target: Any, drive: Any = None) -> tuple[object, Readout]:
            physics, readout = super().advance(physics, target, drive)
            return physics, change(readout)

    for name, method in methods.items():
        setattr(Wrong, name, method)
    return lambda task, height_map, num_envs, *, device=None, **options: Wrong(task, height_map, num_envs, **options)


def same(readout: Readout) -> Readout:
    return readout


def replaced(**fields: Callable[[Readout], np.ndarray]) -> Callable[[Readout], Readout]:
    return lambda readout: dataclasses.replace(readout, **{name: made(readout) for name, made in fields.items()})


def with_task(change: Callable[[Task], Task]) -> Callable[..., MujocoSimulator]:
    """Native MuJoCo that simulates another task than it is told to."""
    return lambda task, height_map, num_envs, *, device=None: MujocoSimulator(change(task), height_map, num_envs)


class Held:
    """An actuator that is asked once a control step, and whose torques hold until the next."""

    def __init__(self, task: Task) -> None:
        self._actuator, self._decimation, self._count = actuator_of(task), task.timing.decimation, 0
        self.initial, self.clear = self._actuator.initial, self._actuator.clear

    def torque(self, memory: Any, *given: Any) -> Any:
        if self._count % self._decimation == 0:
            self._held = self._actuator.torque(memory, *given)
        self._count += 1
        return self._held


def holding(task: Task, height_map: HeightMap, num_envs: int, *, device: Any = None) -> MujocoSimulator:
    """The engine's own PD law is evaluated before each physics step, a network's is not."""
    return MujocoSimulator(task, height_map, num_envs, actuator=Held(task) if task.actuator.kind == "lstm" else None)


def weightless(self: MujocoSimulator, friction: Any, payload: Any, **others: Any) -> None:
    MujocoSimulator.configure(self, friction, 0 * payload, **others)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (backend(replaced(base_quaternion=lambda r: r.base_quaternion[:, [1, 2, 3, 0]])), "wxyz"),
        (backend(replaced(contact_force=lambda r: -r.contact_force)), r"contact_force along \+z"),
        (backend(replaced(base_position=lambda r: r.base_position.astype(np.float64))), "base_position must be float32"),
        (backend(replaced(joint_position=lambda r: r.joint_position[:, ::-1].copy())), "in the robot's order"),
        (backend(replaced(broken=lambda r: r.broken & ~r.broken)), "the second robot, at 1e5 m/s, is broken"),
        (backend(replaced(base_linear_velocity=lambda r: r.base_linear_velocity[:, [1, 0, 2]])), "forward velocity"),
        (backend(replaced(joint_torque=lambda r: 2 * r.joint_torque)), "clipped at the joints' limits"),
        (backend(same, randomizes=frozenset({"wind"})), "randomizes may name"),
        (backend(same, actuators=frozenset()), "actuators must name"),
        (backend(same, push=lambda self, physics, mask, velocity: None), "after a push|must let a pushed robot"),
        (backend(same, configure=lambda self, friction, payload, **others: setattr(self, "_per_robot", {})), "less friction"),
        (
            backend(same, save=lambda self, physics: {n: a for n, a in MujocoSimulator.save(self, physics).items()}
                    | {"qvel": np.zeros((self.num_envs, self.model.nv))}),
            "must go on bit by bit",
        ),
        (backend(same, configure=weightless), "what 5 kg more weigh"),
        (with_task(lambda task: dataclasses.replace(task, actuator=PDActuator())), "torque that the drive's network gives"),
        (with_task(by_single_steps), "the vertical velocity of a robot that falls"),
        (holding, "joint_torque after a control step, as after 4 of one physics step each"),
    ],
)  # fmt: skip
def test_what_a_backend_does_wrong_is_told(make: Callable[..., Any], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_backend(make)


@pytest.mark.parametrize(
    ("quantity", "words"),
    [
        ("mass", "the weight of robots whose masses are times 1, 1.1, 1.3"),
        ("center_of_mass", "a center of mass further in front must load the front feet"),
        ("armature", "heavier rotors must be slower"),
    ],
)
def test_a_backend_whose_bodies_are_not_as_they_were_drawn_is_told(quantity: str, words: str) -> None:
    def configure(self: MujocoSimulator, friction: Any, payload: Any, **others: Any) -> None:
        MujocoSimulator.configure(self, friction, payload, **{n: a for n, a in others.items() if n != quantity})

    with pytest.raises(AssertionError, match=words):
        check_backend(backend(same, configure=configure))


@pytest.mark.parametrize("number", DRIVE)
def test_a_backend_that_does_not_heed_a_number_of_the_drives_is_told(number: str) -> None:
    class Deaf(MujocoSimulator):
        def advance(self, physics: object, target: Any, drive: Any = None) -> tuple[object, Readout]:
            if drive is not None:
                drive = drive.copy()
                drive[list(DRIVE).index(number)] = DRIVE[number]
            return super().advance(physics, target, drive)

    with pytest.raises(AssertionError, match=f"the torque where the second robot's {number} in drive is"):
        check_backend(lambda task, ground, count: Deaf(task, ground, count, threads=1))
