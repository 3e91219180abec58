"""The only place that starts Ansible: settings, events in, journal out, locks, interrupt."""
