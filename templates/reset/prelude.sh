# What every script of a reset begins with. Nothing is removed by a pattern that could fit what others made.
# Arguments: etcd's data directory, containerd's root directory, pod networks (separated by blanks), words that say what else goes
# (`packages`, `longhorn`) or stays (`programs-stay`).
# Attachments: `made` (lines KIND NAME: what `up` makes on this host), `disks` (directories of Longhorn's data).
# shellcheck disable=SC2317,SC2329,SC2034  # a script calls only the functions that it needs
set -u
umask 077
LC_ALL=C
DEBIAN_FRONTEND=noninteractive
NEEDRESTART_SUSPEND=1
export LC_ALL DEBIAN_FRONTEND NEEDRESTART_SUSPEND
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
data=$1 root=$2 pods=$3 also=" $4 "
var=${BM_VAR:-/var/lib/baremetal}
before=$var/before
kubernetes=${BM_ETC:-/etc}/kubernetes
out=$BM/.out
what=''
nl='
'

say() {
    what=$1
    printf '::say %s\n' "$1"
}

fail() {
    printf 'failed: %s: %s\n' "$what" "$1" >&2
    exit 1
}

# try WHY COMMAND...: ends the script with WHY and the last lines that the command printed when it fails.
try() {
    reason=$1
    shift
    "$@" >"$out" 2>&1 </dev/null && return 0
    status=$?
    tail -n 15 "$out" >&2
    fail "$reason (exit $status)"
}

have() { command -v "$1" >/dev/null 2>&1; }

# Whether the note of what was there before can be relied on.
noted() { [ -e "$before/whole" ]; }

# Whether a name was in list $1 of the note.
was() { grep -qxF -- "$2" "$before/$1" 2>/dev/null; }

# Whether an earlier release has been at work here, which kept no note. A note that was begun or is half gone is none of that.
unnoted() {
    [ ! -e "$before/unknown" ] || return 0
    [ ! -d "$before" ] || return 1
    [ -e "$var/sums" ] || [ -e "$var/archives" ] || [ -e "$kubernetes/kubelet.conf" ] || [ -e "$kubernetes/admin.conf" ] ||
        has_mark /etc/modules-load.d/baremetal.conf
}

# Whether anything of `up` can be on this host: nothing is removed from hosts where it never was.
touched() { noted || unnoted; }

has_mark() {
    head -c 4096 -- "$1" 2>/dev/null | grep -aq '^# \(Written\|Managed\) by baremetal'
}

# Names of kind $1 that `up` makes on this host.
made() { sed -n "s|^$1 ||p" "$BM/made"; }

# was_unit UNIT: what the unit was before, as LOAD ACTIVE ENABLED; nothing where that was not noted.
was_unit() { sed -n "s|^$1 ||p" "$before/units" 2>/dev/null | head -n 1; }

# Whether containerd came with us.
own_runtime() {
    if noted; then
        case $(was_unit containerd.service) in loaded*) return 1 ;; esac
        grep -q '^containerd.service ' "$before/units" 2>/dev/null
    else
        has_mark /etc/containerd/config.toml
    fi
}

runtime_answers() { [ -S /run/containerd/containerd.sock ] && have ctr && timeout 10 ctr version >/dev/null 2>&1; }

# What is at the top of one of containerd's directories.
runtime_files() {
    inside=$(place_of "$1")
    [ -z "$inside" ] || find "$inside" -mindepth 1 -maxdepth 1 2>/dev/null
}

# Namespaces of containerd beside Kubernetes' that hold something.
other_namespaces() {
    timeout 10 ctr namespaces ls -q 2>/dev/null | while read -r space; do
        [ "$space" != k8s.io ] || continue
        if [ -n "$(ctr -n "$space" containers ls -q 2>/dev/null)$(ctr -n "$space" images ls -q 2>/dev/null)" ]; then
            printf '%s\n' "$space"
        fi
    done
}

# What kubeadm and the kubelet write under /etc/kubernetes.
kubernetes_files() {
    for name in admin super-admin kubelet bootstrap-kubelet controller-manager scheduler; do
        printf '%s\n' "$kubernetes/$name.conf"
    done
    for name in etcd kube-apiserver kube-controller-manager kube-scheduler; do
        printf '%s\n' "$kubernetes/manifests/$name.yaml" "$kubernetes/manifests/.$name.yaml"
    done
    for name in ca apiserver apiserver-kubelet-client apiserver-etcd-client front-proxy-ca front-proxy-client etcd/ca etcd/server \
        etcd/peer etcd/healthcheck-client; do
        printf '%s\n' "$kubernetes/pki/$name.crt" "$kubernetes/pki/$name.key"
    done
    for name in sa.key sa.pub ca.srl secrets-encryption.yaml .secrets-encryption.yaml; do
        printf '%s\n' "$kubernetes/pki/$name"
    done
}

# What pod networks leave beside the programs that `up` puts there; of all that we know, as the inventory may name another than the
# one that ran.
network_files() {
    for name in etc/cni/net.d/10-flannel.conflist opt/cni/bin/flannel \
        etc/cni/net.d/10-calico.conflist etc/cni/net.d/calico-kubeconfig opt/cni/bin/calico opt/cni/bin/calico-ipam opt/cni/bin/install \
        etc/cni/net.d/05-cilium.conflist etc/cni/net.d/05-cilium.conf opt/cni/bin/cilium-cni opt/cni/bin/cilium-mount opt/cni/bin/cilium-sysctlfix; do
        case $also:$name in *' programs-stay '*:opt/*) ;; *) printf '/%s\n' "$name" ;; esac
    done
}

# etcd's data: where the inventory has it, and where etcd of this host was last told to have it.
data_directories() {
    printf '%s\n' "$data"
    sed -n "s/^ *- ['\"]*--data-dir=\([^'\"]*\)['\"]*\$/\1/p" "$kubernetes/manifests/etcd.yaml" 2>/dev/null | grep '^/.' | grep -vxF -- "$data"
}

# Directories whose content is the cluster's alone.
state_directories() {
    data_directories | sed 's|$|/member|'
    printf '%s\n' /var/lib/kubelet /var/lib/cni /var/log/pods /var/log/containers /var/log/kubernetes/audit "$kubernetes/tmp" \
        /run/flannel /var/lib/calico /run/calico /var/log/calico /var/lib/cilium /run/cilium
}

# Whether the note says that a path was there.
was_there() {
    awk -v path="$1" '$1 != "absent" && substr($0, index($0, "/")) == path { found = 1 } END { exit !found }' "$before/paths" 2>/dev/null
}

# mounts_below DIRECTORY: what is mounted there, deepest first; /proc writes odd letters as octal numbers, as fstab does.
mounts_below() {
    mounted </proc/self/mounts | awk -v below="$1/" 'index($0, below) == 1' | sort -r
}

# Mount points of the table on stdin, as they are.
mounted() {
    awk '$1 !~ /^#/ && NF > 1 { print $2 }' | while IFS= read -r escaped; do
        case $escaped in
            *\\[0-7][0-7][0-7]*) printf '%b\n' "$(printf '%s' "$escaped" | sed 's/\\\([0-7]\{3\}\)/\\0\1/g')" ;;
            *) printf '%s\n' "$escaped" ;;
        esac
    done
}

# kept_below DIRECTORY: those that the host mounts by itself, or had before: they stay mounted.
kept_below() {
    {
        [ ! -r /etc/fstab ] || mounted </etc/fstab | while IFS= read -r kept; do
            printf '%s\n' "$kept"
            readlink -f -- "$kept" 2>/dev/null
        done
        cat "$before/mounts" 2>/dev/null
    } | awk -v below="$1/" 'index($0, below) == 1' | sort -u
}

# Where a directory really is: its own name, or where a link leads that stands there. What was there before is noted by that name;
# nothing is known of it in notes that were made without one of mounts.
place_of() {
    if [ -L "$1" ]; then
        [ ! -e "$before/mounts" ] || readlink -f -- "$1" 2>/dev/null
    else
        printf '%s\n' "$1"
    fi
}

# What is in directory $1, and it, without what was there before; deepest first. What stays mounted in it stays, and is gone through
# where it was mounted before `up`.
new_in() {
    within=$(place_of "$1")
    [ -n "$within" ] || return 0
    kept_below "$within" >"$BM/.kept"
    new_on "$within" "$1"
    was_mounted=$(cat "$before/mounts" 2>/dev/null)
    while IFS= read -r kept; do
        case "$nl$was_mounted$nl" in *"$nl$kept$nl"*) ;; *) continue ;; esac
        ! mountpoint -q -- "$kept" 2>/dev/null || new_on "$kept" "$kept"
    done <"$BM/.kept"
}

# new_on DIRECTORY NAME: what is on one file system.
new_on() {
    depth=0
    # A file system of its own is somebody's, what is in it is the cluster's; so is where a link leads.
    if [ -L "$2" ] || mountpoint -q -- "$1" 2>/dev/null; then depth=1; fi
    find "$1" -xdev -depth -mindepth "$depth" 2>/dev/null | awk -v kept="$BM/.kept" '
        BEGIN { while ((getline line < kept) > 0) places[++n] = line "/" }
        { for (i = 1; i <= n; i++) if (index(places[i], $0 "/") == 1) next; print }' |
        if noted; then grep -vxF -f "$before/existed"; else cat; fi
}

# Removes what is new in directory $1.
remove_new() {
    new_in "$1" >"$BM/.new"
    while IFS= read -r path; do
        if [ -d "$path" ] && [ ! -L "$path" ]; then
            # A file system of its own stays, and what others put there since.
            rmdir -- "$path" 2>/dev/null
        else
            rm -f -- "$path" 2>"$out" || fail "$(cat "$out")"
        fi
    done <"$BM/.new"
}

# Files and directories of the cluster's state that were not there before.
state_left() {
    { kubernetes_files && network_files; } | while read -r path; do
        { [ -e "$path" ] || [ -L "$path" ]; } && ! was_there "$path" && printf '%s\n' "$path"
    done
    state_directories | while read -r path; do
        [ -z "$(new_in "$path" | head -n 1)" ] || printf '%s\n' "$path"
    done
}

# Interfaces of pod networks that were not there before.
links_left() {
    shapes='^(cni0|flannel\.1|flannel-v6\.1|flannel-wg|flannel-wg-v6|cali[0-9a-f]{11}|vxlan\.calico|vxlan-v6\.calico|wireguard\.cali|wg-v6\.cali|cilium_host|cilium_net|cilium_vxlan|cilium_geneve|cilium_wg0|lxc[0-9a-f]{12}|lxc_health|kube-ipvs0|nodelocaldns)$'
    find /sys/class/net -mindepth 1 -maxdepth 1 2>/dev/null | sed 's|.*/||' | grep -E "$shapes" | while read -r link; do
        was links "$link" || printf '%s\n' "$link"
    done
}

# Chains that kube-proxy, the kubelet and pod networks make; those of others are none of ours.
# Of CNI's own plugins the chains of addresses and ports, not those that other engines name CNI-FORWARD and CNI-ISOLATION.
chain="(KUBE-[A-Z0-9-]+|CNI-[0-9a-f]+|CNI-(HOSTPORT|DN|SN)-[A-Za-z0-9-]+|FLANNEL-[A-Z]+|cali-[A-Za-z0-9_-]+|OLD_CILIUM_[A-Za-z_]+|CILIUM_[A-Za-z_]+)"

# Programs that show rules; the old interface is asked only where the kernel has tables of it, as asking makes them.
rule_programs() {
    for family in iptables ip6tables; do
        have "$family-save" || continue
        printf '%s\n' "$family"
        legacy=/proc/net/ip_tables_names
        [ "$family" = iptables ] || legacy=/proc/net/ip6_tables_names
        if [ -s "$legacy" ] && have "$family-legacy-save"; then printf '%s\n' "$family-legacy"; fi
    done
}

# What takes our chains, and the rules that lead to them, out of the rules on stdin; nothing where there are none.
without_our_chains() {
    awk -v chain="^$chain\$" -v there="$before/chains" '
        BEGIN { while ((getline line < there) > 0) { had[line] = 1; if (line ~ /^cali-/) theirs = 1 } }
        function ours(name) { return name ~ chain && !(name in had) }
        function flush_table() {
            if (n || m) {
                print table
                for (i = 1; i <= n; i++) print ":" names[i] " - [0:0]"
                for (i = 1; i <= m; i++) print rules[i]
                for (i = 1; i <= n; i++) print "-X " names[i]
                print "COMMIT"
            }
            n = 0; m = 0
        }
        /^\*/ { table = $0; next }
        /^:/ { name = substr($1, 2); if (ours(name)) names[++n] = name; next }
        /^COMMIT/ { flush_table(); next }
        /^-A / {
            if (ours($2)) next
            # Rules of Calico in chains of others carry its mark.
            if (!theirs && index($0, "--comment \"cali:")) {
                rule = $0; sub(/^-A /, "-D ", rule); rules[++m] = rule; next
            }
            for (i = 3; i < NF; i++) if (($i == "-j" || $i == "-g") && ours($(i + 1))) {
                rule = $0; sub(/^-A /, "-D ", rule); rules[++m] = rule; break
            }
        }'
}

rules_left() {
    rule_programs | while read -r program; do
        "$program-save" 2>/dev/null | without_our_chains | sed -n "s/^:\([^ ]*\).*/$program \1/p"
    done
    if have nft; then
        nft list tables 2>/dev/null | grep -E '^table (ip|ip6|inet) (kube-proxy|flannel-ipv4|flannel-ipv6)$'
    fi
    if have ipset; then ipset list -n 2>/dev/null | grep -E '^(KUBE-|KUBE-6-|cali[46]0)' | sed 's/^/set /'; fi
}
