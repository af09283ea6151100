"""``python -m locoenvs``: the command ``locoenvs``, also where its script is not installed."""

from locoenvs.cli import main

main()
