# Prints the most open files that systemd can give a service of this host, as `descriptors: NUMBER`.
# Arguments, for tests: the kernel's limit, the limits and the status of systemd.
most=$(cat "${1:-/proc/sys/fs/nr_open}")
capabilities=$(sed -n 's/^CapEff:[[:space:]]*//p' "${3:-/proc/1/status}")
# Without CAP_SYS_RESOURCE (bit 24), as in a container, systemd gives no more than it has itself.
if [ $((0x$capabilities >> 24 & 1)) -eq 0 ]; then
    hard=$(sed -n 's/^Max open files *[^ ]* *\([0-9]*\) .*/\1/p' "${2:-/proc/1/limits}")
    [ "${hard:-$most}" -lt "$most" ] && most=$hard
fi
echo "descriptors: $most"
