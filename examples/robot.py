"""A robot of your own, from its URDF to an environment: three links, one leg, and a suite entry with its weights."""
