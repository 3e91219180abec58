#!/bin/sh
# Makes tokens that the pool must not accept and prints, for each, what a daemon answers to a client that shows it.
# Runs where the keys are. Arguments: type of daemon, name of the key.
type=$1 key=$2
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
mkdir -m 0700 "$directory/none" "$directory/shown" "$directory/foreign"
umask 077
trust=$(condor_config_val TRUST_DOMAIN) users=$(condor_config_val UID_DOMAIN)

# Without a look at the keys: a client that can read one makes itself a token.
ask() {
    _condor_SEC_CLIENT_AUTHENTICATION_METHODS=IDTOKENS _condor_SEC_PASSWORD_DIRECTORY="$directory/none" \
    _condor_SEC_TOKEN_SYSTEM_DIRECTORY="$directory/shown" _condor_SEC_TOKEN_DIRECTORY="$directory/shown" \
        condor_ping -type "$type" -verbose "$1" 2>&1
}

# shown NAME LEVEL ARGUMENT...: makes a token with the arguments and asks for the level.
shown() {
    name=$1 level=$2
    shift 2
    condor_token_create -key "$key" "$@" > "$directory/shown/token"
    if [ "$name" = expired ]; then sleep 2; fi
    answer=$(ask "$level")
    if printf %s "$answer" | grep -q 'Authorized: *TRUE'; then
        echo "$name $level: TRUE"
    elif printf %s "$answer" | grep -q 'Authorized: *FALSE'; then
        echo "$name $level: FALSE"
    else
        echo "$name $level: $(printf %s "$answer" | grep -o 'AUTHENTICATE:[0-9]*\|SECMAN:[0-9]*' | sort -u | tr '\n' ' ' | sed 's/ $//')"
    fi
}

shown good READ -identity "somebody@$users" -lifetime 600
shown good ADMINISTRATOR -identity "somebody@$users" -lifetime 600
shown narrow WRITE -identity "somebody@$users" -lifetime 600 -authz READ
shown expired READ -identity "somebody@$users" -lifetime 1
shown endless READ -identity "somebody@$users"
shown daemon READ -identity "condor@$users" -lifetime 600
shown daemon READ -identity "condor@$trust" -lifetime 600
shown root READ -identity "root@$users" -lifetime 600
shown overscoped DAEMON -identity "ep-ep1.casa.test@$trust" -lifetime 600
shown overscoped ADVERTISE_SCHEDD -identity "ep-ep1.casa.test@$trust" -lifetime 600
shown wrong-subject ADVERTISE_STARTD -identity "ep1.casa.test@$trust" -lifetime 600 -authz ADVERTISE_STARTD

head -c 48 /dev/urandom | base64 -w 0 > "$directory/foreign/$key"
export _condor_SEC_PASSWORD_DIRECTORY="$directory/foreign" _condor_SEC_PASSWORD_FILE="$directory/foreign/$key"
shown other-key READ -identity "somebody@$users" -lifetime 600
export _condor_TRUST_DOMAIN=other.test
condor_token_create -key "$key" -identity "somebody@$users" -lifetime 600 > "$directory/shown/token"
unset _condor_TRUST_DOMAIN
echo "other-pool READ: $(ask READ | grep -o 'AUTHENTICATE:[0-9]*\|SECMAN:[0-9]*' | sort -u | tr '\n' ' ' | sed 's/ $//')"
