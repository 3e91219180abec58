#!/bin/sh
# Submits one job that prints what it sees of the cache, and reads a file through it: job.sh TOKEN_FILE [ENVIRONMENT].
set -eu
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
cd "$directory"
cp "$1" token
cat > job.py <<'JOB'
#!/bin/sh
env | grep -E '^(XCACHE|X509)' | sort
chmod 600 token
export BEARER_TOKEN_FILE=$PWD/token
xrdcp -s "roots://$XCACHE_HOST:$XCACHE_PORT//store/lab/small.root.adler32" - || echo "xrdcp ended with $?"
JOB
mv job.py job
chmod 755 job
cat > job.sub <<SUB
executable = job
output = out
error = err
log = log
transfer_input_files = token
should_transfer_files = YES
request_memory = 64MB
request_disk = 16MB
environment = "${2:-}"
queue
SUB
condor_submit -terse job.sub > /dev/null
condor_wait -wait 120 log > /dev/null
cat out err
