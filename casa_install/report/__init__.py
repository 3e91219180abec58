"""Everything that people or machines read: progress, failure cards, tables, JSON."""
