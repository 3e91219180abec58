"""What is installed and comes from no package repository: which versions, from where, and proof of it."""
