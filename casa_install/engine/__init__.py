"""The only place that starts ansible-runner."""
