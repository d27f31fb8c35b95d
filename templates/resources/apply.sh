# The writing side of every resource: one function per kind. The lines that call them follow; the first that fails ends the script
# with `failed: RESOURCE: WHY` on stderr. Attachments are in $BM.
# shellcheck disable=SC2317,SC2329  # a script calls only the functions that it needs
set -u -f
umask 022
LC_ALL=C
DEBIAN_FRONTEND=noninteractive
NEEDRESTART_MODE=a
NEEDRESTART_SUSPEND=1
export LC_ALL DEBIAN_FRONTEND NEEDRESTART_MODE NEEDRESTART_SUSPEND
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
var=${BM_VAR:-/var/lib/baremetal}
run=${BM_RUN:-/run/baremetal}
me=$(id -u)
what=''
new=''
units_changed=''
done_with=''
out=$BM/.out
trap '[ -z "$new" ] || rm -rf -- "$new"' EXIT

resource() {
    what=$1
    printf '::say %s\n' "$1"
}

fail() {
    printf 'failed: %s: %s\n' "$what" "$1" >&2
    exit 1
}

# Why a command failed, from what it printed.
why() {
    case $(cat "$out") in
        *'No space left on device'*) printf 'the disk is full; free space and run again' ;;
        *'Disk quota exceeded'*) printf 'the disk quota is used up' ;;
        *'Read-only file system'*) printf 'the file system is read-only' ;;
        *'Could not get lock'* | *'Unable to acquire the dpkg frontend lock'* | *'Unable to lock'*)
            printf 'another program holds the package lock' ;;
        *'Operation not permitted'*) printf 'not permitted; is the file immutable (lsattr)?' ;;
        *) printf '%s' "$1" ;;
    esac
}

# try WHY COMMAND...: ends the script with WHY and the last lines that the command printed when it fails.
try() {
    reason=$1
    shift
    "$@" >"$out" 2>&1 </dev/null && return 0
    status=$?
    # For whoever shows what failed: the command, in words that can be tried by hand.
    printf '::run %s\n' "$*"
    tail -n 15 "$out" >&2
    fail "$(why "$reason (exit $status)")"
}

# The path itself, or what a symbolic link leads to.
aim() {
    path=$1
    [ -L "$path" ] || return 0
    path=$(readlink -f -- "$1") || fail 'a symbolic link that leads nowhere'
}

parent() {
    parent=${1%/*}
    [ -d "${parent:=/}" ] || try 'its directory cannot be made' mkdir -p -- "$parent"
}

# Gives $new the place of $1 in one step; writes in place where that cannot be (a mount point, as /etc/hosts of a container).
swing() {
    if [ -e /sys/fs/selinux/enforce ] && command -v chcon >/dev/null 2>&1; then
        if [ -e "$1" ]; then chcon --reference="$1" -- "$new" 2>/dev/null; fi
    fi
    if mv -f -T -- "$new" "$1" 2>"$out"; then
        new=''
        return 0
    fi
    case $(cat "$out") in
        *busy*) ;;
        *) tail -n 3 "$out" >&2 && fail "$(why 'cannot be replaced')" ;;
    esac
    cat -- "$1" >"$BM/.old"
    if ! { cat -- "$new" >"$1"; } 2>"$out"; then
        { cat -- "$BM/.old" >"$1"; } 2>/dev/null
        fail "$(why 'cannot be written')"
    fi
    rm -f -- "$new"
    new=''
}

copy() {
    cat -- "$1" >"$2"
}

# file ATTACHMENT MODE PATH [CHECK]
file() {
    aim "$3"
    [ ! -d "$path" ] || fail 'a directory is in its place'
    remember "$path"
    if [ -f "$path" ] && cmp -s -- "$BM/$1" "$path"; then
        mode "$2" "$path"
        return 0
    fi
    parent "$path"
    new=$parent/.baremetal-new
    rm -rf -- "$new"
    (umask 077 && : >"$new") 2>"$out" || fail "$(why "cannot be written: $(cat "$out")")"
    try 'cannot be written' copy "$BM/$1" "$new"
    if [ -n "${4:-}" ]; then
        try 'its content was refused by its check, nothing was replaced' sh -c "$4" sh "$new"
    fi
    try 'its mode cannot be set' chmod "$2" -- "$new"
    swing "$path"
    # Where it was written in place.
    chmod "$2" -- "$path" 2>/dev/null
    case $path in */systemd/system/*) units_changed=yes ;; esac
}

# mode MODE PATH
mode() {
    remember "$2"
    try 'its mode cannot be set' chmod "$1" -- "$2"
    try 'its owner cannot be set' chown "$me" -- "$2"
}

# directory MODE PATH
directory() {
    remember "$2"
    if [ ! -d "$2" ]; then
        [ ! -e "$2" ] || fail 'something that is no directory is in its place'
        try 'cannot be made' mkdir -p -- "$2"
    fi
    mode "$1" "$2"
}

# absent PATH
absent() {
    [ ! -d "$1" ] || [ -L "$1" ] || fail 'it is a directory; only files are removed'
    remember "$1"
    try 'cannot be removed' rm -f -- "$1"
    case $1 in */systemd/system/*) units_changed=yes ;; esac
}

# block ATTACHMENT MARKER PATH: our lines between their markers, everything else as it is.
block() {
    aim "$3"
    remember_block "$2" "$path"
    parent "$path"
    new=$parent/.baremetal-new
    rm -rf -- "$new"
    if [ -e "$path" ]; then
        try 'cannot be copied' cp -p -- "$path" "$new"
    else
        (: >"$new") 2>"$out" || fail "$(why 'cannot be written')"
    fi
    [ -e "$path" ] && from=$path || from=/dev/null
    BEGIN_MARK="# BEGIN baremetal $2" END_MARK="# END baremetal $2" awk -v block="$BM/$1" '
        function ours(line) {
            print begin
            while ((getline line < block) > 0) print line
            print end
            written = 1
        }
        BEGIN { begin = ENVIRON["BEGIN_MARK"]; end = ENVIRON["END_MARK"]; held = 0 }
        inside && $0 == end { inside = 0; held = 0; if (!written) ours(); next }
        inside && $0 == begin { for (i = 1; i <= held; i++) print hold[i]; held = 0; next }
        inside { hold[++held] = $0; next }
        $0 == begin { inside = 1; held = 0; next }
        $0 == end { next }
        { print }
        END { for (i = 1; i <= held; i++) print hold[i]; if (!written) ours() }
    ' "$from" >"$new" 2>"$out" || fail "$(why 'cannot be written')"
    swing "$path"
}

# One call of the package manager, which asks nothing and keeps configuration files as they are.
apt() {
    apt-get -q -y -o DPkg::Lock::Timeout=180 -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confdef \
        -o Dpkg::Options::=--force-confold -o Acquire::Retries=3 "$@" >"$out" 2>&1 </dev/null
}

# Index files have a lock of their own, for which apt does not wait.
apt_update() {
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        apt update && return 0
        grep -q 'Could not get lock' "$out" || return 1
        sleep 3
    done
    return 1
}

# packages NAME...
packages() {
    remember_packages "$@"
    install_packages "$@"
    note_new_packages
}

install_packages() {
    if command -v apt-get >/dev/null 2>&1; then
        apt install --no-install-recommends -- "$@" && return 0
        if grep -q 'dpkg was interrupted' "$out"; then
            try 'dpkg was interrupted earlier and cannot be repaired' \
                dpkg --force-confdef --force-confold --configure -a
            apt install --no-install-recommends -- "$@" && return 0
        fi
        if grep -Eq 'Unable to locate|no installation candidate|404|Unable to fetch|has no installation' "$out"; then
            if ! apt_update; then
                tail -n 15 "$out" >&2
                fail "$(why 'apt-get update failed; are the package sources reachable from the host?')"
            fi
            apt install --no-install-recommends -- "$@" && return 0
        fi
        if grep -q 'unmet dependencies' "$out" && apt -f install; then
            apt install --no-install-recommends -- "$@" && return 0
        fi
        tail -n 15 "$out" >&2
        fail "$(why "apt-get install failed: $(sed -n 's/^E: //p' "$out" | head -n 1)")"
    elif command -v dnf >/dev/null 2>&1; then
        try 'dnf install failed' dnf -q -y install --setopt=install_weak_deps=False -- "$@"
    else
        fail 'neither apt-get nor dnf is on the host'
    fi
}

# module NAME REQUIRED
module() {
    modprobe -- "$1" >"$out" 2>&1 && return 0
    [ "$2" = yes ] || return 0
    tail -n 3 "$out" >&2
    fail 'the kernel has no such module; install the modules of the running kernel, or reboot into the installed one'
}

# sysctl_set PATH VALUE REQUIRED
sysctl_set() {
    if [ ! -e "/proc/sys/$1" ]; then
        [ "$3" = yes ] || return 0
        fail 'the kernel has no such key; is the module that makes it loaded?'
    fi
    remember_sysctl "$1"
    { printf '%s\n' "$2" >"/proc/sys/$1"; } 2>"$out" || fail "$(why "the kernel refused $2: $(cat "$out")")"
}

swap_off() {
    remember_swap
    try 'swapoff failed; is there memory enough for what is swapped out?' swapoff -a
    if [ -f /etc/fstab ]; then
        new=/etc/.baremetal-new
        try 'fstab cannot be copied' cp -p -- /etc/fstab "$new"
        awk '$1 !~ /^#/ && $3 == "swap" { print "# baremetal: " $0; next } { print }' /etc/fstab >"$new" || fail 'fstab cannot be written'
        if cmp -s /etc/fstab "$new"; then rm -f -- "$new" && new=''; else swing /etc/fstab; fi
    fi
    # Units made by generators (zram, partitions by type) would bring it back at boot.
    systemctl -q mask swap.target >/dev/null 2>&1 || :
}

# hostname_set NAME
hostname_set() {
    remember /etc/hostname
    remember_hostname
    { printf '%s\n' "$1" >/etc/hostname; } 2>"$out" || fail "$(why '/etc/hostname cannot be written')"
    { printf '%s' "$1" >/proc/sys/kernel/hostname; } 2>"$out" || fail "$(why 'the kernel refused the name')"
}

# service UNIT VERB ENABLED STATE REQUIRED
service() {
    if [ -n "$units_changed" ] || [ "$(systemctl show -p NeedDaemonReload --value -- "$1" 2>/dev/null)" = yes ]; then
        try 'systemctl daemon-reload failed' systemctl daemon-reload
        units_changed=''
    fi
    if [ "$(systemctl show -p LoadState --value -- "$1" 2>/dev/null)" = not-found ]; then
        [ "$5" = yes ] || return 0
        fail 'systemd knows no such unit'
    fi
    if [ "$3" = yes ]; then
        systemctl -q is-enabled -- "$1" >/dev/null 2>&1 || try 'cannot be enabled' systemctl -q enable -- "$1"
    else
        try 'cannot be disabled' systemctl -q disable -- "$1"
    fi
    case $2:$4 in
        start:* | restart:running) service_do restart "$1" ;;
        restart:*) service_do try-restart "$1" ;;
        reload:*)
            mkdir -p "$run/reload"
            # The stamp is older than the reload: what is written while it reloads is seen as newer.
            : >"$run/reload/.$1"
            service_do reload "$1"
            mv -f -- "$run/reload/.$1" "$run/reload/$1"
            ;;
        stop:*) service_do stop "$1" ;;
    esac
}

service_do() {
    systemctl reset-failed -- "$2" >/dev/null 2>&1
    systemctl "$1" -- "$2" >"$out" 2>&1 </dev/null && return 0
    tail -n 5 "$out" >&2
    journalctl -q -u "$2" -n 10 --no-pager -o cat >&2 2>/dev/null
    fail "systemctl $1 failed; the lines above are its journal"
}

# staged SHA256: the transferred artifact, in `staged`.
staged() {
    staged=$var/artifacts/$1
    [ -f "$staged" ] || fail "its artifact $1 is not on the host"
    case " $done_with " in *" $1 "*) ;; *) done_with="$done_with $1" ;; esac
}

# artifact SHA256 MODE PATH
artifact() {
    staged "$1"
    aim "$3"
    [ ! -d "$path" ] || fail 'a directory is in its place'
    remember "$path"
    parent "$path"
    new=$parent/.baremetal-new
    rm -rf -- "$new"
    try 'cannot be written' cp -- "$staged" "$new"
    try 'its mode cannot be set' chmod "$2" -- "$new"
    swing "$path"
}

# unpack SHA256 LIST STRIP DIRECTORY [MEMBER NAME]...
unpack() {
    staged "$1"
    list=$var/archives/$2
    strip=$3
    place=$4
    shift 4
    remember "$place"
    try 'its directory cannot be made' mkdir -p -- "$place" "$var/archives"
    new=$place/.baremetal-new
    rm -rf -- "$new"
    try 'cannot be unpacked' mkdir -- "$new"
    try 'cannot be unpacked' tar -xf "$staged" -C "$new" --no-same-owner --strip-components="$strip"
    : >"$list.new" || fail 'its list of members cannot be written'
    if [ $# -eq 0 ]; then
        try 'cannot be unpacked' find "$new" -type f -print
        mv -f -- "$out" "$BM/.found"
        while read -r found; do
            member "${found#"$new"/}" "${found#"$new"/}"
        done <"$BM/.found"
    fi
    while [ $# -gt 0 ]; do
        [ -f "$new/$1" ] || fail "the archive has no $1"
        member "$1" "$2"
        shift 2
    done
    rm -rf -- "$new"
    new=''
    try 'its list of members cannot be written' mv -f -- "$list.new" "$list"
}

# member FROM TO: takes its place in one step; what it replaces may be running.
member() {
    sum=$(sha256sum -- "$new/$1") || fail "$1 cannot be read"
    sum=${sum#\\}
    printf '%s %s\n' "${sum%% *}" "$2" >>"$list.new" || fail 'its list of members cannot be written'
    remember "$place/$2"
    case $2 in */*) [ -d "$place/${2%/*}" ] || try 'cannot be unpacked' mkdir -p -- "$place/${2%/*}" ;; esac
    mv -f -T -- "$new/$1" "$place/$2" || fail "$2 cannot be replaced"
}

runtime() {
    command -v ctr >/dev/null 2>&1 || fail 'containerd is not installed (no ctr)'
    [ -S /run/containerd/containerd.sock ] || fail 'containerd is not running (no /run/containerd/containerd.sock)'
}

# load SHA256
load() {
    runtime
    staged "$1"
    try 'containerd cannot import the image' ctr -n k8s.io images import "$staged"
}

# pull REFERENCE...
pull() {
    runtime
    for reference do
        if command -v crictl >/dev/null 2>&1; then
            try "$reference cannot be pulled" crictl --timeout 300s pull "$reference"
        else
            try "$reference cannot be pulled" ctr -n k8s.io images pull --hosts-dir /etc/containerd/certs.d "$reference"
        fi
    done
}

# What was staged is on its place now. Nothing is flushed to disk: after a power cut the next run compares contents again.
finish() {
    for sum in $done_with; do rm -f -- "$var/artifacts/$sum"; done
}
