"""Robots by JAX whose masses, centers of mass and rotors differ: their models held against native MuJoCo's."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("jax")
pytest.importorskip("mujoco.mjx")
pytest.importorskip("mujoco.batch")

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402

from anymal import ROBOT  # noqa: E402
from locoenvs.backends.mjx.engine import Physics  # noqa: E402
from locoenvs.backends.mjx.inertias import Inertias  # noqa: E402
from locoenvs.backends.mjx.simulator import MjxSimulator  # noqa: E402
from locoenvs.backends.mujoco.simulator import MujocoSimulator  # noqa: E402
from locoenvs.mdp.terrain import build  # noqa: E402
from locoenvs.tasks.recipes import task as recipe_task  # noqa: E402

VARIED = recipe_task(ROBOT, "flat", actuator="pd").with_(
    {f"randomization.terms.{name}": {} for name in ("link_mass", "center_of_mass", "armature")}
    | {"randomization.payload": [-2.0, 5.0]}
)
FIELDS = (
    "body_mass",
    "body_inertia",
    "body_ipos",
    "dof_armature",
    "body_subtreemass",
    "body_invweight0",
    "dof_invweight0",
)
SIZES = {"mass": len(ROBOT.bodies), "center_of_mass": 3, "armature": len(ROBOT.joints)}
pytestmark = pytest.mark.xdist_group("mjx-inertias")
"""One process compiles the program once for all tests."""


def mjx_simulator(count: int, impl: str = "jax") -> MjxSimulator:
    return MjxSimulator(VARIED, build(VARIED.terrain), count, device="cpu", impl=impl)  # type: ignore[arg-type]


@functools.cache
def fields() -> Callable[[Physics], dict[str, jax.Array]]:
    """Those of one robot's model, of the numbers in its physics."""
    return jax.jit(Inertias.of(mjx_simulator(1).model, ROBOT).fields)


@pytest.mark.parametrize("given", ["mass", "center_of_mass", "armature", "payload", "all"])
def test_the_model_is_what_mujoco_makes_of_the_same_numbers(given: str) -> None:
    draw = np.random.default_rng(0)
    ends = {"mass": (0.7, 1.3), "center_of_mass": (-0.05, 0.05), "armature": (0.0, 0.1)}
    numbers = {
        name: (draw.uniform(*ends[name], size) if given in (name, "all") else np.full(size, float(name == "mass")))
        for name, size in SIZES.items()
    }
    single = {name: value.astype(np.float32) for name, value in numbers.items()}
    single["payload"] = np.float32(4.0 if given in ("payload", "all") else 0.0)
    native = MujocoSimulator(VARIED, build(VARIED.terrain), 1, threads=1)
    native.configure(np.ones(1, np.float32), **{name: value[None] for name, value in single.items()})
    theirs = native._batch.get_model(0)
    found = fields()(Physics(*[jnp.zeros(())] * 4, **{name: jnp.asarray(value) for name, value in single.items()}))
    assert set(found) == set(FIELDS)
    for field in FIELDS:
        np.testing.assert_allclose(found[field], getattr(theirs, field), rtol=3e-4, atol=1e-6, err_msg=field)


def test_what_differs_between_robots_is_saved_and_restored() -> None:
    draw = np.random.default_rng(1)
    shapes = {"friction": (2,), "payload": (2,)} | {name: (2, size) for name, size in SIZES.items()}
    given = {name: draw.uniform(0.5, 1.5, shape).astype(np.float32) for name, shape in shapes.items()}
    one, other = mjx_simulator(2), mjx_simulator(2)
    one.configure(**{name: jnp.asarray(value) for name, value in given.items()})
    saved = one.save(one.initial())
    again = other.save(other.restore(saved))
    assert set(saved) == set(again) == {"qpos", "qvel", "warmstart", *given}
    for name, value in given.items():
        np.testing.assert_array_equal(saved[name], value, name)
        np.testing.assert_array_equal(again[name], value, name)


def test_warp_refuses_them_and_says_who_can() -> None:
    said = "impl='warp' cannot vary armature, center_of_mass, mass, which the task does: impl='jax' can"
    with pytest.raises(ValueError) as error:
        mjx_simulator(2, "warp")
    assert str(error.value) == said
