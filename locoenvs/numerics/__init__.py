"""Arrays of any library: which one it is, compiled kernels behind its formulas, random numbers, rotations."""
