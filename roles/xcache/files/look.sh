# Prints what the preflight judges, as tab-separated lines. Reads only.
# Arguments: USE=PATH for each directory of the cache.
place() {
    existing=$2
    while [ ! -d "$existing" ]; do existing=$(dirname "$existing"); done
    printf 'place\t%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$(stat -L -c %d "$existing")" "$(stat -L -f -c %T "$existing")" \
        "$(df -P -k "$existing" | awk 'NR == 2 {print $2}')"
    # A mount that this role made. Its path has no blank.
    target=$(df -P "$existing" | awk 'NR == 2 {print $6}')
    unit=/etc/systemd/system/$(systemd-escape --path --suffix=mount "$target")
    if [ "$1" != root ] && grep -qs '^Description=Disk of the cache, ' "$unit"; then
        printf 'on\t%s\t%s\t%s\n' "$1" "$2" "$target"
    fi
    source=$(df -P "$existing" | awk 'NR == 2 {print $1}')
    case $1:$source in
    data:/dev/*)
        name=$(basename "$(readlink -f "$source")")
        # A partition has no queue of its own; its disk has.
        for queue in "/sys/class/block/$name/queue" "/sys/class/block/$name/../queue"; do
            if [ -r "$queue/rotational" ]; then
                printf 'rotational\t%s\t%s\n' "$(cat "$queue/rotational")" "$2"
                break
            fi
        done
        ;;
    esac
}
place root /
execute=$(condor_config_val EXECUTE 2>/dev/null) || execute=/var/lib/condor/execute
if [ -d "$execute" ]; then place execute "$execute"; fi
for word in "$@"; do place "${word%%=*}" "${word#*=}"; done
version=$(xrootd -v 2>&1) || version=
if [ -z "$version" ]; then
    # What would be installed; nothing where the package lists are not there yet.
    version=$(apt-cache policy xrootd-server 2>/dev/null | awk '$1 == "Candidate:" && $2 != "(none)" {print $2}')
fi
if [ -z "$version" ] && command -v dnf > /dev/null; then
    version=$(dnf -q --cacheonly repoquery --latest-limit 1 --qf '%{version}' xrootd-server 2>/dev/null | head -n 1)
fi
printf 'version\t%s\n' "$version"
awk '$1 == "MemTotal:" {print "memory\t" $2}' /proc/meminfo
