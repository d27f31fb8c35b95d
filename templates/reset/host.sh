# Gives files, units, kernel settings, swap and name of this host back as they were, then removes the note of them.

# begin with what systemd runs, while its files are still there
units() {
    if noted; then
        cut -d ' ' -f 1 "$before/units" 2>/dev/null
    elif unnoted; then
        made unit
    fi
}

stop_units() {
    units >"$BM/.units"
    while read -r unit; do
        # shellcheck disable=SC2046  # three words
        set -- $(was_unit "$unit")
        # Without a note: what runs for the cluster alone.
        case ${1:-$unit} in loaded | masked | iscsi* | chron* | systemd-* | NetworkManager*) continue ;; esac
        [ "$(systemctl show -p LoadState --value -- "$unit" 2>/dev/null)" != not-found ] || continue
        say "unit $unit"
        systemctl -q disable -- "$unit" >/dev/null 2>&1
        try 'cannot be stopped' systemctl stop -- "$unit"
    done <"$BM/.units"
}

# As they were, after their files are as they were.
revive_units() {
    systemctl daemon-reload 2>/dev/null
    while read -r unit; do
        # shellcheck disable=SC2046  # three words
        set -- $(was_unit "$unit")
        case ${1:-} in loaded | masked) ;; *)
            systemctl reset-failed -- "$unit" >/dev/null 2>&1
            [ "${1:-}" = '' ] || continue
            case $unit in chron* | systemd-timesyncd*) systemctl try-restart -- "$unit" >/dev/null 2>&1 ;; NetworkManager*) systemctl reload -- "$unit" >/dev/null 2>&1 ;; esac
            continue
            ;;
        esac
        say "unit $unit"
        case $3 in
            enabled) systemctl -q enable -- "$unit" >/dev/null 2>&1 ;;
            disabled) systemctl -q disable -- "$unit" >/dev/null 2>&1 ;;
        esac
        case $unit:$2 in
            NetworkManager*:active) systemctl reload -- "$unit" >/dev/null 2>&1 ;;
            *:active) try 'cannot be started again' systemctl restart -- "$unit" ;;
            *) systemctl stop -- "$unit" >/dev/null 2>&1 ;;
        esac
    done <"$BM/.units"
}

# block MARKER PATH: our lines go, everything else stays.
take_block() {
    [ -f "$2" ] || return 0
    BEGIN_MARK="# BEGIN baremetal $1" END_MARK="# END baremetal $1" awk '
        BEGIN { begin = ENVIRON["BEGIN_MARK"]; end = ENVIRON["END_MARK"] }
        inside && $0 == end { inside = 0; held = 0; next }
        inside && $0 == begin { for (i = 1; i <= held; i++) print hold[i]; held = 0; next }
        inside { hold[++held] = $0; next }
        $0 == begin { inside = 1; held = 0; next }
        $0 == end { next }
        { print }
        END { if (inside) print begin; for (i = 1; i <= held; i++) print hold[i] }
    ' "$2" >"$BM/.block" || fail "$2 cannot be read"
    cmp -s -- "$BM/.block" "$2" || rewrite "$2" "$BM/.block"
}

# rewrite PATH CONTENT: mode and owner stay.
rewrite() {
    { cat -- "$2" >"$1"; } 2>"$out" || fail "$1 cannot be written: $(cat "$out")"
}

blocks() {
    if noted; then
        [ ! -f "$before/blocks" ] || cat "$before/blocks"
    elif unnoted; then
        made block
    fi >"$BM/.blocks"
    while read -r marker was path; do
        say "block in $path"
        take_block "$marker" "$path"
        [ "$was" = present ] || [ -s "$path" ] || rm -f -- "$path"
    done <"$BM/.blocks"
}

swap() {
    if [ -f /etc/fstab ] && grep -q '^# baremetal: ' /etc/fstab; then
        say 'swap in /etc/fstab'
        sed 's/^# baremetal: //' /etc/fstab >"$BM/.fstab"
        rewrite /etc/fstab "$BM/.fstab"
        ! unnoted || systemctl -q unmask swap.target >/dev/null 2>&1
    fi
    [ -e "$before/swaps" ] || return 0
    grep -qx masked "$before/swaps" || systemctl -q unmask swap.target >/dev/null 2>&1
    while read -r device priority; do
        [ -e "$device" ] || continue
        ! grep -q "^$device " /proc/swaps || continue
        say "swap on $device"
        # Kernels number priorities of their own below zero.
        case $priority in -* | '') swapon -- "$device" ;; *) swapon -p "$priority" -- "$device" ;; esac >"$out" 2>&1 ||
            printf 'swap on %s cannot be switched on again: %s\n' "$device" "$(cat "$out")" >&2
    done <"$before/swaps"
}

sysctls() {
    [ -s "$before/sysctls" ] || return 0
    say 'kernel settings'
    # Twice: some keys set others when they change.
    for _ in 1 2; do
        while read -r key value; do
            now=$(cat "/proc/sys/$key" 2>/dev/null) || continue
            [ "$now" = "$value" ] || { printf '%s\n' "$value" >"/proc/sys/$key"; } 2>/dev/null
        done <"$before/sysctls"
    done
}

paths() {
    say 'files'
    if noted; then
        put_back /
        return 0
    fi
    unnoted || return 0
    # Without a note only what is known to be ours by its content or its name.
    made file >"$BM/.files"
    while IFS= read -r path; do
        if has_mark "$path"; then rm -f -- "$path" 2>"$out" || fail "$(cat "$out")"; fi
    done <"$BM/.files"
    made plain >"$BM/.files"
    made binary >>"$BM/.files"
    while IFS= read -r path; do
        rm -f -- "$path" 2>"$out" || fail "$(cat "$out")"
    done <"$BM/.files"
    members
    made directory | sort -r >"$BM/.files"
    while IFS= read -r path; do
        rmdir -- "$path" 2>/dev/null
    done <"$BM/.files"
}

# Members of archives, by the lists that were made when they were unpacked: those that still are what was unpacked.
members() {
    for list in "$var"/archives/*; do
        [ -f "$list" ] || continue
        while read -r sum name; do
            for directory in /opt/cni/bin /usr/local/bin /usr/local; do
                [ -f "$directory/$name" ] || continue
                case $(sha256sum -- "$directory/$name") in "$sum "*) rm -f -- "$directory/$name" ;; esac
            done
        done <"$list"
    done
}

# Names of packages that came with us and that nothing else has come to need, in $BM/.going.
going_packages() {
    : >"$BM/.going"
    case $also in *' packages '*) ;; *) return 0 ;; esac
    [ -s "$before/packages" ] || return 0
    if have apt-get; then
        dpkg-query -W -f='${db:Status-Status} ${Package}\n' 2>/dev/null | sed -n 's/^installed //p' | grep -xF -f "$before/packages" >"$BM/.packages"
        cp -- "$BM/.packages" "$BM/.asked"
        while read -r name; do
            apt-get -s purge -- "$name" 2>/dev/null | sed -n 's/^\(Remv\|Purg\) \([^ ]*\).*/\2/p' | sort -u >"$BM/.would"
            if [ -s "$BM/.would" ] && ! grep -qvxF -f "$BM/.packages" "$BM/.would"; then printf '%s\n' "$name" >>"$BM/.going"; fi
        done <"$BM/.asked"
    else
        rpm -qa --qf '%{NAME}\n' 2>/dev/null | grep -xF -f "$before/packages" >"$BM/.going"
    fi
}

# Before files come back: what a package brought was noted after it came, and goes with it. Which that is stays known.
packages() {
    going_packages
    [ -s "$BM/.going" ] || return 0
    say 'packages'
    if have apt-get; then
        # shellcheck disable=SC2046  # names of packages
        dpkg-query -L $(cat "$BM/.going") 2>/dev/null >>"$before/purged"
        # shellcheck disable=SC2046  # names of packages
        try 'apt-get purge failed' apt-get -q -y -o DPkg::Lock::Timeout=180 -o Dpkg::Use-Pty=0 purge -- $(cat "$BM/.going")
    else
        # shellcheck disable=SC2046  # names of packages
        rpm -ql $(cat "$BM/.going") 2>/dev/null >>"$before/purged"
        # rpm refuses what others have come to need, and what its own dependents still need: twice, one by one.
        for _ in 1 2; do
            while read -r name; do rpm -e -- "$name" 2>/dev/null; done <"$BM/.going"
        done
        while read -r name; do
            ! rpm -q -- "$name" >/dev/null 2>&1 || rpm -ql -- "$name" >>"$BM/.kept"
        done <"$BM/.going"
        if [ -s "$BM/.kept" ]; then
            grep -vxF -f "$BM/.kept" "$before/purged" >"$BM/.purged"
            cp -- "$BM/.purged" "$before/purged"
        fi
    fi
}

touched || [ -d "$var" ] || exit 0
say 'units'
stop_units
packages
blocks
swap
paths
sysctls
if [ -s "$before/hostname" ]; then
    say 'hostname'
    { cat "$before/hostname" >/proc/sys/kernel/hostname; } 2>/dev/null
fi
revive_units
say "$var"
find "$var" -mindepth 1 -maxdepth 1 ! -name before -exec rm -rf {} +
# The note goes last, and is no note any more from its first missing piece on.
rm -f -- "$before/whole" "$before/unknown"
rm -rf -- "$var" "${BM_RUN:-/run/baremetal}"
exit 0
