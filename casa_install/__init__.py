"""casa-install turns a Tier-3 site's own machines into an analysis facility in the manner of coffea-casa."""

__version__ = "0.1.0"
