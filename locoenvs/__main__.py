"""``python -m locoenvs``: the command ``locoenvs``, also where its script is not installed."""

from locoenvs.cli.app import main

main()
