"""Making and checking robots and drives from files."""
