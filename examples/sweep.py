"""Sweep the weight of a reward term: train with each, choose on validation streams, judge the chosen one on what is held out.

python sweep.py --weights -0.005 -0.01 -0.05
"""

import argparse
from pathlib import Path

from locoenvs.tools.report.page import write_report
from locoenvs.tools.report.source import read
from locoenvs.training.judging import judge
from locoenvs.training.learners import train

ENV, TERM = "Loco/AnymalC-Flat-v0", "action_rate"

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=float, nargs="+", default=[-0.005, -0.01, -0.05])
    parser.add_argument("--updates", type=int, default=300)
    parser.add_argument("--num_envs", type=int, default=512)
    parser.add_argument("--validate_robots", type=int, default=256)
    parser.add_argument("--panel", default="flat")
    arguments = parser.parse_args()

    runs = {}
    for weight in arguments.weights:
        changes = {f"rewards.terms.{TERM}.weight": weight}
        size = {"num_envs": arguments.num_envs, "updates": arguments.updates}
        validated = {"validate_every": arguments.updates, "validate_robots": arguments.validate_robots}
        run = f"runs/{TERM}{weight}"
        folder = train(ENV, recipe="walk", actuator="pd", changes=changes, run=run, **size, **validated)
        runs[folder] = [line["metrics"] for line in read(folder).records if line["kind"] == "validation"][-1]
        print(weight, {name: round(runs[folder][name], 3) for name in ("fall_rate", "velocity_error")})
    chosen = min(runs, key=lambda folder: (runs[folder]["fall_rate"], runs[folder]["velocity_error"]))
    judged = judge(chosen, [arguments.panel])[
        arguments.panel
    ].metrics  # once: whoever chooses by what is held out holds nothing out
    print(
        f"chosen: {chosen}, held out { ({name: round(judged[name].value, 3) for name in ('fall_rate', 'velocity_error')}) }"
    )
    write_report([read(folder) for folder in runs], Path("runs/sweep.html"))
    print("runs/sweep.html")
