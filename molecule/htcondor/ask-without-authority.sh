#!/bin/sh
# Prints how the collector answers a client without a token, and one whose token has a wrong signature.
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
export _condor_SEC_CLIENT_AUTHENTICATION_METHODS=IDTOKENS
# A client that can read a key makes itself a token.
export _condor_SEC_PASSWORD_DIRECTORY="$directory" _condor_SEC_TOKEN_SYSTEM_DIRECTORY="$directory" _condor_SEC_TOKEN_DIRECTORY="$directory"

answer=$(condor_status -af Machine 2>&1)
printf 'none: %s %s\n' "$?" "$(printf '%s' "$answer" | grep -o 'SECMAN:[0-9]*' | head -n 1)"

umask 077
sed 's/.\{12\}$/AAAAAAAAAAAA/' /etc/condor/tokens.d/casa-join > "$directory/forged"
answer=$(condor_status -af Machine 2>&1)
printf 'forged: %s %s\n' "$?" "$(printf '%s' "$answer" | grep -o 'AUTHENTICATE:[0-9]*' | head -n 1)"
