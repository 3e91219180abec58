"""Everything that people or machines read."""
