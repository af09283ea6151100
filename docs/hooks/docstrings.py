"""Docstrings of the code name other things by Sphinx's roles, such as :class:`Task`: here these become links."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, NameResolutionError, Object

ROLE = re.compile(r":(?:class|func|meth|mod|data|attr):`(~?)([\w.]+)`")


class Roles(Extension):
    """Turns roles into cross-references, which stay plain code where the reference does not show what they name."""

    def on_instance(self, *, obj: Object, **_: Any) -> None:
        if obj.docstring is None:
            return

        def link(match: re.Match[str]) -> str:
            short, name = match.groups()
            try:
                whole = obj.resolve(name) if "." not in name else name
            except NameResolutionError:
                whole = name
            shown = name.rpartition(".")[2] if short else name
            return f'<autoref optional identifier="{whole}"><code>{shown}</code></autoref>'

        obj.docstring.value = ROLE.sub(link, obj.docstring.value)
