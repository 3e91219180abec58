# Prints what the gates judge, as key<TAB>value lines. Reads only. Arguments: the controller's clock,
# then the directories whose disks matter.
printf 'asked\t%s\n' "$1"
shift
fqdn=$(hostname -f 2>/dev/null || hostname)
printf 'fqdn\t%s\n' "$fqdn"
getent ahosts "$fqdn" 2>/dev/null | awk '!seen[$1]++ {print "address\t" $1}'
printf 'uid\t%s\n' "$(id -u)"
printf 'cgroup\t%s\n' "$(stat -fc %T /sys/fs/cgroup 2>/dev/null)"
for directory in "$@"; do
    # The nearest directory that exists: a path may be made by the installation.
    existing=$directory
    while [ ! -d "$existing" ]; do existing=$(dirname "$existing"); done
    free=$(df -P -k "$existing" | awk 'NR == 2 {printf "%d", $4 * 1024 / 1000000}')
    printf 'disk\t%s\t%s\n' "$directory" "$free"
done
printf 'clock\t%s\n' "$(date +%s.%N)"
