"""The ground carries a walking robot as rigid, level ground does: feet hardly sink, and nothing pushes them sideways.

And this project's own contact is felt where it should be, and nowhere else.
"""

from __future__ import annotations

import copy
import dataclasses
import math
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import mujoco
import numpy as np
import pytest

from locoenvs.backends.mujoco import contact as module
from locoenvs.backends.mujoco.contact import Contact, install, mark
from locoenvs.backends.mujoco.simulator import MujocoSimulator
from locoenvs.envs.registration import task as task_of
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.mdp.terrain import build, ground_height
from locoenvs.policies.policy import POLICIES
from locoenvs.tasks.entries import TileShare
from locoenvs.tasks.task import Task

PLANE = task_of("Loco/AnymalC-Flat-v0", actuator="pd")
GRID = dataclasses.replace(
    PLANE,
    terrain=dataclasses.replace(
        task_of("Loco/AnymalC-Rough-v0").terrain, levels=1, columns=4, shares=(TileShare("flat", 1.0),)
    ),
)


STAIRS = dataclasses.replace(
    task_of("Loco/AnymalC-Rough-v0", actuator="pd"),
    terrain=dataclasses.replace(
        task_of("Loco/AnymalC-Rough-v0").terrain,
        levels=2, columns=2, border=2.0, shares=(TileShare("stairs_up", 0.5), TileShare("stairs_down", 0.5)),
    ),
)  # fmt: skip
RADIUS = 0.03


def contacts(
    task: Task, contact: Contact, robots: int = 32, steps: int = 300
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Depth m, normal force N and the vertical part of the normal of each contact while the shipped policy walks."""
    pytest.importorskip("onnxruntime")
    from locoenvs.policies.policy import load_policy

    policy = load_policy(POLICIES / "anymal_c_flat")
    env = LocoVectorEnv(task, robots, stagger=False, options={"threads": 1, "contact": contact})
    observation, _ = env.reset(seed=0)
    model, data, found = env.simulator.model, mujoco.MjData(env.simulator.model), []
    force = np.zeros(6)
    for count in range(steps):
        observation, *_ = env.step(policy(observation))
        if count < 100 or count % 10:
            continue
        for robot in range(robots):
            for name in ("qpos", "qvel", "ctrl"):
                getattr(data, name)[:] = env.simulator._batch.bind(name)[robot]
            mujoco.mj_forward(model, data)
            for index in range(data.ncon):
                mujoco.mj_contactForce(model, data, index, force)
                found.append((-data.contact[index].dist, force[0], abs(data.contact[index].frame[2])))
    env.close()
    depth, normal, vertical = np.array(found).T
    return depth, normal, vertical


def sideways(normal: np.ndarray, vertical: np.ndarray) -> float:
    """The share of contact forces that level ground cannot give."""
    return float(np.sum(normal * np.sqrt(np.clip(1 - vertical**2, 0, None))) / np.sum(normal))


@pytest.mark.parametrize("task", [PLANE, GRID], ids=["plane", "height grid"])
def test_feet_hardly_sink_and_level_ground_pushes_up(task: Task) -> None:
    depth, normal, vertical = contacts(task, "mujoco")
    assert len(depth) > 1000
    assert depth.mean() < 2.5e-3 and np.quantile(depth, 0.95) < 10e-3
    assert sideways(normal, vertical) < 0.1


def test_by_triangles_a_level_grid_is_a_plane() -> None:
    depth, normal, vertical = contacts(GRID, "triangles")
    plane, *_ = contacts(PLANE, "triangles")
    assert len(depth) > 1000
    assert depth.mean() < 1.5e-3 and np.quantile(depth, 0.95) < 6e-3
    assert depth.mean() == pytest.approx(plane.mean(), rel=0.1)
    assert np.quantile(depth, 0.95) == pytest.approx(np.quantile(plane, 0.95), rel=0.1)
    assert sideways(normal, vertical) < 1e-6


@pytest.fixture(autouse=True, scope="module")
def installed() -> None:
    install()


@contextmanager
def not_installed() -> Iterator[None]:
    """MuJoCo's own function back in its place for a while."""
    entry = module._entry()
    ours, entry.value = entry.value, module._installed.before
    try:
        yield
    finally:
        entry.value = ours


def ball(
    heights: np.ndarray, center: np.ndarray, marked: bool = True, change: Callable[[mujoco.MjSpec], None] | None = None
) -> mujoco.MjData:
    """A ball as large as a foot in the middle of a grid with cells of 0.1 m, whose vertex (0, 0) is at 0, 0."""
    rows, columns = heights.shape
    low, high = float(heights.min()), float(heights.max())
    spec = mujoco.MjSpec()
    field = spec.add_hfield(name="ground", nrow=rows, ncol=columns)
    field.size = [(columns - 1) / 20, (rows - 1) / 20, max(high - low, 0.1), 1.0]
    field.userdata = heights.reshape(-1).tolist()
    ground = spec.worldbody.add_geom(
        name="ground", type=mujoco.mjtGeom.mjGEOM_HFIELD, hfieldname="ground", pos=[*field.size[:2], low]
    )
    body = spec.worldbody.add_body(name="ball", pos=center)
    body.add_freejoint()
    sphere = body.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[RADIUS, 0, 0])
    if marked:
        mark(spec, ground, [sphere])
    if change is not None:
        change(spec)
    data = mujoco.MjData(spec.compile())
    mujoco.mj_forward(data.model, data)
    return data


def rough(amplitude: float = 0.1) -> np.ndarray:
    return np.random.default_rng(0).uniform(-amplitude, amplitude, (12, 15)).astype(np.float32)


def found(data: mujoco.MjData) -> np.ndarray:
    """Distance, position and frame of each contact, (C, 13)."""
    return np.column_stack([data.contact.dist, data.contact.pos, data.contact.frame])


def on(heights: np.ndarray, x: float, y: float, up: float) -> np.ndarray:
    """A center that high above the ground."""
    z = ground_height(heights, (0.0, 0.0), 0.1, np.float32([x]), np.float32([y]))[0]
    return np.array([x, y, z + up])


@pytest.mark.parametrize("place", [(0.55, 0.52), (0.5, 0.5), (0.57, 0.5), (0.503, 0.502), (0.55, 0.55)])
def test_a_foot_pressed_into_level_ground_is_pushed_straight_up(place: tuple[float, float]) -> None:
    """In the middle of a triangle, on edges and on a vertex, 4 mm deep."""
    data = ball(np.zeros((12, 15), np.float32), np.array([*place, RADIUS - 0.004]))
    forces = data.efc_force[: data.nefc]
    assert data.ncon == 1 and forces.sum() > 0
    assert data.contact[0].dist == pytest.approx(-0.004) and data.contact[0].frame[2] > math.cos(math.radians(0.1))
    np.testing.assert_allclose(data.contact[0].pos, [*place, -0.002], atol=1e-9)
    pushed = data.qfrc_constraint[:3]
    assert math.hypot(*pushed[:2]) < math.tan(math.radians(0.1)) * pushed[2]


def test_a_foot_in_a_corner_touches_tread_and_riser() -> None:
    heights = np.tile(np.float32(0.2) * (np.arange(15) >= 8), (12, 1))
    data = ball(heights, np.array([0.7 - 0.015, 0.52, 0.028]))
    np.testing.assert_allclose(
        data.contact.frame[:, :3], [[-2 / math.sqrt(5), 0, 1 / math.sqrt(5)], [0, 0, 1]], atol=1e-6
    )
    body = ball(heights, np.array([0.7 - 0.015, 0.52, 0.028]), change=lambda spec: forget(spec))
    assert body.ncon == 1


def forget(spec: mujoco.MjSpec) -> None:
    """That the ball may touch twice."""
    spec.body("ball").geoms[0].userdata = []


def test_above_rough_ground_nothing_is_felt() -> None:
    """1 cm above the highest that is near, robots fall freely, also over vertices and edges."""
    height_map = build(STAIRS.terrain)
    simulator = MujocoSimulator(STAIRS, height_map, 1, threads=1, contact="triangles")
    model = simulator.model
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    geoms = np.nonzero(model.geom_priority > 0)[0]
    offsets, radii = data.geom_xpos[geoms] - data.qpos[:3], model.geom_size[geoms, 0]
    draw = np.random.default_rng(0)
    for x, y in draw.uniform(-7, 7, (40, 2)):
        tops = []
        for offset, radius in zip(offsets, radii):
            around = np.stack(np.meshgrid(*[np.linspace(-radius - 0.1, radius + 0.1, 9)] * 2), axis=-1).reshape(-1, 2)
            at = (np.array([x, y]) + offset[:2] + around).astype(np.float32)
            z = ground_height(height_map.heights, height_map.origin, height_map.cell, at[:, 0], at[:, 1])
            tops.append(z.max() + radius - offset[2])
        data.qpos[:3] = x, y, max(tops) + 0.01
        mujoco.mj_forward(model, data)
        assert data.ncon == 0
        np.testing.assert_allclose(data.qacc[:3], [0, 0, -9.81], atol=1e-6)


def rotated(spec: mujoco.MjSpec) -> None:
    spec.geom("ground").quat = [math.cos(0.1), math.sin(0.1), 0, 0]


def turned(spec: mujoco.MjSpec) -> None:
    spec.geom("ground").quat = [math.cos(0.1), 0, 0, math.sin(0.1)]


def moved(spec: mujoco.MjSpec) -> None:
    spec.geom("ground").pos[0] += 0.01


def higher(spec: mujoco.MjSpec) -> None:
    spec.hfield("ground").size[2] *= 1.1


def of_another_size(spec: mujoco.MjSpec) -> None:
    spec.hfield("ground").size[0] *= 1.1


def with_user_data_of_another(spec: mujoco.MjSpec) -> None:
    spec.nuser_geom = 12


def unmarked(spec: mujoco.MjSpec) -> None:
    """By a user whose numbers happen to be ours, but for the first."""
    spec.geom("ground").userdata = [1.0, *list(spec.geom("ground").userdata)[1:]]


def attached_somewhere_else(spec: mujoco.MjSpec) -> None:
    lone = mujoco.MjSpec()
    field = lone.add_hfield(name="ground", nrow=12, ncol=15)
    field.size, field.userdata = spec.hfield("ground").size, spec.hfield("ground").userdata
    ground = lone.worldbody.add_body(name="floor").add_geom(
        type=mujoco.mjtGeom.mjGEOM_HFIELD, hfieldname="ground", pos=spec.geom("ground").pos
    )
    mark(lone, ground, [])
    spec.delete(spec.geom("ground"))
    spec.worldbody.add_frame(pos=[0, 0, 0.01]).attach_body(lone.body("floor"), "other/", "")


@pytest.mark.parametrize(
    "change",
    [rotated, turned, moved, higher, of_another_size, with_user_data_of_another, unmarked, attached_somewhere_else],
    ids=lambda change: change.__name__,
)
def test_someone_elses_height_field_is_mujocos(change: Callable[[mujoco.MjSpec], None]) -> None:
    heights = rough(0.02)
    center = on(heights, 0.72, 0.53, 0.02)
    data = ball(heights, center, change=change)
    with not_installed():
        before = ball(heights, center, change=change)
    assert data.ncon > 0 and np.array_equal(found(data), found(before))
    assert np.array_equal(data.qacc, before.qacc)


def test_someone_elses_models_are_mujocos() -> None:
    """A height field without any mark, and shapes that are no spheres on one that has it."""
    heights = rough(0.02)
    center = on(heights, 0.72, 0.53, 0.02)

    def box(spec: mujoco.MjSpec) -> None:
        spec.body("ball").geoms[0].type = mujoco.mjtGeom.mjGEOM_BOX
        spec.body("ball").geoms[0].size = [RADIUS] * 3

    for make in (lambda: ball(heights, center, marked=False), lambda: ball(heights, center, change=box)):
        data = make()
        with not_installed():
            before = make()
        assert data.ncon > 1 and np.array_equal(found(data), found(before))


def test_a_marked_height_field_is_not_mujocos() -> None:
    """Or the tests above would show nothing."""
    heights = rough(0.02)
    center = on(heights, 0.72, 0.53, 0.02)
    data = ball(heights, center)
    with not_installed():
        before = ball(heights, center)
    assert data.ncon == 1 and before.ncon > 1


def test_the_mark_survives_copies_and_files(tmp_path: Path) -> None:
    heights = rough(0.02)
    data = ball(heights, on(heights, 0.72, 0.53, 0.02))
    mujoco.mj_saveModel(data.model, str(tmp_path / "model.mjb"), None)
    for model in (copy.copy(data.model), mujoco.MjModel.from_binary_path(str(tmp_path / "model.mjb"))):
        other = mujoco.MjData(model)
        mujoco.mj_forward(model, other)
        assert np.array_equal(found(data), found(other))


def trajectory(robots: int, threads: int, contact: Contact = "triangles", steps: int = 20) -> np.ndarray:
    """Joints and base of robots that fall onto stairs, (steps, robots, 19)."""
    simulator = MujocoSimulator(STAIRS, build(STAIRS.terrain), robots, threads=threads, contact=contact)
    index = np.arange(robots)
    simulator._qpos[:, 0], simulator._qpos[:, 1] = np.sin(index) * 3, np.cos(2 * index) * 3
    simulator._qpos[:, 2] += 0.3
    made = []
    for _ in range(steps):
        simulator.advance(None, np.array([[joint.default for joint in STAIRS.robot.joints]] * robots))
        made.append(np.array(simulator._qpos))
    simulator.close()
    return np.array(made)


def test_threads_and_the_number_of_robots_change_nothing() -> None:
    one, two = trajectory(16, 1), trajectory(16, 2)
    assert np.array_equal(one, two)
    assert np.array_equal(trajectory(1, 1)[:, 0], one[:, 0])
    assert not np.array_equal(trajectory(16, 1, "mujoco"), one)


def test_environments_with_each_contact_live_side_by_side() -> None:
    options: list[Contact] = ["triangles", "mujoco", "triangles"]
    simulators = [MujocoSimulator(GRID, build(GRID.terrain), 2, threads=1, contact=contact) for contact in options]
    for _ in range(30):
        for simulator in simulators:
            simulator.advance(None, np.array([[joint.default for joint in GRID.robot.joints]] * 2))
    simulators[0].close()
    first, other, last = (np.array(simulator._qpos) for simulator in simulators)
    assert np.array_equal(first, last) and not np.array_equal(first, other)
    simulators[2].advance(None, np.array([[joint.default for joint in GRID.robot.joints]] * 2))
    assert np.isfinite(simulators[2]._qpos).all()


def test_what_is_no_number_and_what_is_far_away_breaks_nothing() -> None:
    simulator = MujocoSimulator(GRID, build(GRID.terrain), 4, threads=1, contact="triangles")
    simulator._qpos[0, 0], simulator._qpos[1, 2], simulator._qpos[2, :3] = np.nan, np.nan, (1e9, -1e9, 1e9)
    readout = simulator.advance(None, np.array([[joint.default for joint in GRID.robot.joints]] * 4))[1]
    assert readout.broken[:2].all() and not readout.broken[3]


@pytest.mark.slow
def test_a_step_on_stairs_is_that_of_mjx() -> None:
    """One control step from the states of a rollout: joints within 1e-4 rad, in 95 of 100."""
    pytest.importorskip("mujoco.mjx")
    from locoenvs.benchmarks import parity
    from locoenvs.benchmarks.parity import Driver, one_step, scene

    drivers = [Driver(name, parity.STAIRS, 3, None if name == "mujoco" else "cpu") for name in ("mujoco", "mjx-jax")]
    start, targets = scene("stairs", parity.STAIRS, 3)
    trace = drivers[0].rollout(start, targets)
    found = one_step(drivers[0], drivers[1], trace, targets)
    assert found["states"] == 45 and found["median_rad"] < 1e-5 and found["p95_rad"] < 1e-4


def test_an_unknown_contact_is_refused() -> None:
    with pytest.raises(ValueError, match="contact='spheres': there are 'triangles' and 'mujoco'"):
        LocoVectorEnv(GRID, 1, options={"contact": "spheres"})


def test_it_is_installed_once_however_many_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []

    def slow() -> object:
        counted.append(1)
        time.sleep(0.05)
        return object()

    monkeypatch.setattr(module, "_installed", None)
    monkeypatch.setattr(module, "_install", slow)
    threads = [threading.Thread(target=install) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    install()
    assert len(counted) == 1


def test_installed_over_another_it_still_leaves_others_to_mujoco() -> None:
    """As when the module is loaded twice."""
    entry = module._entry()
    ours = entry.value
    try:
        again = module._install()
        assert again.before == ours and entry.value not in (ours, module._installed.before)
        test_a_marked_height_field_is_not_mujocos()
        test_someone_elses_models_are_mujocos()
    finally:
        entry.value = ours


@pytest.mark.parametrize(
    ("name", "made", "said"),
    [
        ("_FUNCTION", "typedef int (*mjfCollision)(int);", "collision functions take other arguments"),
        ("_DATA", {"geom_xpos": "float*", "geom_xmat": "mjtNum*"}, "mjData.geom_xpos is mjtNum"),
        ("_PRE_CONTACT", {"dist": 8}, "mjPreContact.dist is elsewhere"),
        ("_difference", lambda spec: "a sphere floats", "a sphere floats"),
    ],
)
def test_a_mujoco_that_differs_is_refused(name: str, made: object, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = module._entry()
    before = entry.value
    monkeypatch.setattr(module, name, made)
    monkeypatch.setattr(module, "_installed", None)
    with pytest.raises(ImportError, match=rf"MuJoCo {mujoco.mj_versionString()}: .*{said}.*'contact': 'mujoco'"):
        LocoVectorEnv(GRID, 1, options={"contact": "triangles"})
    assert entry.value == before


def test_offsets_that_lead_elsewhere_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is read through them."""
    offset = module.Header.offset

    def shifted(self: object, struct: str, field: str, declared: str) -> int:
        return offset(self, struct, field, declared) + 8 * (field == "geom_xmat")  # type: ignore[arg-type]

    monkeypatch.setattr(module.Header, "offset", shifted)
    monkeypatch.setattr(module, "_installed", None)
    with pytest.raises(ImportError, match="mjData.geom_xmat is elsewhere"):
        install()


@pytest.mark.parametrize(
    "error", [RuntimeError("cannot cache function: no locator available"), OSError("full"), pickle.UnpicklingError()]
)
def test_without_a_cache_it_is_compiled_again(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    from locoenvs.backends.mujoco import sphere_on_grid

    asked: list[bool] = []

    def compiled(offsets: object, cache: bool) -> object:
        asked.append(cache)
        if cache:
            raise error
        return module._installed.function

    entry = module._entry()
    before = entry.value
    monkeypatch.setattr(sphere_on_grid, "compiled", compiled)
    module._install()
    assert asked == [True, False] and entry.value == before


def run(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_without_numba_it_says_what_to_do_and_a_plane_works() -> None:
    said = run(
        "import sys; sys.modules['numba'] = None\n"
        "import gymnasium, locoenvs\n"
        "gymnasium.make('Loco/AnymalC-Rough-v0', num_envs=1, backend='mujoco', options={'contact': 'mujoco'})\n"
        "gymnasium.make('Loco/AnymalC-Flat-v0', num_envs=1, backend='mujoco')\n"
        "try: gymnasium.make('Loco/AnymalC-Rough-v0', num_envs=1, backend='mujoco')\n"
        "except ImportError as error: print(error)"
    )
    assert "needs numba" in said and "pip install" in said and "options={'contact': 'mujoco'}" in said


def test_a_numba_that_may_not_compile_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("numba.config.DISABLE_JIT", True)
    monkeypatch.setattr(module, "_installed", None)
    with pytest.raises(ImportError, match="unset NUMBA_DISABLE_JIT, or use"):
        install()


@pytest.mark.slow
def test_the_child_of_a_fork_has_it_too() -> None:
    """Whether the parent had installed it before, or had not."""
    run(
        "import os, sys; sys.path.insert(0, 'tests/backends/mujoco')\n"
        "import test_contact\n"
        "for before in (False, True):\n"
        "    if before: test_contact.install()\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        test_contact.install(); test_contact.test_a_marked_height_field_is_not_mujocos()\n"
        "        test_contact.trajectory(2, 2, steps=2); os._exit(0)\n"
        "    assert os.waitpid(child, 0)[1] == 0\n"
        "test_contact.test_a_marked_height_field_is_not_mujocos()"
    )
