"""A page of the site that would ask another host for anything, a font, a script or a picture, fails the build."""

from __future__ import annotations

import re

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.pages import Page

ASKED = re.compile(r"""<(?:script|link|img|iframe|source|video|audio)\b[^>]*\b(?:src|href)="(https?:)?//[^"]*\"""")


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """The page as it is. Raises PluginError for one that loads something from elsewhere."""
    if (found := ASKED.search(output)) is not None:
        raise PluginError(f"{page.file.src_uri} asks another host: {found[0]}")
    return output
