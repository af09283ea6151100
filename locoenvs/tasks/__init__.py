"""The task as data: robots, recipes, drives, and the documents that hold them. Knows no arrays and no physics."""
