"""A report of training runs as one HTML file that needs nothing beside it."""
