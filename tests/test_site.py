"""The documentation as a site: it builds strictly, its links that leave docs/ lead to pages, it asks no other host for anything, and a browser
shows it."""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("material", reason="needs the extra docs")
pytest.importorskip("mkdocstrings", reason="needs the extra docs")

from mkdocs.exceptions import PluginError

pytestmark = pytest.mark.xdist_group("site")

ROOT = Path(__file__).parents[1]


def hook(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / "hooks" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240)
    assert built.returncode == 0, built.stderr
    return folder


def test_each_page_is_in_the_site(site: Path) -> None:
    left_out = {"index-page.md"}
    pages = {path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md") if path.name not in left_out}
    for page in pages:
        made = page.with_name("index.html") if page.name == "README.md" else page.with_suffix(".html")
        assert (site / made).is_file(), page
    assert not (site / "hooks").exists()


def test_code_that_pages_link_to_is_shown(site: Path) -> None:
    assert "advantages" in (site / "repository/examples/ppo.py.html").read_text()
    assert "foot_clearance" in (site / "repository/examples/notebooks/your_own_task.ipynb.html").read_text()
    assert "repository/examples/reward_term.py.html" in (site / "your-own-task.html").read_text()
    assert "0.2.0" in (site / "repository/changelog.html").read_text()


def test_the_reference_shows_fields_and_links_what_docstrings_name(site: Path) -> None:
    task = (site / "api/task.html").read_text()
    fields = re.sub(r"<[^>]+>", "", task)
    assert re.search(r"resample_chance: Fraction = 1\.0", fields) and ":class:" not in fields
    assert 'href="task.html#locoenvs.tasks.task.Task"' in (site / "api/environments.html").read_text()


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    """Where the site is served, without a word."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *words: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium to look at the site with")
def test_a_browser_shows_it_at_two_widths_and_finds_words(address: str) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    said, failed, asked = list[str](), list[str](), list[str]()
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for width in (1280, 390):
            shown = browser.new_page(viewport={"width": width, "height": 900})
            shown.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
            shown.on("pageerror", lambda error: said.append(str(error)))
            shown.on("request", lambda request: asked.append(request.url))
            shown.on("requestfailed", lambda request: failed.append(request.url))
            shown.on("response", lambda answer: failed.append(answer.url) if answer.status >= 400 else None)
            for page in ("index.html", "learners/rsl_rl.html"):
                shown.goto(f"{address}/{page}", wait_until="networkidle")
                assert shown.evaluate("document.documentElement.scrollWidth") <= width, (page, width)
                assert shown.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
            if width == 390:
                shown.locator("label.md-header__button[for=__search]").click()
            shown.locator("input.md-search__input").click()
            shown.keyboard.type("curriculum")
            found = shown.locator(".md-search-result__item mark").first
            found.wait_for()
            assert found.inner_text().lower() == "curriculum"
            shown.close()
        browser.close()
    assert (said, failed) == ([], [])
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []


def test_links_are_those_of_the_page_that_has_them() -> None:
    relinked, found = hook("repository_files").relinked, set[str]()
    text = "[a](../examples/ppo.py) [b](panels.md#x) [c](https://x.org) ![d](images/walk.png)\n```python\n[e](none.py)\n```\n"
    made = relinked(text, "docs", "faq.md", found)
    assert made == text.replace("../examples/ppo.py", "repository/examples/ppo.py.md") and found == {"examples/ppo.py"}
    made = relinked("[a](docs/panels.md#x) [b](locoenvs/tasks)", "", "repository/contributing.md", found)
    assert made == "[a](../panels.md#x) [b](locoenvs/tasks.md)"
    with pytest.raises(PluginError, match="leads to nothing: examples/none.py"):
        relinked("[a](../examples/none.py)", "docs", "faq.md", found)


@pytest.mark.parametrize(
    "tag",
    [
        '<link rel="stylesheet" href="https://fonts.googleapis.com/css">',
        '<script src="//cdn.org/x.js">',
        '<img alt="a" src="http://x.org/a.png">',
    ],
)
def test_what_asks_another_host_fails(tag: str) -> None:
    class FakePage:
        class file:
            src_uri = "index.md"

    check = hook("own_host").on_post_page
    assert check('<a href="https://x.org"><img src="images/a.png">', FakePage, None)
    with pytest.raises(PluginError, match="asks another host"):
        check(tag, FakePage, None)
