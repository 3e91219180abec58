#!/bin/sh
# Takes the provider's settings from standard input; restarts it, which logs everybody out, only when they differ.
set -eu
settings=/etc/lab-issuer/login/login.json
umask 077
cat > "$settings.new"
chown lab-issuer: "$settings.new"
if cmp -s "$settings.new" "$settings"; then
    rm "$settings.new"
else
    mv "$settings.new" "$settings"
    systemctl restart lab-login
fi
