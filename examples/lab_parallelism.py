"""A lab: does it matter how many robots learn at once? Two levels of parallelism, the same samples, judged on what is held out."""

import argparse
from pathlib import Path

from locoenvs.evidence.compare import Side, compare
from locoenvs.evidence.failures import archive
from locoenvs.tools.report.page import write_report
from locoenvs.tools.report.source import read
from locoenvs.training.judging import judge
from locoenvs.training.learners import train

HORIZON = 24


def lab(robots, samples, panels, validate_robots, seed):
    """Train once for each number of robots, judge, compare, report."""
    sides, runs = [], [Path(f"runs/lab-{count}") for count in robots]
    for count, run in zip(robots, runs):
        updates = samples // (count * HORIZON)
        asked = {"num_envs": count, "updates": updates, "seed": seed}
        asked |= {"validate_every": max(updates // 5, 1), "validate_robots": validate_robots}
        train("Loco/AnymalC-Flat-v0", recipe="walk", actuator="pd", backend="mujoco", run=str(run), **asked)
        results = judge(run, panels)
        sides.append(Side(f"{count} robots", tuple(results.values())))
        for name, result in results.items():
            found = ", ".join(f"{each} {result.metrics[each].value:.3f}" for each in ("success_rate", "velocity_error"))
            print(f"{count} robots, {updates} updates, {name}: {found}; ended by {result.reset_reasons}")
        for file in (run / "panels").glob("*.failures.npz"):
            print(f"{file}: {archive.load(file).header.every_fall} falls, see locoenvs failures")
    print(compare(*sides).verdict)
    write_report([read(run) for run in runs], Path("runs/lab.html"))
    print("runs/lab.html")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--robots", type=int, nargs=2, default=(512, 2048))
    parser.add_argument("--samples", type=int, default=5_000_000)
    parser.add_argument("--panels", nargs="+", default=["flat", "disturb"])
    parser.add_argument("--validate_robots", type=int)
    parser.add_argument("--seed", type=int, default=0)
    lab(**vars(parser.parse_args()))
