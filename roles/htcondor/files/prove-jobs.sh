# Runs one job on each execution point named and prints `machine<TAB>host name<TAB>user<TAB>slot` for each.
# Arguments: the account that submits, seconds to wait, then the machines. To be run by root: the account has no token
# with which it could ask the pool from here.
set -eu
account=$1 seconds=$2
shift 2
as_account() {
    runuser -u "$account" -- "$@"
}
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
chown -R "$account": .
cluster=$(as_account condor_submit -terse jobs.sub | sed 's/\..*//')
left=$seconds
until as_account condor_wait -wait 10 jobs.log >/dev/null; do
    left=$((left - 10))
    # A point that was found unhealthy only now would let its job wait for ever.
    unhealthy=$(condor_status -af Machine CasaHealthReason -constraint 'PartitionableSlot =?= True && CasaHealthy =?= False')
    for machine in "$@"; do
        printf '%s\n' "$unhealthy" | grep -F "$machine " >&2 || continue
        echo "$machine takes no new jobs until that is repaired; jobs that run there go on" >&2
        condor_rm "$cluster" >&2 || true
        exit 1
    done
    [ "$left" -gt 0 ] && continue
    printf 'jobs of cluster %s have not ended after %s s:\n' "$cluster" "$seconds" >&2
    condor_q "$cluster" -better-analyze >&2 || true
    condor_rm "$cluster" >&2 || true
    exit 1
done
for machine in "$@"; do
    printf '%s\t' "$machine"
    as_account cat "$machine.out"
done
