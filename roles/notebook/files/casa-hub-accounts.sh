#!/bin/sh
# Lists which account each identity has, and joins identities of one person: casa-hub-accounts [list|join ...].
exec env PYTHONPATH=/usr/local/lib/casa-hub PYTHONDONTWRITEBYTECODE=1 /opt/casa/hub/current/bin/python -m casa_hub.command "$@"
