"""What the reference needs to know of how this project writes: roles in docstrings, and pydantic's dataclasses."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Module, NameResolutionError, Object

ROLE = re.compile(r":(?:class|func|meth|mod|data|attr):`(~?)([\w.]+)`")


class Roles(Extension):
    """Turns Sphinx's roles, such as :class:`Task`, into links, which stay plain code where the reference does not show what they name."""

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


class Dataclasses(Extension):
    """Shows the fields of pydantic's dataclasses with their defaults, as those of the standard library are."""

    def on_module_members(self, *, mod: Module, **_: Any) -> None:
        word = mod.members.get("dataclass")
        if word is not None and word.is_alias and word.target_path == "pydantic.dataclasses.dataclass":
            word.target_path = "dataclasses.dataclass"
