"""X.509 for a site's own small certificate authority. Pure: no files, no Ansible, no clock of its own."""
