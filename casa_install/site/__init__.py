"""A site as its admin wrote it: inventory and variables read with their positions, and checked."""
