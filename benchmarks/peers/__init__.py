"""This project beside others, on one machine in one run.

::

    python -m locoenvs.benchmarks.peers --out benchmarks/results/peers.json --page docs/peers.md

Each peer is installed from PyPI into an environment of its own, once, and runs there in processes of its own; what cannot be
installed or run is in the result as the reason why. Everyone who can do a number of robots makes them, then takes turns at
stepping them with random actions, so that all see the same machine; the others sleep meanwhile. Figures are medians over the
turns, and so are the ratios of the turns. What is not comparable stands beside every figure.

With learning: PPO with the same numbers for all who have one on the CPU. Minutes until it walks are those of trainings that
were made before, by ``make walk`` or :mod:`..learners`, with the machine that each was made on.
"""
