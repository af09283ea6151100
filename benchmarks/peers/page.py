"""The result as tables of a Markdown page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- figures: begin, written by python -m locoenvs.benchmarks.peers -->", "<!-- figures: end -->"


def put(page: Path, document: dict[str, Any]) -> None:
    """Write the tables between the page's two marks."""
    head, tail = parts(page)
    page.write_text(f"{head}{BEGIN}\n{figures(document)}{END}{tail}")


def parts(page: Path) -> tuple[str, str]:
    """What stands before and after a page's two marks. Ends the program for a page that has none."""
    head, begin, rest = page.read_text().partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{page} lacks the lines {BEGIN!r} and {END!r}")
    return head, tail


def figures(document: dict[str, Any]) -> str:
    """All tables and what they were measured on."""
    machine = document["hardware"]
    libraries = "; ".join(
        f"{library['name']}: {library['error']}"
        if "error" in library
        else ", ".join(f"{name} {v}" for name, v in library["versions"].items())
        for library in [document, *document["libraries"]]
    )
    sections = [
        f"Measured {document['date'][:10]} on {machine['processor']}, {machine['cores']} cores: {libraries}.",
        "## Control steps a second\n\nOf one robot, with random actions, thousands. In brackets how many times more this project "
        "does on its counterpart, whose row says 1.00.\n\n" + speed(document["environments"]),
        "## What is compared\n\n" + differences(document["environments"]),
    ]
    if document["learning"]:
        sections.append("## With learning\n\n" + learning(document["learning"], document["no_learner"]))
    if document["until_it_walks"]:
        sections.append("## Until it walks\n\n" + walking(document["until_it_walks"]))
    return "\n\n".join(["", *sections, ""])


def speed(rows: Sequence[dict[str, Any]]) -> str:
    """Robots across, names down; what failed is said below."""
    counts = sorted({row["robots"] for row in rows})
    lines = [["", *(f"{count} robots" for count in counts), "MB / 1024 robots"]]
    failures: dict[str, list[str]] = {}
    for name in _names(rows):
        cells = [name]
        for count in counts:
            row: dict[str, Any] = {"error": "was not tried"}
            row = next((one for one in rows if one["name"] == name and one["robots"] == count), row)
            if "error" in row:
                cells.append("-")
                failures.setdefault(f"{name}: {row['error']}", []).append(str(count))
            else:
                ratio = "" if row["ours_to_it"] is None else f" ({row['ours_to_it']:.2f})"
                cells.append(f"{row['control_steps_per_second'] / 1000:.2f}{ratio}")
        memory = next((row["memory_mb_per_1024"] for row in rows if row["name"] == name), None)
        lines.append([*cells, "-" if memory is None else f"{memory:.0f}"])
    notes = [f"- {why} ({', '.join(counts)} robots)" for why, counts in failures.items()]
    return table(lines) + ("\n\nNot measured:\n\n" + "\n".join(notes) if notes else "")


def differences(rows: Sequence[dict[str, Any]]) -> str:
    """What each simulates."""
    lines = [["", "physics step, ms", "steps a control step", "shapes that touch", "observation", "differs"]]
    for name in _names(rows):
        same = [row for row in rows if row["name"] == name]
        row = next((row for row in same if "error" not in row), same[0])
        step = "-" if row["physics_seconds"] is None else f"{1000 * row['physics_seconds']:g}"
        numbers = ["-" if row[key] is None else str(row[key]) for key in ("physics_steps", "touching", "observation")]
        lines.append([name, step, *numbers, row["differs"]])
    return table(lines)


def learning(rows: Sequence[dict[str, Any]], without: dict[str, str]) -> str:
    """Samples a second, and what an update's time goes to."""
    one = rows[0]
    text = (
        f"PPO on the CPU, {one['robots']} robots x {one['horizon']} control steps an update, networks of "
        f"{'-'.join(map(str, one['hidden']))}, {one['epochs']} epochs of {one['minibatches']} minibatches.\n\n"
    )
    lines = [["", "samples/s", "ours / it", "collecting, s", "learning, s", "differs"]]
    for row in rows:
        if "error" in row:
            lines.append([row["name"], "-", "-", "-", "-", f"not measured: {row['error']}"])
            continue
        ratio = "-" if row["ours_to_it"] is None else f"{row['ours_to_it']:.2f}"
        parts = [f"{seconds:.2f}" for seconds in row["seconds_of_an_update"].values()]
        lines.append([row["name"], f"{row['samples_per_second']:.0f}", ratio, *parts, row["differs"]])
    return text + table(lines) + "\n\n" + "\n".join(f"- {name} {why}." for name, why in without.items())


def walking(rows: Sequence[dict[str, Any]]) -> str:
    """This project's kept trainings against the held-out panel's bar."""
    measured = ["falls, %", "velocity error, m/s", "yaw-rate error, rad/s"]
    lines = [["run", "learner", "minutes", "M samples", *measured, "bar met", "on"]]
    for row in rows:
        if "error" in row:
            lines.append([row["run"], *["-"] * 6, "-", row["error"]])
            continue
        metrics = [f"{100 * row['falls']:.1f}", f"{row['velocity_error']:.3f}", f"{row['yaw_rate_error']:.3f}"]
        machine = f"{row['hardware']['processor']}, {row['hardware']['cores']} cores"
        cells = [row["run"], row["learner"], f"{row['minutes']:.0f}", f"{row['samples'] / 1e6:.1f}", *metrics]
        lines.append([*cells, "yes" if row["meets_the_bar"] else "no", machine])
    return table(lines)


def table(lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first line is its head."""
    rows = ["| " + " | ".join(cell.replace("|", "/") for cell in line) + " |" for line in lines]
    return "\n".join([rows[0], "|" + "---|" * len(lines[0]), *rows[1:]])


def _names(rows: Sequence[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(row["name"] for row in rows))
