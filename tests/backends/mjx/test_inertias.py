"""What other masses, centers of mass and rotors change in the model, held against native MuJoCo."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("jax")
pytest.importorskip("mujoco.mjx")
pytest.importorskip("mujoco.batch")

import jax.numpy as jnp  # noqa: E402
from mujoco import mjx  # noqa: E402

from anymal import ROBOT  # noqa: E402
from locoenvs.backends.mjx.engine import Physics  # noqa: E402
from locoenvs.backends.mjx.inertias import Inertias  # noqa: E402
from locoenvs.backends.mjx.model import for_jax  # noqa: E402
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


@pytest.mark.parametrize("given", ["mass", "center_of_mass", "armature", "payload", "all"])
def test_the_model_is_what_mujoco_makes_of_the_same_numbers(given: str) -> None:
    draw = np.random.default_rng(0)
    numbers = {
        "mass": draw.uniform(0.7, 1.3, (1, len(ROBOT.bodies))),
        "center_of_mass": draw.uniform(-0.05, 0.05, (1, 3)),
        "armature": draw.uniform(0.0, 0.1, (1, len(ROBOT.joints))),
    }
    chosen = {name: a.astype(np.float32) for name, a in numbers.items() if given in (name, "all")}
    payload = np.full(1, 4.0 if given in ("payload", "all") else 0.0, np.float32)
    ground = build(VARIED.terrain)
    native = MujocoSimulator(VARIED, ground, 1, threads=1)
    native.configure(np.ones(1, np.float32), payload, **chosen)
    theirs = native._batch.get_model(0)
    model = for_jax(VARIED, ground, own_contact=True, torque_actuators=False, cone="elliptic")
    own = {name: jnp.asarray(value[0]) for name, value in chosen.items()}
    physics = Physics(*[jnp.zeros(())] * 4, payload=jnp.asarray(payload[0]), **own)
    changed = Inertias.of(model, ROBOT).changed(mjx.put_model(model, impl="jax"), physics)
    for field in FIELDS:
        np.testing.assert_allclose(getattr(changed, field), getattr(theirs, field), rtol=3e-4, atol=1e-6, err_msg=field)
