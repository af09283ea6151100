"""The page of an evaluation's falls: one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import numpy as np

from locoenvs import install
from locoenvs.evidence.failures.archive import Archive
from locoenvs.evidence.failures.causes import Fall, Kind
from locoenvs.evidence.failures.strips import Strip


def page(archive: Archive, groups: Sequence[Kind], strips: Mapping[int, Strip], result: str) -> str:
    """The page of ``groups`` of falls, with the ``strips`` of some robots; ``result`` is the file that commands name.

    Raises ImportError where jinja2 is missing.
    """
    shown = [
        {
            "kind": group.kind,
            "cause": group.cause,
            "words": group.words,
            "falls": len(group.falls),
            "strips": [_strip(fall, strips[fall.robot]) for fall in group.falls if fall.robot in strips],
            "rest": [fall.robot for fall in group.falls if fall.robot not in strips],
        }
        for group in groups
    ]
    return template("locoenvs.evidence.failures", "page.html").render(
        header=archive.header,
        panel=archive.panel,
        kept=len(archive.header.falls),
        strips=len(strips),
        exact=sum(strip.exact for strip in strips.values()),
        groups=shown,
        result=result,
    )


def template(package: str, file: str) -> Any:
    """A page's jinja2 template. Raises ImportError where jinja2 is missing."""
    try:
        import jinja2
    except ImportError as error:
        raise ImportError(f"a page needs jinja2: {install.line('viz')}") from error
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    return environment.from_string(resources.files(package).joinpath(file).read_text("utf-8"))


def embedded(picture: np.ndarray) -> str:
    """A picture (height, width, 3) uint8 as the address that a page shows it by."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg(picture)).decode()}"


def _strip(fall: Fall, strip: Strip) -> dict[str, Any]:
    height, width = strip.picture.shape[:2]
    said = {"robot": fall.robot, "words": fall.words, "exact": strip.exact}
    return {**said, "picture": embedded(strip.picture), "width": width, "height": height}


def jpeg(picture: np.ndarray) -> bytes:
    """A picture (height, width, 3) uint8 as a file's bytes."""
    from PIL import Image

    packed = io.BytesIO()
    Image.fromarray(picture).save(packed, "JPEG", quality=82)
    return packed.getvalue()
