"""Sweep the weight of a reward term: train with each, judge all on the same held-out robots, and put them side by side.

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
    parser.add_argument("--panel", default="flat")
    given = parser.parse_args()

    runs = []
    for weight in given.weights:
        changes = {f"rewards.terms.{TERM}.weight": weight}
        size = {"num_envs": given.num_envs, "updates": given.updates}
        run = f"runs/{TERM}{weight}"
        runs.append(train(ENV, recipe="walk", actuator="pd", changes=changes, run=run, **size))
        metrics = judge(runs[-1], [given.panel])[given.panel].metrics
        wanted = ("fall_rate", "velocity_error", "cost_of_transport")
        print(weight, {name: round(metrics[name].value, 3) for name in wanted})
    write_report([read(run) for run in runs], Path("runs/sweep.html"))
    print("runs/sweep.html")
