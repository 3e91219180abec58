# Runs one job on each execution point named and prints `machine<TAB>host name<TAB>user<TAB>slot` for each.
# Arguments: seconds to wait, then the machines. To be run by the account that submits.
set -eu
seconds=$1
shift
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
cd "$directory"
cat > job.sh <<'JOB'
#!/bin/sh
printf '%s\t%s\t%s\n' "$(hostname -f)" "$(id -un)" "${_CONDOR_SLOT:-?}"
JOB
chmod 755 job.sh
{
    printf '%s\n' 'universe = vanilla' 'executable = job.sh' \
        'requirements = Machine == "$(machine)"' \
        'output = $(machine).out' 'error = $(machine).err' 'log = jobs.log' \
        'should_transfer_files = YES' 'when_to_transfer_output = ON_EXIT' \
        'request_cpus = 1' 'request_memory = 64MB' 'request_disk = 16MB' \
        'My.CasaSelfTest = True' 'queue machine from ('
    printf '%s\n' "$@"
    printf ')\n'
} > jobs.sub
cluster=$(condor_submit -terse jobs.sub | sed 's/\..*//')
if ! condor_wait -wait "$seconds" jobs.log >/dev/null; then
    printf 'jobs of cluster %s have not ended after %s s:\n' "$cluster" "$seconds" >&2
    condor_q "$cluster" -better-analyze >&2 || true
    condor_rm "$cluster" >&2 || true
    exit 1
fi
for machine in "$@"; do
    printf '%s\t' "$machine"
    cat "$machine.out"
done
