# Prints settings of others (file:line:text) that let hosts in by their address alone. Ends with 0 however many there are.
# Arguments: directories with HTCondor's configuration.
name='(HOSTALLOW_[A-Z_]+|SEC_[A-Z]+_AUTHENTICATION|ALLOW_(WRITE|DAEMON|NEGOTIATOR|ADMINISTRATOR|CONFIG|OWNER|ADVERTISE_[A-Z]+))'
grep -rniE --exclude='*-casa-*' --exclude-dir=passwords.d --exclude-dir=tokens.d \
    -e '^[[:space:]]*use[[:space:]]+security[[:space:]]*:.*host_based' \
    -e "^[[:space:]]*$name[[:space:]]*=" "$@" 2>/dev/null |
    # A name with `@` is a person's, and `*` stands for everybody who has proved who he is.
    grep -iE -e ':[[:space:]]*use[[:space:]]' -e ':[[:space:]]*HOSTALLOW' -e 'AUTHENTICATION[[:space:]]*=[[:space:]]*NEVER' \
        -e ':[[:space:]]*ALLOW_[A-Z_]+[[:space:]]*=(.*[[:space:],])?([A-Za-z0-9*-]+\.|[$]\((CONDOR_HOST|FULL_HOSTNAME|IP_ADDRESS)\))[^@,[:space:]]*([[:space:],]|$)' ||
    true
