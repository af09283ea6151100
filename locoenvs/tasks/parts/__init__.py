"""The parts of a task that have a file of their own; :mod:`locoenvs.tasks.task` puts them together."""
