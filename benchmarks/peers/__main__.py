"""The command: its exit code is 0 whatever could not be measured, which the result says."""

import tyro

from locoenvs.benchmarks.peers.command import peers

if __name__ == "__main__":
    tyro.cli(peers)
