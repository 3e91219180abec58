# Asks the manager of somebody else's pool for a join token, after looking at that pool without changing anything there.
# Prints three lines: the number of the request, the manager's version, the fingerprint of its certificate. Ends with 1
# and the reason where joining cannot work. The request waits in a unit of its own, so that it outlives this run.
# Arguments: pool, trust domain, wanted fingerprint or empty, subject, lifetime in seconds, name of the token's file,
# each authority.
pool=$1 domain=$2 wanted=$3 subject=$4 lifetime=$5 name=$6
shift 6
unit=casa-token-request output=/run/casa-token-request known=/etc/condor/known_hosts

refuse() { echo "$1" >&2; exit 1; }
number() { sed -n 's/.*approve request \([0-9]*\).*/\1/p' "$output" 2>/dev/null; }

# As a stranger: what anybody may ask.
anybody() {
    _condor_SEC_CLIENT_AUTHENTICATION=NEVER _condor_SEC_CLIENT_ENCRYPTION=OPTIONAL _condor_SEC_CLIENT_INTEGRITY=OPTIONAL "$@"
}
# As one who wants to be sure who answers. HTCondor then notes the certificate of a manager that it has not seen before,
# except with -debug, where it looks for its notes as another user.
securely() {
    _condor_SEC_CLIENT_AUTHENTICATION_METHODS=SSL _condor_SEC_CLIENT_AUTHENTICATION=REQUIRED _condor_BOOTSTRAP_SSL_SERVER_TRUST=true "$@"
}
fingerprint() {
    awk -v host="${pool%%:*}" '$1 == host && $2 == "SSL" {print $3}' "$known" 2>/dev/null | tail -n 1 | base64 -d | sha256sum | cut -d ' ' -f 1
}

securely condor_ping -pool "$pool" -type collector READ >/dev/null 2>&1
# Both ends say their trust domain when they begin to talk.
asked=$(_condor_TRUST_DOMAIN=casa-install-asks _condor_TOOL_DEBUG=D_SECURITY:2 \
    securely condor_ping -debug -pool "$pool" -type collector READ 2>&1)
theirs=$(echo "$asked" | sed -n 's/.*TrustDomain = "\(.*\)"/\1/p' | grep -v '^casa-install-asks$' | tail -n 1)
[ -n "$theirs" ] || refuse "$pool does not answer as an HTCondor collector: is the name right, and does a firewall keep port 9618 closed?"
[ "$theirs" = "$domain" ] || refuse "the pool of $pool has the trust domain $theirs, but htcondor_trust_domain is $domain: set it to $theirs"

anybody condor_ping -pool "$pool" -type collector ADVERTISE_STARTD 2>&1 | grep -q ' succeeded as ' \
    && refuse "$pool lets any host into its pool without proof (host-based security): its administrator should change to \`use security:recommended\`"
version=$(anybody condor_status -pool "$pool" -collector -af CondorVersion 2>/dev/null | sed -n 's/.*: \([0-9.]*\) .*/\1/p' | head -n 1)

grep -q "^${pool%%:*} SSL " "$known" 2>/dev/null || refuse "$pool offers no SSL, so a token cannot come safely: its administrator should set AUTH_SSL_SERVER_CERTFILE and AUTH_SSL_SERVER_KEYFILE, or issue a token by hand"
[ -z "$wanted" ] || [ "$(fingerprint)" = "$wanted" ] || refuse "$pool has a certificate with the fingerprint $(fingerprint), but htcondor_pool_fingerprint is $wanted: somebody may be in between"

if ! systemctl --quiet is-active "$unit"; then
    rm -f "$output"
    for authority; do set -- "$@" -authz "$authority"; shift; done
    systemd-run --quiet --collect --unit "$unit" --property RuntimeMaxSec=1d --property StandardOutput="file:$output" \
        --property StandardError="append:$output" --property UMask=077 \
        --setenv _condor_SEC_CLIENT_AUTHENTICATION_METHODS=SSL --setenv _condor_SEC_CLIENT_AUTHENTICATION=REQUIRED \
        stdbuf -oL condor_token_request -pool "$pool" -identity "$subject" -lifetime "$lifetime" -token "$name" "$@"
fi
tries=0
while [ -z "$(number)" ]; do
    tries=$((tries + 1))
    systemctl --quiet is-active "$unit" && [ $tries -le 30 ] || refuse "$pool did not take the request: $(cat "$output" 2>/dev/null)"
    sleep 1
done
number
echo "$version"
fingerprint
