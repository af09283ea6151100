"""What is drawn besides robots and ground: forces, arrows and height samples, as a browser would be told."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import viewed
from locoenvs.numerics.rotation import heading
from locoenvs.tools.view.scene import FORCE, LEAST_FORCE, SPEED, Scene
from locoenvs.tools.view.session import Session
from locoenvs.tools.view.setup import Setup
from locoenvs.tools.view.viewer import Viewer

pytest.importorskip("mujoco")
pytest.importorskip("onnxruntime")
pytest.importorskip("viser")

from locoenvs.tools.view.page import serve


@pytest.fixture
def scene() -> Iterator[Scene]:
    """Two robots that stand before stairs, the second of which is watched."""
    session = Session(viewed.tiles(), viewed.rough(), 2, Setup("stairs_up", time_limit=False))
    server, viewer = serve("127.0.0.1", 0), Viewer(session)
    viewer.watched = 1
    for _ in range(50):
        session.step()
    yield Scene(server, viewer)
    session.close()
    server.stop()


def test_forces_begin_at_the_feet_and_add_up_to_the_weight(scene: Scene) -> None:
    scene.draw()
    session = scene._viewer.session
    readout, arrows = session.readout, scene._forces.points
    assert scene._forces.visible
    felt = np.linalg.norm(readout.contact_force, axis=-1) > LEAST_FORCE
    assert arrows.shape == (felt.sum(), 2, 3) and felt.any(axis=1).all()
    places, names = session.poses(readout)[0], [body.name for body in session.task.robot.bodies]
    feet = places[:, [names.index(name) for name in session.task.robot.contact_bodies]][felt]
    np.testing.assert_allclose(arrows[:, 0], feet, atol=1e-5)
    along = (arrows[:, 1] - arrows[:, 0]).sum(axis=0)
    assert along[2] == pytest.approx(2 * FORCE, rel=0.2), "two robots that stand"
    scene.forces = False
    scene.draw()
    assert not scene._forces.visible


def test_arrows_show_command_and_velocity_of_the_robot_that_is_watched(scene: Scene) -> None:
    session = scene._viewer.session
    scene.draw()
    assert not scene._command.visible, "it is told to stand"
    session.order = session.order.changed(forward=0.4, sideways=-0.3)
    for _ in range(40):
        session.step()
    scene.draw()
    readout = session.readout
    angle = heading(readout.base_quaternion[1])
    ahead, left = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    own = readout.base_linear_velocity[1, :2]
    for handle, (forward, sideways) in ((scene._command, (0.4, -0.3)), (scene._velocity, own)):
        (begin, end) = handle.points[0]
        assert handle.visible
        np.testing.assert_allclose((end - begin)[:2], SPEED * (forward * ahead + sideways * left), atol=1e-5)
        np.testing.assert_allclose(begin[:2], readout.base_position[1, :2], atol=1e-5)
        assert begin[2] == end[2] > readout.base_position[1, 2] + 0.4
    scene.arrows = False
    scene.draw()
    assert not scene._command.visible and not scene._velocity.visible


def test_samples_lie_on_the_ground_where_the_robot_that_is_watched_is_told_of_it(scene: Scene) -> None:
    scene.draw()
    session = scene._viewer.session
    assert scene._samples.visible and len(scene._samples.points) == len(session.scan(1)) > 0
    np.testing.assert_allclose(scene._samples.points, session.scan(1) + (0, 0, 0.01), atol=1e-5)
    away = np.linalg.norm(scene._samples.points[:, :2] - session.readout.base_position[1, :2], axis=1)
    assert away.max() < 1.5
    scene.samples = False
    scene.draw()
    assert not scene._samples.visible
