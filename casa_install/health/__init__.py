"""Whether a site works, as its hosts and its pool say: `status` looks, `verify` tries."""
