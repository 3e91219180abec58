"""What holds for a cluster of k3s nodes, whoever asks: a role, the check of an inventory, a proof."""
