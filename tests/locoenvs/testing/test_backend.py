"""The backends of the suite do what a backend must, and one that does not is told what it does wrong."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("mujoco.batch")

from locoenvs.backends.mujoco.simulator import MujocoSimulator  # noqa: E402
from locoenvs.envs import engines  # noqa: E402
from locoenvs.mdp.state import Readout  # noqa: E402
from locoenvs.testing import check_backend  # noqa: E402


@pytest.mark.parametrize("contact", ["triangles", "mujoco"])
def test_native_mujoco_does_what_a_backend_must(contact: str) -> None:
    assert len(check_backend(engines.load("mujoco"), contact=contact)) == 14


def test_mjx_does_what_a_backend_must() -> None:
    pytest.importorskip("mujoco.mjx")
    assert len(check_backend(engines.load("mjx"), impl="jax")) == 14


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
        (backend(same, configure=lambda self, friction, payload, **others: setattr(self, "_given", {})), "less friction"),
        (
            backend(same, save=lambda self, physics: {n: a for n, a in MujocoSimulator.save(self, physics).items()}
                    | {"qvel": np.zeros((self.num_envs, self.model.nv))}),
            "must go on bit by bit",
        ),
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
