# What a host says of itself, as `key=value` lines; a key may come several times. Reads only.
#
# On small hosts, and on many at once, the start of a program costs more than all else: what the shell can read itself, it does.
#
# Expected in variables: `node_ip`, `interface` (may be empty), `vip` (may be empty), `ask` (yes: who answers for it),
# `arp` (a program in Python that asks),
# `apiserver_port`, `ports` (numbers), `etcd_dir`,
# `disks` (directories), `devices` (block devices), `version` (yes: of containerd where it is installed), `candidate` (yes: and
# else in the package index), `longhorn` (yes), `sent` (the sender's clock), `patience` (seconds for the API server).
# shellcheck disable=SC2086  # words are split on purpose
: "${node_ip:=}" "${interface:=}" "${vip:=}" "${apiserver_port:=6443}" "${ports:=}" "${etcd_dir:=/var/lib/etcd}" "${disks:=}"
: "${devices:=}" "${version:=}" "${candidate:=}" "${longhorn:=}" "${sent:=}" "${ask:=}" "${arp:=}" "${patience:=4}"
LC_ALL=C
export LC_ALL
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
nl='
'

have() {
    command -v "$1" >/dev/null 2>&1
}

# first FILE: its first line, in `line`.
first() {
    line=''
    { read -r line <"$1"; } 2>/dev/null
}

# processors ALLOWED ONLINE: how many are in both lists (`0-3,8`), in `cpus`.
processors() {
    cpus=0
    blanks=$IFS
    IFS=,
    for one in $1; do
        for other in $2; do
            low=${one%-*} high=${one#*-}
            [ "${other%-*}" -le "$low" ] || low=${other%-*}
            [ "${other#*-}" -ge "$high" ] || high=${other#*-}
            [ "$high" -lt "$low" ] || cpus=$((cpus + high - low + 1))
        done
    done
    IFS=$blanks
}

# sizes k|i DIRECTORY...: what df says of each, one line for each.
sizes() {
    of=$1
    shift
    if table=$(df "-P$of" -- "$@" 2>/dev/null); then
        printf '%s\n' "${table#*"$nl"}"
        return 0
    fi
    # One that cannot be asked has an empty line.
    for one do
        table=$(df "-P$of" -- "$one" 2>/dev/null)$nl
        table=${table#*"$nl"}
        printf '%s\n' "${table%"$nl"}"
    done
}

# Who on interface $1 answers for an address that should be free, as `mac ADDRESS`, and `asked` where the question was sent at
# all; in the background, as it waits for silence.
ask_for_vip() {
    case $vip in *:*) ;; *)
        if have arping; then
            # Two programs have this name. Of what they have in common is this; what they say is not.
            said=$(arping -I "$1" -c 1 -w 1 "$vip" 2>/dev/null)
            case $said in *'Sent '[1-9]*' probe'* | *[1-9]' packets transmitted'*)
                printf '%s\n' "$said" | sed -n 's/.* reply from .*\[\([0-9A-Fa-f:]*\)\].*/mac \1/p; s/.* bytes from \([0-9A-Fa-f:]*\) (.*/mac \1/p'
                echo asked
                return
                ;;
            esac
        fi
        for python in python3 /usr/libexec/platform-python; do
            have "$python" || continue
            "$python" -I -B -c "$arp" "$1" "$vip" "$node_ip" 1 2>/dev/null && echo asked && return
        done
        ;;
    esac
    if have ping && have ip; then
        ping -c 1 -W 1 "$vip" >/dev/null 2>&1
        # 1: nobody answered. More: it could not ask.
        [ $? -le 1 ] || return 0
        ip neigh show "$vip" dev "$1" | sed -n 's/.*lladdr \([0-9a-f:]*\) .*\(REACHABLE\|DELAY\|STALE\|PROBE\).*/mac \1/p'
        echo asked
    fi
}

allowed='' bounding=0
while read -r key value effective _; do
    case $key in
        Uid:) echo "uid=$effective" ;;
        CapBnd:) bounding=$value ;;
        Cpus_allowed_list:) allowed=$value ;;
    esac
done </proc/self/status
[ $((0x$bounding >> 24 & 1)) = 1 ] && echo sys-resource=yes
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
first /proc/sys/kernel/osrelease
echo "kernel=$line"
# Since Linux 6.1.
first /proc/sys/kernel/arch
echo "machine=${line:-$(uname -m)}"
[ -d /run/systemd/system ] && echo systemd=yes
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then echo cgroup=2; else echo cgroup=1; fi
first /sys/devices/system/cpu/online
processors "$allowed" "$line"
[ "$cpus" != 0 ] || cpus=$(nproc 2>/dev/null || grep -c '^processor' /proc/cpuinfo)
echo "cpus=$cpus"
while read -r key value _; do
    case $key in MemTotal:) echo "memory-kb=$value" ;; esac
done </proc/meminfo
first /proc/sys/kernel/hostname
echo "hostname=$line"
first /etc/machine-id
echo "machine-id=$line"
first /sys/class/dmi/id/product_uuid
echo "product-uuid=$line"
while read -r kind system; do
    case ${system:-$kind} in overlay | nfs) echo "filesystem=${system:-$kind}" ;; esac
done </proc/filesystems

if [ -e /.dockerenv ] || [ -e /run/.containerenv ] || [ -e /run/systemd/container ]; then
    echo container=yes
elif grep -qsz '^container=' /proc/1/environ; then
    echo container=yes
fi

# Network. The interface of the node address is where the virtual address must be free.
if have ip; then
    addresses=$(ip -o addr show 2>/dev/null)
    while read -r _ name _ address _; do
        [ -n "$address" ] || continue
        echo "address=${name%%@*} $address"
        if [ -z "$interface" ] && [ "${address%/*}" = "$node_ip" ]; then interface=${name%%@*}; fi
    done <<EOF
$addresses
EOF
    default=''
    while read -r name to _ _ _ _ _ mask _; do
        case $name:$to:$mask in
            '*':*) ;;
            *:00000000:00000000) default=$name && break ;;
        esac
    done 2>/dev/null </proc/net/route
    if [ -z "$default" ]; then
        while read -r route; do
            case $route in *' dev '*)
                default=${route##* dev }
                default=${default%% *}
                break
                ;;
            esac
        done <<EOF
$(ip -o -6 route show default 2>/dev/null)
EOF
    fi
    echo "default-interface=$default"
else
    echo missing=ip
fi
for device in /sys/class/net/*; do
    first "$device/address"
    kind=virtual
    [ -e "$device/device" ] && kind=physical
    case $line in '' | 00:00:00:00:00:00) ;; *) echo "mac=${device##*/} $line $kind" ;; esac
done
if [ -n "$ask" ] && [ -n "$interface" ]; then
    case ${addresses:-} in
        *" $vip/"*) ;;
        *) ask_for_vip "$interface" >"$BM/.vip" 2>/dev/null & ;;
    esac
fi

# Name resolution that pods inherit.
resolv=/etc/resolv.conf
if [ -f /run/systemd/resolve/resolv.conf ]; then
    while read -r key value _ || [ -n "$key" ]; do
        case $key:$value in nameserver:127.0.0.53*) resolv=/run/systemd/resolve/resolv.conf ;; esac
    done 2>/dev/null </etc/resolv.conf
fi
echo "resolv-conf=$resolv"
while read -r key value _ || [ -n "$key" ]; do
    case $key in nameserver) echo "nameserver=$value" ;; esac
done 2>/dev/null <"$resolv"

# Units: NAME LOAD ACTIVE ENABLED.
units='kubelet containerd docker crio chrony chronyd systemd-timesyncd ntp ntpsec ntpd firewalld ufw haproxy keepalived multipathd iscsid iscsid.socket systemd-resolved NetworkManager'
if have systemctl && [ -d /run/systemd/system ]; then
    name='' load='' active='' enabled='' keeper=''
    while read -r line; do
        case $line in
            Id=*) name=${line#*=} ;;
            LoadState=*) load=${line#*=} ;;
            ActiveState=*) active=${line#*=} ;;
            UnitFileState=*) enabled=${line#*=} ;;
            '')
                [ -n "$name" ] && echo "unit=$name $load $active $enabled"
                case $name:$active in chron*:active | ntp*:active | systemd-timesyncd.service:active) keeper=$name ;; esac
                name=''
                ;;
        esac
    done <<EOF
$(systemctl show -p Id -p LoadState -p ActiveState -p UnitFileState -- $units 2>/dev/null)

EOF
    # It starts a service of its own to answer: asked only where nothing known keeps the clock.
    [ -z "$keeper" ] && have timedatectl && echo "ntp=$(timeout 2 timedatectl show -p NTPSynchronized --value 2>/dev/null)"
fi
# Set up as a holder of the virtual IP by us, whatever it is meant to be today.
if [ -e /etc/systemd/system/keepalived.service.d/10-baremetal.conf ]; then echo balancer=ours; fi
if [ -f /etc/ufw/ufw.conf ]; then
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in [Ee][Nn][Aa][Bb][Ll][Ee][Dd]=[Yy][Ee][Ss]*) echo ufw=enabled && break ;; esac
    done </etc/ufw/ufw.conf
fi
if [ -e /sys/fs/selinux/enforce ]; then
    first /sys/fs/selinux/enforce
    echo "selinux=$line"
    # NAME --> on, of those that a holder of the virtual IP needs.
    if [ "$line" = 1 ] && [ -n "$ask" ] && have getsebool; then
        for boolean in haproxy_connect_any keepalived_connect_any; do
            line=$(getsebool "$boolean" 2>/dev/null) && echo "seboolean=$boolean ${line##* }"
        done
    fi
fi
# Whose configuration a holder of the virtual IP has. One without a section that serves anything is the distribution's.
if [ -n "$ask" ]; then
    for file in haproxy/haproxy.cfg keepalived/keepalived.conf; do
        whose=none
        while read -r key value || [ -n "$key" ]; do
            case "$key $value" in
                '# Managed by baremetal'*) whose=ours && break ;;
                'frontend '* | 'listen '* | 'vrrp_instance '* | 'virtual_server '*) whose=foreign && break ;;
            esac
        done 2>/dev/null <"/etc/$file"
        echo "${file%%/*}-config=$whose"
    done
fi

# Listeners on ports that are wanted: PORT ADDRESS OWNER.
if have ss; then
    used=''
    while read -r _ _ _ address _; do
        case " $ports " in *" ${address##*:} "*) used=yes ;; esac
    done <<EOF
$(ss -H -l -t -n 2>/dev/null)
EOF
    # Whose they are takes a look at every open file of the host.
    [ -z "$used" ] || ss -H -l -t -n -p 2>/dev/null | while read -r _ _ _ address _ owner; do
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
places=''
for disk in / $disks; do
    real=/${disk#/}
    while [ ! -d "$real" ]; do
        real=${real%/*}
        real=${real:-/}
    done
    places="$places $real"
    [ -d "$disk" ] && echo "exists=$disk"
done
exec 3<<EOF 4<<EOF2
$(sizes k $places)
EOF
$(sizes i $places)
EOF2
for disk in / $disks; do
    size='' available='' mount='' all='' free=''
    read -r _ size _ available _ mount <&3
    read -r _ all _ free _ <&4
    echo "disk=$disk $available $size $free:$all $mount"
done
exec 3<&- 4<&-
for device in $devices; do
    [ -b "$device" ] && echo "device=$device" && echo "device-is=$device $(readlink -f -- "$device")"
done
if [ -n "$devices" ]; then
    # What lies on each place, as PLACE DEVICE; of several mounts the last is seen.
    while read -r source place _; do
        case " $disks " in *" $place "*) echo "mounted=$place $(readlink -f -- "$source")" ;; esac
    done </proc/self/mounts
fi
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
held=''
while read -r _ kind _ _ process file _; do
    case $kind in POSIX | FLOCK) held="$held ${file##*:}=$process" ;; esac
done </proc/locks
locks=''
for lock in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/lib/rpm/.rpm.lock /var/lib/dnf/metadata_lock.pid; do
    [ -e "$lock" ] && locks="$locks $lock"
done
if [ -n "$held" ] && [ -n "$locks" ]; then
    while read -r inode lock; do
        for holder in $held; do
            [ "${holder%=*}" = "$inode" ] || continue
            first "/proc/${holder#*=}/comm"
            echo "package-lock=$lock $line ${holder#*=}"
        done
    done <<EOF
$(stat -c '%i %n' -- $locks)
EOF
fi
have apt-get && echo packages=apt
have dnf && echo packages=dnf

# Container runtime.
if have containerd; then
    if [ -n "$version" ]; then echo "containerd=$(containerd --version 2>/dev/null)"; else echo containerd=yes; fi
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
for file in "$etcd_dir"/* "$etcd_dir"/.[!.]*; do
    case $file in */member) ;; *) [ -e "$file" ] && echo "etcd-other=${file##*/}" ;; esac
done
for file in /etc/cni/net.d/*; do
    [ -f "$file" ] && echo "cni=${file##*/}"
done
if [ -f /etc/kubernetes/manifests/kube-apiserver.yaml ] || [ -f /etc/kubernetes/admin.conf ]; then (
    cd /etc/kubernetes || exit
    set --
    for file in pki/*.crt pki/etcd/*.crt admin.conf super-admin.conf controller-manager.conf scheduler.conf; do
        [ -f "$file" ] && set -- "$@" "$file"
    done
    # The first certificate of each, and never a key beside it.
    [ $# = 0 ] || awk '
        FNR == 1 { body = ""; inside = seen = 0 }
        /^-----BEGIN CERTIFICATE-----/ { inside = !seen; next }
        /^-----END CERTIFICATE-----/ { if (inside) print "certificate=" FILENAME " " body; inside = 0; seen = 1 }
        inside { body = body $0 }
        $1 == "client-certificate-data:" { print "certificate=" FILENAME " " $2 }
    ' "$@" 2>/dev/null
); fi
[ -f /etc/kubernetes/pki/ca.crt ] && echo "ca=$(base64 </etc/kubernetes/pki/ca.crt | tr -d '\n')"
[ -f /etc/kubernetes/kubelet.conf ] && sed -n 's/^ *server: */server=/p' /etc/kubernetes/kubelet.conf
[ -d /etc/kubernetes ] && (cd /etc/kubernetes && sha256sum pki/ca.crt pki/ca.key pki/sa.key pki/sa.pub pki/front-proxy-ca.crt pki/front-proxy-ca.key \
    pki/etcd/ca.crt pki/etcd/ca.key pki/secrets-encryption.yaml audit/policy.yaml) 2>/dev/null |
    while read -r sum name; do echo "shared=$sum /etc/kubernetes/$name"; done
if [ -f /etc/kubernetes/kubelet.conf ]; then
    # When kubeadm made what runs, and when what it was asked for was written.
    stat -c 'time=%.9Y %n' -- /etc/kubernetes/kubeadm/kubelet.yaml /etc/kubernetes/kubeadm/cluster.yaml /etc/kubernetes/patches \
        /etc/kubernetes/audit/policy.yaml /var/lib/kubelet/config.yaml /etc/kubernetes/manifests/kube-apiserver.yaml \
        /etc/kubernetes/manifests/kube-controller-manager.yaml /etc/kubernetes/manifests/kube-scheduler.yaml 2>/dev/null
    [ -f /var/lib/kubelet/kubeadm-flags.env ] && sed -n 's/^KUBELET_KUBEADM_ARGS="\(.*\)"$/kubelet-flags=\1/p' /var/lib/kubelet/kubeadm-flags.env
    [ -f /var/lib/kubelet/config.yaml ] && echo "kubelet-config=$(base64 </var/lib/kubelet/config.yaml | tr -d '\n')"
    [ -f /etc/kubernetes/manifests/etcd.yaml ] && sed -n "s/^ *- ['\"]*--\([^'\"]*\)['\"]*\$/etcd-arg=\1/p" /etc/kubernetes/manifests/etcd.yaml
    [ -f /etc/kubernetes/manifests/kube-apiserver.yaml ] &&
        sed -n "s/^ *- ['\"]*--secure-port=\([0-9]*\)['\"]*\$/secure-port=\1/p" /etc/kubernetes/manifests/kube-apiserver.yaml &&
        echo "apiserver-certificate=$({ base64 </etc/kubernetes/pki/apiserver.crt | tr -d '\n'; } 2>/dev/null)"
    for file in /etc/kubernetes/patches/*; do
        [ -f "$file" ] && echo "patch=${file##*/}"
    done
fi
if [ -f /etc/kubernetes/admin.conf ]; then
    case $node_ip in *:*) api="https://[$node_ip]:$apiserver_port" ;; *) api=https://$node_ip:$apiserver_port ;; esac
    code=000
    have curl && code=$(curl -s -k -o /dev/null -w '%{http_code}' --noproxy '*' --connect-timeout 2 --max-time "$patience" "$api/readyz" 2>/dev/null)
    case $code in
        200) echo apiserver=ready ;;
        000 | 401 | 403)
            # No curl, or an API server that lets nobody ask anonymously.
            if { [ "$code" != 000 ] || ! have curl; } && have kubectl; then
                kubectl --kubeconfig /etc/kubernetes/admin.conf --server "$api" "--request-timeout=${patience}s" get --raw /readyz >/dev/null 2>&1 &&
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
        first "$map"
        case $line in mpath-*) echo "multipath=${map%/dm/uuid}" ;; esac
    done
fi

if [ -n "$ask" ]; then
    wait
    if [ -f "$BM/.vip" ]; then
        while read -r line; do
            case $line in
                asked) echo vip-asked=yes ;;
                'mac '*) echo "vip-answer=${line#mac }" ;;
            esac
        done <"$BM/.vip"
    fi
fi
echo end=yes
