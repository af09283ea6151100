"""The command: its exit code is 3 while something is left to do."""

import sys

import tyro

from locoenvs.benchmarks.gpu.command import gpu

if __name__ == "__main__":
    sys.exit(0 if tyro.cli(gpu) else 3)
