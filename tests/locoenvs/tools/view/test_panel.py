"""What the fields of the panel ask for."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

import viewed
from locoenvs.envs.vector import LocoVectorEnv
from locoenvs.tools.view.page import Page, serve
from locoenvs.tools.view.session import Session
from locoenvs.tools.view.setup import Setup
from locoenvs.tools.view.viewer import Viewer

pytest.importorskip("mujoco")
pytest.importorskip("onnxruntime")
pytest.importorskip("viser")


@pytest.fixture
def page() -> Iterator[Page]:
    session = Session(viewed.flat().task, viewed.flat())
    made = Page(serve("127.0.0.1", 0), Viewer(session))
    yield made
    session.close()
    made.server.stop()


def moved(handle: Any, value: object) -> None:
    """Do to a handle what the server does when somebody moves it in a browser."""
    handle._impl.value = value
    for heard in handle._impl.update_cb:
        heard(SimpleNamespace(client=object(), target=handle))


def test_a_slider_that_is_dragged_builds_once(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    session, fields, built = page.viewer.session, page.panel._fields, list[Setup]()
    env_of = session._env_of

    def counted(setup: Setup) -> LocoVectorEnv:
        built.append(setup)
        if len(built) == 1:
            moved(fields["friction"], 0.5)  # while it is built
        return env_of(setup)

    monkeypatch.setattr(session, "_env_of", counted)
    for friction in (0.8, 0.7, 0.6):
        moved(fields["friction"], friction)
        moved(fields["delay"], round(100 * friction - 60))
    page.viewer.tick(0.0)
    assert built == [Setup(friction=0.6, delay=0.0)] and session.setup == built[0]
    page.viewer.tick(0.02)
    assert [setup.friction for setup in built] == [0.6, 0.5] and session.setup.friction == 0.5
    page.viewer.tick(0.04)
    assert len(built) == 2


def test_a_value_that_cannot_be_is_taken_back(page: Page) -> None:
    field = page.panel._fields["friction"]
    moved(field, 9.0)
    page.viewer.tick(0.0)
    assert page.viewer.said == "friction 9.0: must be from 0 to 3"
    assert field.value == 0.9 and page.viewer.session.setup == Setup()
