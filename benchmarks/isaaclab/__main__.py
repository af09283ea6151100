"""The command: its exit code is 1 if a part fails."""

import tyro

from locoenvs.benchmarks.isaaclab.command import main

if __name__ == "__main__":
    tyro.cli(main)
