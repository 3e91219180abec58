#!/bin/sh
# Shows that a fresh clone works on a computer where nothing was ever set up: makes a new root directory of a Debian
# release (bookworm, trixie) with git, make and Python only, clones this checkout's HEAD into it and runs make's
# targets there, with an empty home. Needs root and mmdebstrap. What needs machines is not run: containers inside a
# chroot are another thing than on a computer.
#
# usage: tools/fresh-root.sh SUITE [TARGET...]        default targets: packages setup unit
set -eu

if [ $# -lt 1 ]; then
    echo "usage: $0 SUITE [TARGET...]" >&2
    exit 2
fi
suite=$1
shift
[ $# -gt 0 ] || set -- packages setup unit

for program in mmdebstrap unshare chroot git; do
    if ! command -v "$program" > /dev/null; then
        echo "Error: $program is not installed" >&2
        echo " Hint: apt-get install --no-install-recommends mmdebstrap util-linux coreutils git" >&2
        exit 2
    fi
done
if [ "$(id -u)" -ne 0 ]; then
    echo "Error: a root directory can only be made and entered by root" >&2
    echo " Hint: sudo $0 $suite" >&2
    exit 2
fi

checkout=$(cd "$(dirname "$0")/.." && pwd)
# Not below /tmp, which may be a small file system in memory: the root takes about 2 GB.
work=$(mktemp -d "${TMPDIR:-/var/tmp}/casa-fresh-XXXXXX")
# One file system only: were something mounted below in spite of everything, it is not emptied.
trap 'rm -rf --one-file-system "$work"' EXIT
trap 'exit 130' INT TERM HUP
root=$work/root

mmdebstrap --quiet --variant=apt --include=ca-certificates,git,make,python3 "$suite" "$root"

certificates=usr/local/share/ca-certificates
if [ -d "/$certificates" ]; then
    mkdir -p "$root/$certificates"
    cp -R "/$certificates/." "$root/$certificates/"
    chroot "$root" update-ca-certificates > /dev/null
fi
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
cp -L /etc/hosts "$root/etc/hosts"
# Packages must not start services: they would run on this computer, in its process table.
printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
git -c safe.directory='*' clone --quiet --no-hardlinks "$checkout" "$root/root/casa-install"
git -C "$root/root/casa-install" log -1 --format="$suite: %h %s"

# The mounts live in a namespace of their own and end with it, however this ends; so do all processes.
# shellcheck disable=SC2016 # expanded by the inner shell
unshare --mount --propagation private --pid --fork --kill-child sh -eu -c '
    root=$1
    shift
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs tmpfs "$root/tmp"
    # pip brings certificates of its own and would not look at those of the computer.
    exec chroot "$root" /usr/bin/env -i \
        HOME=/root LANG=C.UTF-8 TERM=dumb PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        PIP_CERT=/etc/ssl/certs/ca-certificates.crt PIP_ROOT_USER_ACTION=ignore \
        make --no-print-directory -C /root/casa-install "$@"
' fresh-root "$root" "$@"
