"""In a browser: the page loads, drives and pushes, by itself."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import viewed
from locoenvs.tools.view.page import Page, serve
from locoenvs.tools.view.session import Session
from locoenvs.tools.view.setup import Setup
from locoenvs.tools.view.viewer import Viewer

pytest.importorskip("mujoco")
pytest.importorskip("onnxruntime")
pytest.importorskip("viser")

CHROMIUM = shutil.which("chromium")
PATIENCE = 60.0
"""s: a browser without a graphics card is slow."""


@pytest.fixture
def page() -> Iterator[Page]:
    """Two robots before stairs, and the thread that keeps the page going."""
    session = Session(viewed.tiles(), viewed.rough(), 2, Setup("stairs_up"))
    made = Page(serve("127.0.0.1", 0), Viewer(session))
    stop = threading.Event()
    thread = threading.Thread(target=made.run, args=(stop,))
    thread.start()
    yield made
    stop.set()
    thread.join()
    session.close()
    made.server.stop()


def until(condition: Callable[[], Any]) -> None:
    """Wait for it."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def test_nobody_looks_and_the_robots_are_there_all_the_same(page: Page) -> None:
    until(lambda: page.viewer.session.steps > 5)
    assert len(page.scene._ground) > 4 and page.scene._parts
    page.viewer.post(lambda: page.viewer.session.change(Setup("plane")))
    until(lambda: page.viewer.session.env.task.terrain.kind == "plane")
    steps = page.viewer.session.steps
    until(lambda: page.viewer.session.steps > steps + 5)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium to look at the viewer with")
def test_a_browser_shows_it_drives_and_pushes(page: Page) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    viewer, session, url = page.viewer, page.viewer.session, f"http://127.0.0.1:{page.server.get_port()}"
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        shown = browser.new_page(viewport={"width": 800, "height": 300})
        said, asked = [], []
        shown.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        shown.on("pageerror", lambda error: said.append(str(error)))
        shown.on("request", lambda request: asked.append(request.url))
        shown.goto(url)
        shown.get_by_text("forward, m/s").wait_for(timeout=1000 * PATIENCE)
        until(page.server.get_clients)

        shown.locator("#bars-rewards").get_by_text("linear velocity tracking").wait_for()
        assert shown.locator("#bars-rewards > div").count() == len(session.env.mdp.reward_terms)

        before = session.readout.base_position[0, :2]
        slider(shown, "forward, m/s").press("End")
        until(lambda: session.order.forward == 1.5)
        until(lambda: np.linalg.norm(session.readout.base_position[0, :2] - before) > 0.3)
        told = [float(number) for number in shown.locator("#place").inner_text().split()]
        assert np.linalg.norm(np.array(told) - session.readout.base_position[0]) < 3.0

        viewer.post(viewer.pause)
        until(lambda: viewer.clock.paused)
        velocity = session.readout.base_linear_velocity[0]
        shown.get_by_role("button", name="left", exact=True).click()
        until(lambda: viewer.said == "pushed by 1 m/s")
        change = session.readout.base_linear_velocity[0] - velocity
        assert np.linalg.norm(change) == pytest.approx(1.0, rel=1e-3)

        velocity = session.readout.base_linear_velocity[0]
        notes = shown.locator(".mantine-Notification-closeButton")  # that there is no graphics card
        for note in notes.all():
            note.click()
        until(lambda: notes.count() == 0)
        shown.mouse.move(400, 150)  # the robot that is watched is in the middle
        shown.mouse.click(400, 150, delay=300)
        until(lambda: viewer.said == "pushed robot 0 by 1 m/s")
        assert np.linalg.norm(session.readout.base_linear_velocity[0] - velocity) == pytest.approx(1.0, rel=1e-3)

        steps = session.steps
        shown.keyboard.press("Enter")
        until(lambda: session.steps == steps + 1)

        second = browser.new_page(viewport={"width": 400, "height": 200})
        second.goto(url)
        until(lambda: len(page.server.get_clients()) == 2)
        second.close()
        shown.reload()
        until(lambda: len(page.server.get_clients()) == 1)
        until(lambda: shown.locator("#bars-rewards").count() == 1)
        assert said == []
        assert all(each.startswith((url, "data:", "blob:")) for each in asked)
        browser.close()


def slider(shown: Any, label: str) -> Any:
    """The handle of the slider with that label."""
    row = shown.get_by_text(label, exact=True).locator("xpath=ancestor::*[.//*[@role='slider']][1]")
    handle = row.locator("[role=slider]").first
    handle.focus()
    return handle
