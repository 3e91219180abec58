#!/bin/sh
# Prints everything that the demo role is about, by the system's own programs; equal states print equal lines.
export LC_ALL=C
set -- /srv/state-demo /etc/state-demo* /etc/systemd/system /etc/sysctl.d /etc/apt/sources.list.d /etc/casademo /var/lib/state-demo*
find "$@" -printf '%p %y %m %u %g %l\n' 2>/dev/null | sort
find "$@" -type f ! -path /etc/state-demo.conf -exec sha256sum {} + 2>/dev/null | sort -k2
# Lines may come back in another place.
sort /etc/state-demo.conf | sha256sum
dpkg-query -W -f '${Package} ${db:Status-Abbrev}${Version}\n' 'casademo*' | sort
getent passwd state-demo
id state-demo
getent group state-demo state-demo-more
systemctl --no-pager show -p Id -p LoadState -p UnitFileState -p ActiveState -p DropInPaths -p NeedDaemonReload \
  state-demo.service casademo-packaged.service casademo-idle.service casademo-masked.service
cat /proc/sys/net/core/somaxconn
