"""Links that leave docs/ work in the site too: what they name becomes a page of the site.

A page says ``[a reward term](../examples/reward_term.py)``, which a git host follows. Here the file becomes a page that shows its
code, a folder one that lists its files, and a page of Markdown of the root, such as the changelog, a page as any other. A link to
what is not there fails the build.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
FOLDER = "repository"
"""Where these pages lie in the site."""

LINK = re.compile(r"(?<=\]\()(?!https?:|#|mailto:)([^)#\s]+)")
LANGUAGES = {".py": "python", ".toml": "toml", ".json": "json", "": "bash"}
MARKDOWN = {
    name: f"{FOLDER}/{page}.md"
    for name, page in (
        ("CHANGELOG.md", "changelog"),
        ("CONTRIBUTING.md", "contributing"),
        ("examples/README.md", "examples/by-wish"),
    )
}
"""Files of Markdown outside docs/, and the pages that show them."""


def page_of(path: str) -> str:
    """Where a file or folder of the repository is shown, within docs/; itself if it lies there."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return MARKDOWN.get(path, f"{FOLDER}/{path}.md")


def relinked(text: str, folder: str, page: str, found: set[str]) -> str:
    """``text`` of a file in ``folder`` of the repository, with its links as the site's ``page`` needs them; ``found`` gets what is outside docs/."""

    def link(match: re.Match[str]) -> str:
        target = os.path.normpath(os.path.join(folder, match[1]))
        if not (ROOT / target).exists():
            raise PluginError(f"{folder}/: the link to {match[1]} leads to nothing: {target}")
        if not target.startswith("docs/"):
            found.add(target)
        return os.path.relpath(page_of(target), os.path.dirname(page))

    outside_code = re.split(r"(^```.*?^```)", text, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if part.startswith("```") else LINK.sub(link, part) for part in outside_code)


def content_of(path: str, found: set[str]) -> str:
    """The Markdown that shows a file or a folder of the repository."""
    place = ROOT / path
    if path in MARKDOWN:
        return relinked(place.read_text(), os.path.dirname(path), page_of(path), found)
    if place.is_dir():
        names = sorted(each.name + "/" * each.is_dir() for each in place.iterdir() if each.name[0] not in "._")
        return f"# {path}/\n\n" + "\n".join(f"- `{name}`" for name in names)
    if place.suffix == ".ipynb":
        cells = [(cell["cell_type"], "".join(cell["source"])) for cell in json.loads(place.read_text())["cells"]]
        return "\n\n".join(text if kind == "markdown" else f"```python\n{text}\n```" for kind, text in cells)
    return f"# {path}\n\n```{LANGUAGES[place.suffix]}\n{place.read_text()}```\n"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each file of the repository that the pages link to."""
    waiting = set(MARKDOWN)
    for file in list(files.documentation_pages()):
        relinked(
            Path(file.abs_src_path or "").read_text(), os.path.dirname(f"docs/{file.src_uri}"), file.src_uri, waiting
        )
    done = set[str]()
    while waiting - done:
        path = (waiting - done).pop()
        shown = InclusionLevel.UNDEFINED if path in MARKDOWN else InclusionLevel.NOT_IN_NAV
        files.append(File.generated(config, page_of(path), content=content_of(path, waiting), inclusion=shown))
        done.add(path)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links of a page that leave docs/ to the pages of :func:`on_files`."""
    if page.file.src_uri.startswith(FOLDER):
        return markdown
    return relinked(markdown, os.path.dirname(f"docs/{page.file.src_uri}"), page.file.src_uri, set())
