# What a host says of itself, as `key=value` lines; a key may come several times. Reads only.
#
# Expected in variables: `node_ip`, `interface` (may be empty), `vip` (may be empty), `ask` (yes: who answers for it),
# `apiserver_port`, `ports` (numbers), `etcd_dir`,
# `disks` (directories), `devices` (block devices), `candidate` (yes: containerd's version in the package index), `longhorn` (yes), `sent` (the sender's clock).
# shellcheck disable=SC2086  # words are split on purpose
: "${node_ip:=}" "${interface:=}" "${vip:=}" "${apiserver_port:=6443}" "${ports:=}" "${etcd_dir:=/var/lib/etcd}" "${disks:=}"
: "${devices:=}" "${candidate:=}" "${longhorn:=}" "${sent:=}" "${ask:=}"
LC_ALL=C
export LC_ALL
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

have() {
    command -v "$1" >/dev/null 2>&1
}

# first FILE: its first line.
first() {
    line=''
    { read -r line <"$1"; } 2>/dev/null
    printf '%s' "$line"
}

# Who answers for an address that should be free; in the background, as it waits for silence.
ask_for_vip() {
    if have arping; then
        # Two programs have this name; both print the hardware address in brackets.
        arping -D -I "$1" -c 1 -w 1 "$vip" 2>/dev/null || arping -d -i "$1" -c 1 -w 1 "$vip" 2>/dev/null
        echo asked
    elif have ping && have ip; then
        ping -c 1 -W 1 "$vip" >/dev/null 2>&1
        ip neigh show "$vip" dev "$1" | sed -n 's/.*lladdr \([0-9a-f:]*\) \(REACHABLE\|DELAY\|STALE\|PROBE\).*/[\1]/p'
        echo asked
    fi
}

echo "uid=$(id -u)"
echo "sent=$sent"
echo "vip-wanted=$vip"
date '+epoch=%s.%N'
(
    release=/etc/os-release
    [ -f "$release" ] || release=/usr/lib/os-release
    # shellcheck disable=SC1090  # it is the host's
    [ -f "$release" ] && . "$release"
    printf 'os=%s\nos-version=%s\nos-name=%s\nos-like=%s\n' "${ID:-}" "${VERSION_ID:-}" "${PRETTY_NAME:-}" "${ID_LIKE:-}"
)
uname -rm | while read -r kernel machine; do printf 'kernel=%s\nmachine=%s\n' "$kernel" "$machine"; done
[ -d /run/systemd/system ] && echo systemd=yes
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then echo cgroup=2; else echo cgroup=1; fi
echo "cpus=$(nproc 2>/dev/null || grep -c '^processor' /proc/cpuinfo)"
while read -r key value _; do
    case $key in MemTotal:) echo "memory-kb=$value" ;; esac
done </proc/meminfo
echo "hostname=$(first /proc/sys/kernel/hostname)"
echo "machine-id=$(first /etc/machine-id)"
echo "product-uuid=$(first /sys/class/dmi/id/product_uuid)"
for system in overlay nfs; do
    grep -qw "$system" /proc/filesystems && echo "filesystem=$system"
done

if [ -e /.dockerenv ] || [ -e /run/.containerenv ] || [ -e /run/systemd/container ]; then
    echo container=yes
elif tr '\0' '\n' 2>/dev/null </proc/1/environ | grep -q '^container='; then
    echo container=yes
fi
while read -r key value; do
    case $key in CapBnd:) [ $((0x$value >> 24 & 1)) = 1 ] && echo sys-resource=yes ;; esac
done </proc/self/status

# Network. The interface of the node address is where the virtual address must be free.
if have ip; then
    addresses=$(ip -o addr show 2>/dev/null | while read -r _ name _ address _; do printf '%s %s\n' "${name%%@*}" "$address"; done)
    printf '%s\n' "$addresses" | while read -r name address; do echo "address=$name $address"; done
    echo "default-interface=$({ ip -o route show default; ip -o -6 route show default; } 2>/dev/null | sed -n 's/.* dev \([^ ]*\).*/\1/p' | head -n 1)"
    if [ -z "$interface" ] && [ -n "$node_ip" ]; then
        interface=$(printf '%s\n' "$addresses" | while read -r name address; do
            [ "${address%/*}" = "$node_ip" ] && echo "$name" && break
        done)
    fi
else
    echo missing=ip
fi
for device in /sys/class/net/*; do
    mac=$(first "$device/address")
    kind=virtual
    [ -e "$device/device" ] && kind=physical
    case $mac in '' | 00:00:00:00:00:00) ;; *) echo "mac=${device##*/} $mac $kind" ;; esac
done
if [ -n "$ask" ] && [ -n "$interface" ]; then
    case "$(printf '%s\n' "${addresses:-}")" in
        *" $vip/"*) ;;
        *) ask_for_vip "$interface" >"$BM/.vip" 2>/dev/null & ;;
    esac
fi

# Name resolution that pods inherit.
resolv=/etc/resolv.conf
if [ -f /run/systemd/resolve/resolv.conf ] && grep -q '^nameserver *127\.0\.0\.53' /etc/resolv.conf 2>/dev/null; then
    resolv=/run/systemd/resolve/resolv.conf
fi
echo "resolv-conf=$resolv"
while read -r key value _; do
    case $key in nameserver) echo "nameserver=$value" ;; esac
done 2>/dev/null <"$resolv"

# Units: NAME LOAD ACTIVE ENABLED.
units='kubelet containerd docker crio chrony chronyd systemd-timesyncd ntp ntpsec ntpd firewalld ufw haproxy keepalived multipathd iscsid iscsid.socket systemd-resolved NetworkManager'
if have systemctl && [ -d /run/systemd/system ]; then
    systemctl show -p Id -p LoadState -p ActiveState -p UnitFileState -- $units 2>/dev/null | {
        name='' load='' active='' enabled=''
        while read -r line; do
            case $line in
                Id=*) name=${line#*=} ;;
                LoadState=*) load=${line#*=} ;;
                ActiveState=*) active=${line#*=} ;;
                UnitFileState=*) enabled=${line#*=} ;;
                '') echo "unit=$name $load $active $enabled" ;;
            esac
        done
        [ -n "$name" ] && echo "unit=$name $load $active $enabled"
    }
    have timedatectl && echo "ntp=$(timeout 2 timedatectl show -p NTPSynchronized --value 2>/dev/null)"
fi
[ -f /etc/ufw/ufw.conf ] && grep -qi '^ENABLED=yes' /etc/ufw/ufw.conf && echo ufw=enabled
[ -e /sys/fs/selinux/enforce ] && echo "selinux=$(first /sys/fs/selinux/enforce)"

# Listeners on ports that are wanted: PORT ADDRESS OWNER.
if have ss; then
    ss -H -l -t -n -p 2>/dev/null | while read -r _ _ _ address _ owner; do
        port=${address##*:}
        case " $ports " in
            *" $port "*)
                owner=${owner#*\(\(\"}
                echo "port=$port ${address%:*} ${owner%%\"*}"
                ;;
        esac
    done
else
    echo missing=ss
fi

# Disks: PATH AVAILABLE-KB SIZE-KB FREE-INODES:INODES MOUNT, for the nearest directory that exists.
for disk in / $disks; do
    real=$disk
    while [ ! -d "$real" ]; do
        real=${real%/*}
        real=${real:-/}
    done
    free=$(df -Pk -- "$real" 2>/dev/null | { read -r _; read -r _ size _ available _ mount; echo "$available $size" "$mount"; })
    inodes=$(df -Pi -- "$real" 2>/dev/null | { read -r _; read -r _ all _ available _; echo "$available:$all"; })
    printf 'disk=%s %s %s %s %s\n' "$disk" "${free%% *}" "$(echo "$free" | cut -d ' ' -f 2)" "${inodes:-0:0}" "$(echo "$free" | cut -d ' ' -f 3-)"
    [ -d "$disk" ] && echo "exists=$disk"
done
for device in $devices; do
    [ -b "$device" ] && echo "device=$device"
done
for directory in /etc /usr/local/bin /opt /var/lib; do
    real=$directory
    [ -d "$real" ] || real=${directory%/*}
    [ -w "${real:-/}" ] || echo "read-only=$directory"
done
if have findmnt; then
    case ",$(findmnt -n -o OPTIONS -T /usr/local/bin 2>/dev/null)," in *,noexec,*) echo noexec=/usr/local/bin ;; esac
fi
while read -r name kind _; do
    case $kind in Type) ;; *) echo "swap=$name" ;; esac
done </proc/swaps

# Locks of the package manager, held with fcntl: LOCK PROGRAM.
for lock in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/lib/rpm/.rpm.lock /var/lib/dnf/metadata_lock.pid; do
    [ -e "$lock" ] || continue
    inode=$(stat -c %i -- "$lock")
    while read -r _ kind _ _ process file _; do
        case $kind:$file in
            POSIX:*":$inode" | FLOCK:*":$inode") echo "package-lock=$lock $(first "/proc/$process/comm") $process" ;;
        esac
    done </proc/locks
done
have apt-get && echo packages=apt
have dnf && echo packages=dnf

# Container runtime.
if have containerd; then
    echo "containerd=$(containerd --version 2>/dev/null)"
elif [ -n "$candidate" ] && have apt-cache; then
    echo "containerd-candidate=$(apt-cache policy containerd 2>/dev/null | sed -n 's/^ *Candidate: *//p')"
fi
if [ -f /etc/containerd/config.toml ]; then
    if grep -q baremetal /etc/containerd/config.toml; then echo containerd-config=ours; else echo containerd-config=foreign; fi
fi

# Kubernetes.
for conf in admin.conf kubelet.conf; do
    [ -f "/etc/kubernetes/$conf" ] && echo "conf=$conf"
done
for manifest in /etc/kubernetes/manifests/*; do
    [ -f "$manifest" ] && echo "manifest=${manifest##*/}"
done
[ -d "$etcd_dir/member" ] && echo etcd-data=yes
for file in /etc/cni/net.d/*; do
    [ -f "$file" ] && echo "cni=${file##*/}"
done
[ -f /etc/kubernetes/pki/ca.crt ] && echo "ca=$(base64 </etc/kubernetes/pki/ca.crt | tr -d '\n')"
[ -f /etc/kubernetes/kubelet.conf ] && sed -n 's/^ *server: */server=/p' /etc/kubernetes/kubelet.conf
(cd /etc/kubernetes && sha256sum pki/ca.crt pki/ca.key pki/sa.key pki/sa.pub pki/front-proxy-ca.crt pki/front-proxy-ca.key \
    pki/etcd/ca.crt pki/etcd/ca.key pki/secrets-encryption.yaml audit/policy.yaml) 2>/dev/null |
    while read -r sum name; do echo "shared=$sum /etc/kubernetes/$name"; done
if [ -f /etc/kubernetes/admin.conf ]; then
    case $node_ip in *:*) api="https://[$node_ip]:$apiserver_port" ;; *) api=https://$node_ip:$apiserver_port ;; esac
    code=000
    have curl && code=$(curl -s -k -o /dev/null -w '%{http_code}' --noproxy '*' --connect-timeout 2 --max-time 4 "$api/readyz" 2>/dev/null)
    case $code in
        200) echo apiserver=ready ;;
        000 | 401 | 403)
            # No curl, or an API server that lets nobody ask anonymously.
            if { [ "$code" != 000 ] || ! have curl; } && have kubectl; then
                kubectl --kubeconfig /etc/kubernetes/admin.conf --server "$api" --request-timeout=4s get --raw /readyz >/dev/null 2>&1 &&
                    echo apiserver=ready
            fi
            ;;
    esac
fi

if [ -n "$longhorn" ]; then
    for program in iscsiadm mount.nfs cryptsetup; do
        have "$program" && echo "program=$program"
    done
    for module in iscsi_tcp nfs dm_crypt; do
        if [ -d "/sys/module/$module" ] || modprobe -n -q "$module" 2>/dev/null; then echo "module=$module"; fi
    done
    for map in /sys/block/dm-*/dm/uuid; do
        case $(first "$map") in mpath-*) echo "multipath=${map%/dm/uuid}" ;; esac
    done
fi

if [ -n "$ask" ]; then
    wait
    if [ -f "$BM/.vip" ]; then
        while read -r line; do
            case $line in
                asked) echo vip-asked=yes ;;
                *\[*:*\]*)
                    line=${line#*\[}
                    echo "vip-answer=${line%%\]*}"
                    ;;
            esac
        done <"$BM/.vip"
    fi
fi
echo end=yes
