#!/bin/sh
# Runs once on the origin, after the lab has put its files there.
set -eu

id lab-issuer >/dev/null 2>&1 || useradd --system --no-create-home --shell /usr/sbin/nologin lab-issuer
chown -R lab-issuer: /etc/lab-issuer
chown -R xrootd: /etc/xrootd/lab
chmod 0400 /etc/lab-issuer/*/key.pem /etc/lab-issuer/tls/key.pem /etc/xrootd/lab/key.pem
# The token plugin asks the issuer for its keys with the system's own trust store.
cp /etc/xrootd/lab/ca.pem /usr/local/share/ca-certificates/lab.crt
update-ca-certificates >/dev/null 2>&1

# The same bytes in every lab, incompressible, and made here: AES of zeros in counter mode.
make_file() {
    key=$(printf '%s' "$1" | sha256sum | cut -c1-32)
    [ -e "$1" ] || openssl enc -aes-128-ctr -K "$key" -iv 0 -in /dev/zero 2>/dev/null | head -c "$2" > "$1.new"
    [ -e "$1" ] || mv "$1.new" "$1"
}
cd /srv/origin/store/lab
make_file large.bin 500000000
for part in 0 1 2 3 4 5 6 7; do
    make_file "part-$part.bin" 32000000
done
chmod 0644 ./*
for file in *; do
    case $file in *.adler32 | *.sha256) continue ;; esac
    [ -e "$file.sha256" ] || sha256sum "$file" > "$file.sha256"
    [ -e "$file.adler32" ] || xrdadler32 "$file" | cut -d' ' -f1 > "$file.adler32"
done
mkdir -p /srv/origin/private
echo 'outside the namespace' > /srv/origin/private/secret

systemctl daemon-reload
systemctl --quiet enable --now lab-issuer@site lab-issuer@foreign lab-login xrootd@lab xrootd@labtoken
touch /etc/lab-issuer/ready
