# Prints what the preflight judges, as tab-separated lines. Reads only.
# Arguments: k3s's program, the name of its unit, its data directory, then the names of all nodes of the cluster.
program=$1 unit=$2 data=$3
shift 3
PATH=$PATH:/usr/sbin:/sbin
tab=$(printf '\t')

if [ -x "$program" ]; then
    printf 'version\t%s\n' "$("$program" --version 2>/dev/null | awk 'NR == 1 {print $3}')"
fi
for process in $(systemctl show --property=MainPID --value "$unit" 2>/dev/null); do
    # k3s starts itself anew from its data directory, so this is the program that runs, whatever was installed since.
    running=$(readlink "/proc/$process/exe" 2>/dev/null) || continue
    if [ -x "$running" ]; then
        printf 'running\t%s\n' "$("$running" --version 2>/dev/null | awk 'NR == 1 {print $3}')"
    fi
done
if [ -e /etc/casa-install/receipts/k3s.json ]; then printf 'ours\tyes\n'; fi
systemctl show --property=Id,LoadState,ActiveState,UnitFileState \
    k3s.service k3s-agent.service kubelet.service rke2-server.service rke2-agent.service k0scontroller.service \
    k0sworker.service snap.microk8s.daemon-kubelite.service snap.microk8s.daemon-kubelet.service \
    firewalld.service nftables.service iptables.service netfilter-persistent.service \
    NetworkManager.service nm-cloud-setup.service nm-cloud-setup.timer 2>/dev/null |
    awk -F= 'function tell() {if (id != "" && load != "not-found") print "unit\t" id "\t" active "\t" file
                              id = active = file = load = ""}
        $1 == "Id" {id = $2} $1 == "LoadState" {load = $2} $1 == "ActiveState" {active = $2}
        $1 == "UnitFileState" {file = $2} $0 == "" {tell()} END {tell()}'

printf 'cgroup\t%s\t%s\n' "$(stat -fc %T /sys/fs/cgroup 2>/dev/null)" \
    "$(cat /sys/fs/cgroup/cgroup.controllers 2>/dev/null || awk '$4 == 1 {printf "%s ", $1}' /proc/cgroups)"
awk '$1 == "MemTotal:" {print "memory\t" $2} $1 == "SwapTotal:" {print "swap\t" $2}' /proc/meminfo
printf 'cpus\t%s\n' "$(nproc)"
ip -o addr 2>/dev/null | awk '{print "address\t" $0}'
{ ip -4 -o route show default; ip -6 -o route show default; } 2>/dev/null | while read -r route; do
    interface=$(printf '%s\n' "$route" | sed -n 's/.* dev \([^ ]*\).*/\1/p')
    case $route in
    *' proto ra '*) accepts=$(cat "/proc/sys/net/ipv6/conf/$interface/accept_ra" 2>/dev/null) ;;
    *) accepts='' ;;
    esac
    printf 'route\t%s\t%s\n' "$interface" "$accepts"
done

for manifest in "$data"/server/manifests/casa-*.yaml; do
    if [ -e "$manifest" ]; then printf 'manifest\t%s\n' "$(basename "$manifest")"; fi
done

existing=$data
while [ ! -d "$existing" ]; do existing=$(dirname "$existing"); done
type=$(stat -L -f -c %T "$existing")
mount=$(df -P "$existing" | awk 'NR == 2 {print $6}')
case $type in
xfs) detail=$(xfs_info "$mount" 2>/dev/null | sed -n 's/.*\(ftype=[01]\).*/\1/p') ;;
*) detail='' ;;
esac
printf 'disk\t%s\t%s\t%s\n' "$type" "$detail" "$(df -P -k "$existing" | awk 'NR == 2 {print $2 "\t" $4}')"

for module in overlay br_netfilter vxlan wireguard; do
    if [ -e "/sys/module/$module" ] || modprobe -n -q "$module" 2>/dev/null; then state=there
    elif grep -qsw "$module" /proc/filesystems; then state=there
    # Without the kernel's list of modules, as in a container, what is built in cannot be told from what is missing.
    elif [ -e "/lib/modules/$(uname -r)/modules.builtin" ]; then state=missing
    else state=unknown
    fi
    printf 'module\t%s\t%s\n' "$module" "$state"
done
printf 'iptables\t%s\n' "$(iptables --version 2>/dev/null)"
ss -Hlntup 2>/dev/null | awk '{port = $5; sub(/.*:/, "", port); who = $7; gsub(/.*\(\("|",.*/, "", who)
    print "port\t" $1 "\t" port "\t" who}' | sort -u

case $(cat /sys/fs/selinux/enforce 2>/dev/null) in
1) printf 'selinux\tenforcing\n' ;;
0) printf 'selinux\tpermissive\n' ;;
esac
if [ -e /sys/fs/selinux/enforce ] && command -v rpm > /dev/null; then
    printf 'policy\t%s\n' "$(rpm -q --qf '%{VERSION}-%{RELEASE}' k3s-selinux 2>/dev/null | grep -v ' ')"
fi
ufw=$(sed -n 's/^ENABLED=//p' /etc/ufw/ufw.conf 2>/dev/null)
if [ "$ufw" = yes ]; then printf 'ufw\tactive\n'; fi
if systemctl is-active --quiet NetworkManager.service 2>/dev/null; then
    nmcli -t -f DEVICE,STATE device 2>/dev/null | awk -F: '$1 ~ /^(cni0|flannel.*)$/ {print "managed\t" $1 "\t" $2}'
fi
if [ "$ufw" = yes ] || systemctl is-active --quiet firewalld.service 2>/dev/null; then
    for name in "$@"; do
        printf 'peer\t%s\t%s\n' "$name" "$(getent ahosts "$name" 2>/dev/null | awk '!seen[$1]++ {printf "%s ", $1}')"
    done
fi
# What may be a secret is left out, with the lines that belong to it.
awk -v tab="$tab" '/^[^ \t#-]/ {hidden = ($0 ~ /^["'\'']?[a-z0-9-]*(token|password|endpoint|auth|access-key|secret-key|secret)["'\'']?:/)}
    !hidden {print "config" tab $0}' /etc/rancher/k3s/config.yaml 2>/dev/null
exit 0
