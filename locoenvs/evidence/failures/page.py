"""The page of an evaluation's falls: one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence

import numpy as np

from locoenvs.evidence.failures.archive import Archive
from locoenvs.evidence.failures.causes import Fall, Kind
from locoenvs.evidence.failures.strips import Strip

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 80rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.5rem; border-top: 1px solid #ccc; padding-top: 1rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { text-align: left; padding: .25rem .8rem .25rem 0; vertical-align: top; } th { border-bottom: 1px solid #888; }
figure { margin: 1rem 0 1.5rem; } figure div { overflow-x: auto; } img { display: block; height: 144px; width: auto; max-width: none; }
figcaption { font-size: .9rem; color: #333; } code { background: #f0f0f0; padding: 0 .25rem; overflow-wrap: anywhere; }
"""


def page(archive: Archive, groups: Sequence[Kind], strips: Mapping[int, Strip], result: str) -> str:
    """The page of ``groups`` of falls, with the ``strips`` of some robots; ``result`` is the file that commands name."""
    header, panel = archive.header, archive.panel
    exact = sum(strip.exact for strip in strips.values())
    intro = [
        f"{header.every_fall} of {panel.num_robots} robots fell on panel {panel.name} ({panel.hash}), {header.backend}, "
        f"policy {header.policy_sha256[:12]}. States of {len(header.falls)} of them were kept."
    ]
    if strips:
        intro.append(
            f"Pictures are of replays; {exact} of {len(strips)} were the same as the evaluation, bit by bit. Time runs to the right."
        )
    rows = [
        f'<tr><td>{len(group.falls)}</td><td>{_text(group.kind)}</td><td><a href="#group-{index}">{_text(group.cause)}</a></td>'
        f"<td>{_text(group.words)}</td></tr>"
        for index, group in enumerate(groups)
    ]
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Falls on {_text(panel.name)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>Falls on {_text(panel.name)}</h1>",
        *(f"<p>{_text(line)}</p>" for line in intro),
        "<table><tr><th>falls</th><th>ground</th><th>what happened</th><th></th></tr>",
        *rows,
        "</table>",
    ]
    for index, group in enumerate(groups):
        parts.append(f'<h2 id="group-{index}">{_text(group.kind)}: {_text(group.cause)}</h2>')
        parts += [_figure(fall, strips[fall.robot], result) for fall in group.falls if fall.robot in strips]
        rest = [str(fall.robot) for fall in group.falls if fall.robot not in strips]
        if rest:
            parts.append(f"<p>Not shown: robot{'s' if len(rest) > 1 else ''} {', '.join(rest)}.</p>")
    return "\n".join([*parts, "</body></html>"]) + "\n"


def _figure(fall: Fall, strip: Strip, result: str) -> str:
    picture = base64.b64encode(jpeg(strip.picture)).decode()
    words = f"Robot {fall.robot}: {fall.words}." + ("" if strip.exact else " The replay was not the same bit by bit.")
    height, width = strip.picture.shape[:2]
    return (
        f'<figure><div><img src="data:image/jpeg;base64,{picture}" width="{width}" height="{height}" '
        f'alt="The fall of robot {fall.robot}, picture by picture"></div>'
        f"<figcaption>{_text(words)} <code>locoenvs replay {_text(result)} --robot {fall.robot}</code></figcaption></figure>"
    )


def jpeg(picture: np.ndarray) -> bytes:
    """A picture (height, width, 3) uint8 as a file's bytes."""
    from PIL import Image

    packed = io.BytesIO()
    Image.fromarray(picture).save(packed, "JPEG", quality=82)
    return packed.getvalue()


def _text(value: str) -> str:
    return html.escape(value)
