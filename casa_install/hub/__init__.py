"""The notebook hub's settings."""
