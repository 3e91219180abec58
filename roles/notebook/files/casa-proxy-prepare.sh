#!/bin/sh
# Gives the proxy, which is not root, its own copies of what only root may read: casa-proxy-prepare CERTIFICATE KEY.
# They live in memory. The proxy's unit runs it before each start and each reload.
set -eu
umask 077
to=/run/casa-proxy-secrets
if [ -L "$to" ]; then
    echo "casa-proxy-prepare: $to is a link" >&2
    exit 1
fi
mkdir -p "$to"
chown root:casa-proxy "$to"
chmod 0750 "$to"
install -o root -g casa-proxy -m 0640 "$1" "$to/cert.pem"
install -o root -g casa-proxy -m 0640 "$2" "$to/key.pem"
install -o root -g casa-proxy -m 0640 /etc/casa-hub/secrets/proxy_token "$to/token"
