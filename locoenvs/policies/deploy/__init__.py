"""A policy outside of this package: the folder that ``locoenvs export`` writes, what runs it on a robot, and its log."""
