#!/bin/sh
# What a job of `casa-install verify` does: the first argument says which, the second is a word that nobody else knows.
# Answers are lines `name=value`.
what=$1 word=$2
shift 2
case $what in
first)
    # Who and where it is, what holds it, which of the file systems named it sees; leaves a file in /tmp.
    group=$(sed -n 's/^0:://p' /proc/self/cgroup)
    echo "host=$(hostname -f)"
    echo "user=$(id -un)"
    echo "cgroup=$group"
    echo "memory_max=$(cat "/sys/fs/cgroup$group/memory.max" 2>/dev/null || echo none)"
    # HTCondor has no more capabilities than its jobs could ever get; bit 21 is CAP_SYS_ADMIN.
    [ $((0x$(sed -n 's/^CapBnd:[[:space:]]*//p' /proc/self/status) >> 21 & 1)) -eq 1 ] && echo "mounts=yes"
    echo "$word" > "/tmp/casa-verify-$word" && echo "tmp=written"
    for mount in "$@"; do
        [ -n "$(ls -A "$mount" 2>/dev/null)" ] && echo "mount=$mount"
    done
    ;;
look)
    # Whether it sees the file of the job before it.
    if [ -e "/tmp/casa-verify-$word" ]; then
        echo "tmp=shared"
        rm -f "/tmp/casa-verify-$word"
    else
        echo "tmp=own"
    fi
    ;;
wait)
    # Runs until it is told to end, two minutes at most.
    echo "$word"
    seconds=0
    while [ "$seconds" -lt 120 ] && [ ! -e casa-verify-end ]; do
        sleep 1
        seconds=$((seconds + 1))
    done
    ;;
say)
    echo "said=$word"
    ;;
gpu)
    echo "assigned=${_CONDOR_AssignedGPUs:-$CUDA_VISIBLE_DEVICES}"
    nvidia-smi -L | sed -n 's/.*UUID: \(.*\))/uuid=\1/p'
    ;;
hungry)
    head -c 400m /dev/zero | tail > /dev/null
    ;;
esac
exit 0
