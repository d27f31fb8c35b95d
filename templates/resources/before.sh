# What was there before a host was first touched, noted in $before before each change so that a kill loses nothing. Only a reset
# reads it: what is to be done is never decided by it. Scripts of several phases run at once: lines are only ever added, and of two
# about one thing the first counts, which is why a reset goes through them backwards.
#
#   paths      absent PATH | file MODE UID:GID SHA256 PATH | link - - SHA256 PATH | directory MODE UID:GID - PATH | other - - - PATH
#   content/   what was in a file, or where a link led, by checksum
#   blocks     MARKER absent|present PATH         sysctls   PATH VALUE       units    UNIT LOAD ACTIVE ENABLED
#   packages   NAME, installed by us              swaps     DEVICE PRIORITY, and `masked`
#   hostname   the kernel's                       links, netns, chains, existed, mounts   names that were there
#   whole      written last: the rest may be relied on. `unknown` in its place: the host was made before this was kept.
before=$var/before
keeping=''
noted=''
noted_sysctls=''
noted_units=' '
nl='
'
# Places that Kubernetes, containerd and pod networks fill.
filled='/etc/cni /opt/cni /var/lib/kubelet /var/lib/etcd /var/lib/cni /var/lib/calico /var/lib/cilium /run/flannel /run/calico /run/cilium /var/log/pods /var/log/containers /var/log/calico /var/log/kubernetes'
# What pod networks and the kubelet set by themselves.
set_by_others='net/ipv4/conf/all/route_localnet net/ipv4/conf/all/rp_filter net/ipv4/conf/default/rp_filter net/ipv4/conf/all/src_valid_mark net/netfilter/nf_conntrack_max net/netfilter/nf_conntrack_tcp_timeout_established net/netfilter/nf_conntrack_tcp_timeout_close_wait net/ipv4/vs/conntrack net/ipv4/vs/conn_reuse_mode net/ipv4/vs/expire_nodest_conn net/ipv4/vs/expire_quiescent_template net/ipv4/conf/all/arp_ignore net/ipv4/conf/all/arp_announce'

# One script at a time.
before_anything() {
    what='the note of what was there before'
    if ! { mkdir -p -- "$run" && exec 7>>"$run/noting" && flock 7; }; then fail 'cannot be locked'; fi
    note_or_load
    exec 7>&-
}

note_or_load() {
    if [ -e "$before/whole" ]; then
        keeping=yes
        noted=$nl$(sed 's|^[^/]*||' "$before/paths" 2>/dev/null)$nl
        noted_sysctls=$nl$(sed 's/ .*//' "$before/sysctls" 2>/dev/null)$nl
        noted_units=" $(sed 's/ .*//' "$before/units" 2>/dev/null | tr '\n' ' ') "
        return 0
    fi
    [ ! -e "$before/unknown" ] || return 0
    if made_without_note; then
        (umask 077 && mkdir -p -- "$before" && : >"$before/unknown") || fail 'cannot be written'
        return 0
    fi
    rm -rf -- "$before"
    (umask 077 && mkdir -p -- "$before/content") 2>"$out" || fail "$(why "cannot be written: $(cat "$out")")"
    keeping=yes
    : >"$before/paths"
    ls /sys/class/net >"$before/links" 2>/dev/null
    ls /run/netns >"$before/netns" 2>/dev/null
    for seen in iptables ip6tables; do
        ! command -v "$seen-save" >/dev/null 2>&1 || "$seen-save" 2>/dev/null | sed -n 's/^:\([^ ]*\).*/\1/p'
    done >"$before/chains"
    note_mounts
    {
        # shellcheck disable=SC2086  # a list of plain paths
        find $filled -xdev
        # And where links lead, and what is mounted in them.
        for seen in $filled; do
            [ ! -L "$seen" ] || find "$(readlink -f -- "$seen")" -xdev
        done
        [ ! -L /var/lib/containerd ] || find "$(readlink -f /var/lib/containerd)" -maxdepth 1
        while IFS= read -r seen; do
            find "$seen" -xdev
        done <"$before/mounts"
        find /var/lib/containerd /var/lib/longhorn /opt/containerd -maxdepth 1
    } >"$before/existed" 2>/dev/null
    find /etc/kubernetes -xdev \( -type f -o -type l \) >"$BM/.kubernetes" 2>/dev/null
    while IFS= read -r seen; do
        remember "$seen"
    done <"$BM/.kubernetes"
    for seen in 10-flannel.conflist 10-calico.conflist calico-kubeconfig 05-cilium.conflist 05-cilium.conf; do
        remember "/etc/cni/net.d/$seen"
    done
    for seen in flannel calico calico-ipam cilium-cni cilium-mount cilium-sysctlfix install; do
        remember "/opt/cni/bin/$seen"
    done
    for seen in $set_by_others; do
        remember_sysctl "$seen"
    done
    # Packages bring these and start them, one call of the package manager for several phases. Tests name none.
    # shellcheck disable=SC2086  # a list of names
    remember_units ${BM_UNITS-containerd.service haproxy.service keepalived.service kubelet.service chrony.service chronyd.service iscsid.service}
    : >"$before/whole" || fail 'cannot be written'
}

# What is mounted in those places, by the names that it really has; the kernel writes odd letters as octal numbers.
note_mounts() {
    for seen in $filled /var/lib/containerd; do
        readlink -f -- "$seen"
    done >"$BM/.filled" 2>/dev/null
    while read -r _ seen _; do
        case $seen in *\\[0-7][0-7][0-7]*) seen=$(printf '%b' "$(printf '%s' "$seen" | sed 's/\\\([0-7]\{3\}\)/\\0\1/g')") ;; esac
        while IFS= read -r above; do
            case $seen in "$above"/*) printf '%s\n' "$seen" && break ;; esac
        done <"$BM/.filled"
    done </proc/self/mounts >"$before/mounts"
}

# Whether an earlier release has been at work here, which kept no note.
made_without_note() {
    for seen in "$var/sums" "$var/archives" /etc/kubernetes/kubelet.conf /etc/kubernetes/admin.conf \
        /etc/modules-load.d/baremetal.conf /etc/sysctl.d/90-baremetal.conf; do
        [ ! -e "$seen" ] || return 0
    done
    return 1
}

# note FILE LINE
note() {
    { printf '%s\n' "$2" >>"$before/$1"; } 2>"$out" || fail "$(why 'what was there before cannot be noted')"
}

# remember PATH: what is there, the first time that it is asked for.
remember() {
    [ -n "$keeping" ] || return 0
    case $1 in *"$nl"*) return 0 ;; esac
    case $noted in *"$nl$1$nl"*) return 0 ;; esac
    noted=$noted$1$nl
    if [ -L "$1" ]; then
        readlink -- "$1" >"$BM/.kept"
        keep link - - "$1"
    elif [ -d "$1" ]; then
        note paths "directory $(stat -c '%a %u:%g' -- "$1") - $1"
    elif [ -f "$1" ] && ! head -c 4096 -- "$1" | grep -aq '^# \(Written\|Managed\) by baremetal'; then
        (umask 077 && cat -- "$1" >"$BM/.kept") 2>"$out" || fail "$(why "$1 cannot be kept")"
        # shellcheck disable=SC2046  # two words
        keep file $(stat -c '%a %u:%g' -- "$1") "$1"
    elif [ -e "$1" ] && [ ! -f "$1" ]; then
        note paths "other - - - $1"
    else
        above=${1%/*}
        [ -d "${above:-/}" ] || remember "$above"
        note paths "absent $1"
    fi
}

# keep KIND MODE OWNER PATH: with what is in $BM/.kept.
keep() {
    sum=$(sha256sum <"$BM/.kept") || fail "$4 cannot be kept"
    sum=${sum%% *}
    if [ ! -e "$before/content/$sum" ]; then
        if ! { cp -- "$BM/.kept" "$before/content/.new.$$" && chmod 600 "$before/content/.new.$$" &&
            mv -f -- "$before/content/.new.$$" "$before/content/$sum"; } 2>"$out"; then
            fail "$(why "$4 cannot be kept")"
        fi
    fi
    rm -f -- "$BM/.kept"
    note paths "$1 $2 $3 $sum $4"
}

# remember_sysctl PATH
remember_sysctl() {
    [ -n "$keeping" ] || return 0
    case $noted_sysctls in *"$nl$1$nl"*) return 0 ;; esac
    # As one read: of these files a second one gives nothing, which is how `read` reads.
    value=$(cat "/proc/sys/$1" 2>/dev/null) || return 0
    noted_sysctls=$noted_sysctls$1$nl
    note sysctls "$1 $value"
}

# remember_block MARKER PATH
remember_block() {
    [ -n "$keeping" ] || return 0
    grep -qxF -e "$1 present $2" -e "$1 absent $2" "$before/blocks" 2>/dev/null && return 0
    if [ -e "$2" ]; then note blocks "$1 present $2"; else note blocks "$1 absent $2"; fi
}

# remember_units UNIT...
remember_units() {
    [ -n "$keeping" ] || return 0
    for unit do
        case $noted_units in *" $unit "*) continue ;; esac
        systemctl show -p LoadState -p ActiveState -p UnitFileState -- "$unit" >"$BM/.unit" 2>/dev/null
        load='' active='' enabled=''
        while IFS='=' read -r key value; do
            case $key in
                LoadState) load=$value ;;
                ActiveState) active=$value ;;
                UnitFileState) enabled=$value ;;
            esac
        done <"$BM/.unit"
        note units "$unit ${load:-none} ${active:-none} ${enabled:-none}"
        noted_units="$noted_units$unit "
    done
}

# Names of the packages that are installed, sorted.
installed() {
    if command -v dpkg-query >/dev/null 2>&1; then
        # shellcheck disable=SC2016  # dpkg's own variables
        dpkg-query -W -f='${db:Status-Status} ${Package}\n' 2>/dev/null | sed -n 's/^installed //p' | sort -u
    else
        rpm -qa --qf '%{NAME}\n' 2>/dev/null | sort -u
    fi
}

# remember_packages NAME...: those that are not there yet; what comes with them is noted when it has come.
remember_packages() {
    [ -n "$keeping" ] || return 0
    installed >"$BM/.packages"
    for seen do
        grep -qxF -- "$seen" "$BM/.packages" || note_package "$seen"
    done
}

note_new_packages() {
    [ -n "$keeping" ] || return 0
    installed | comm -13 "$BM/.packages" - >"$BM/.new-packages"
    while IFS= read -r seen; do note_package "$seen"; done <"$BM/.new-packages"
}

note_package() {
    grep -qxF -- "$1" "$before/packages" 2>/dev/null || note packages "$1"
}

remember_swap() {
    [ -n "$keeping" ] && [ ! -e "$before/swaps" ] || return 0
    {
        while read -r device kind _ _ priority; do
            case $kind in Type) ;; *) printf '%s %s\n' "$device" "$priority" ;; esac
        done </proc/swaps
        [ "$(systemctl is-enabled swap.target 2>/dev/null)" != masked ] || echo masked
    } >"$BM/.swaps"
    if ! { cp -- "$BM/.swaps" "$before/.swaps.$$" && mv -f -- "$before/.swaps.$$" "$before/swaps"; }; then
        fail 'the swap devices cannot be noted'
    fi
}

remember_hostname() {
    [ -n "$keeping" ] && [ ! -s "$before/hostname" ] || return 0
    cat /proc/sys/kernel/hostname >"$before/hostname" || fail 'the name cannot be noted'
}
