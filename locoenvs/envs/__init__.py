"""The Gymnasium faces of a task on a backend: a batch, one robot, pure functions for JAX, and the ids."""
