"""Machines made of systemd containers on this computer."""
