"""The command line."""

from locoenvs.cli.app import main

__all__ = ["main"]
