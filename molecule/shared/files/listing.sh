#!/bin/sh
# Prints what a host consists of, one line a thing: packages, accounts, units, kernel settings and files.
# Left out: what changes by itself (logs, caches, package lists, run-time state).
dpkg-query -W -f 'package ${Package} ${db:Status-Abbrev}${Version}\n' | grep -v ' un '
sed 's/^/user /' /etc/passwd
sed 's/^/group /' /etc/group
systemctl list-unit-files --no-legend --no-pager | awk '{print "unit", $1, $2}'
sysctl -a 2>/dev/null | sed -n 's/^/sysctl /; /sysctl \(net\.core\|net\.ipv4\.ip_local\|vm\.\(dirty\|swappiness\|overcommit_memory\)\|fs\.file-max\|kernel\.pid_max\)/p'
find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /var/tmp -o -path /var/log \
    -o -path /var/cache -o -path /var/lib/apt -o -path /var/lib/dpkg -o -path /var/lib/systemd -o -path /root/.ansible \
    -o -path /usr/share/mime \) -prune -o \
    ! -name '*.pyc' ! -name __pycache__ ! -path '/etc/*-' \
    ! -path /etc/ld.so.cache ! -path /etc/passwd ! -path /etc/group ! -path /etc/shadow ! -path /etc/gshadow \
    ! -path /etc/subuid ! -path /etc/subgid ! -path '/etc/.pwd.lock' \
    -printf 'file %p %y %m %u %g %l\n'
find /etc -xdev -type f ! -path '/etc/*-' ! -path /etc/ld.so.cache ! -path '/etc/[ps]*d*w' ! -path '/etc/*shadow' \
    ! -path /etc/passwd ! -path /etc/group ! -path /etc/subuid ! -path /etc/subgid -exec sha256sum {} + | awk '{print "content", $2, $1}'
