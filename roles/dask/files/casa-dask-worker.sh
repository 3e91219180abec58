# Read by the shell of a Dask worker's job before the worker starts; it travels with the job, so that an execution point
# needs nothing but the environment. HTCondor has put the user's files into the job's own directory.
umask 077
cd "${_CONDOR_SCRATCH_DIR:?This runs in jobs of HTCondor only.}" || exit 1
tls=DASK_DISTRIBUTED__COMM__TLS
export "${tls}__CA_FILE=$PWD/ca.pem"
for role in SCHEDULER WORKER CLIENT; do
    export "${tls}__${role}__CERT=$PWD/cert.pem" "${tls}__${role}__KEY=$PWD/key.pem"
done
export DASK_DISTRIBUTED__COMM__DEFAULT_SCHEME=tls DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION=True
# XRootD's client takes a token only from a file that nobody else can read.
if [ -f bearer_token ]; then
    chmod 600 bearer_token
    export BEARER_TOKEN_FILE="$PWD/bearer_token"
fi
# Homes are not shared; where the user has none, packages still want to write their settings.
[ -w "${HOME:-/nonexistent}" ] || export HOME="$PWD"
# What does not fit in memory is spilled into four fifths of the slot's disk (KiB in the machine's own words).
disk=$(sed -n 's/^Disk = \([0-9]*\).*/\1/p' "${_CONDOR_MACHINE_AD:-/dev/null}")
if [ -n "$disk" ]; then
    export "DASK_DISTRIBUTED__WORKER__MEMORY__MAX_SPILL=$((disk / 5 * 4)) KiB"
fi
