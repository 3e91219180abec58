"""What the HTCondor pool's settings mean, worked out before they are written."""
