"""What casa_state does on a managed host. Standard library only, Python 3.9 syntax: EL 9 runs it."""
