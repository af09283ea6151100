"""A trained policy as files, what its numbers mean, and, in ``shipped``, those that come with the suite."""
