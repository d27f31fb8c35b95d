# What a host is: the reading side of every resource. Sets nothing, writes nothing (but the cache of checksums when
# `learn` is set, which applying does).
#
# Expected in variables, each a list of words: `hash` `cached` `whole` (numbers of paths), `show` (NUMBER:SHA256),
# `archives` (NUMBER:SHA256-STRIP), `packages`, `modules`, `sysctls` (paths under /proc/sys), `units`, and `images` `swap`
# `hostname` (yes or nothing).
# Paths are positional parameters. Numbers begin at 1.
# shellcheck disable=SC2086,SC2016  # words are split on purpose; `refs` writes text for eval
: "${hash:=}" "${cached:=}" "${whole:=}" "${show:=}" "${archives:=}" "${packages:=}" "${modules:=}" "${sysctls:=}"
: "${units:=}" "${images:=}" "${swap:=}" "${hostname:=}"
set -f
LC_ALL=C
export LC_ALL
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
var=${BM_VAR:-/var/lib/baremetal}
run=${BM_RUN:-/run/baremetal}
nl='
'

# refs NUMBERS: positional parameters of these numbers, for eval.
refs() {
    for number do printf ' "${%s}"' "$number"; done
}

# sent FILE: what is in it, on one line; longer files are cut, which makes them differ all the same.
sent() {
    head -c 262144 -- "$1" | base64 | tr -d '\n'
}

printf 'me %s\n' "$(id -u)"

number=0
present=''
files=' '
for path do
    number=$((number + 1))
    if [ -e "$path" ]; then
        present="$present $number"
        [ -f "$path" ] && files="$files$number "
    elif [ -L "$path" ]; then
        printf 'path %s dangling\n' "$number"
    fi
done

# `present` is written as numbers, so that splitting and eval are safe.
if [ -n "$present" ]; then
    eval "stat -L -c '%a %u %s %.9Y %F' --$(refs $present)" 2>/dev/null |
        while read -r seen; do
                    set -- $present
            printf 'path %s %s\n' "$1" "$seen"
            shift
            present=$*
        done
fi

# here NUMBERS: those of them that are files, in `here`.
here() {
    here=''
    for number do
        case $files in *" $number "*) here="$here $number" ;; esac
    done
}

here $hash
if [ -n "$here" ]; then
    eval "sha256sum --$(refs $here)" 2>/dev/null |
        while read -r sum name; do
            [ -n "$name" ] || break
            left=${left:-$here}
            number=${left# }
            number=${number%% *}
            left=${left#" $number"}
            sum=${sum#\\}
            printf 'sum %s %s\n' "$number" "$sum"
            case " $show " in
                *" $number:$sum "*) ;;
                *" $number:"*)
                    eval "path=\${$number}"
                    printf 'text %s %s\n' "$number" "$(sent "$path")"
                    ;;
            esac
        done
fi

here $whole
for number in $here; do
    eval "path=\${$number}"
    printf 'text %s %s\n' "$number" "$(sent "$path")"
done

# Large files are hashed once: the cache knows them by device, inode, size and both times.
known=$nl$(cat "$var/sums" 2>/dev/null)$nl
fresh=''

# cached PATH: its checksum in `sum`.
cached() {
    key=$(stat -L -c '%d %i %s %.9Y %.9Z' -- "$1" 2>/dev/null) || return 1
    case $known in
        *"$nl$key $1 "*)
            sum=${known#*"$nl$key $1 "}
            sum=${sum%%"$nl"*}
            ;;
        *)
            sum=$(sha256sum -- "$1" 2>/dev/null) || return 1
            sum=${sum%% *}
            sum=${sum#\\}
            fresh="$fresh$key $1 $sum$nl"
            ;;
    esac
}

here $cached
for number in $here; do
    eval "path=\${$number}"
    cached "$path" && printf 'sum %s %s\n' "$number" "$sum"
done

# What is in an archive is known from the list made when it was unpacked, named after its checksum.
for archive in $archives; do
    number=${archive%%:*}
    list=$var/archives/${archive#*:}
    eval "path=\${$number}"
    [ -f "$list" ] || continue
    printf 'listed %s %s\n' "$number" "${archive#*:}"
    while read -r want member; do
        if [ -f "$path/$member" ] && cached "$path/$member"; then :; else sum=missing; fi
        printf 'member %s %s %s %s\n' "$number" "$want" "$sum" "$member"
    done <"$list"
done

if [ -n "${learn:-}" ] && [ -n "$fresh" ]; then
    mkdir -p "$var" && {
        tail -n 500 "$var/sums" 2>/dev/null
        printf '%s' "$fresh"
    } >"$var/sums.new" && mv -f "$var/sums.new" "$var/sums"
fi

if [ -n "$packages" ]; then
    if command -v dpkg-query >/dev/null 2>&1; then
            dpkg-query -W -f='package ${Package} ${db:Status-Status} ${Version}\n' $packages 2>/dev/null
    elif command -v rpm >/dev/null 2>&1; then
            rpm -q --qf 'package %{NAME} installed %{VERSION}-%{RELEASE}\n' $packages 2>/dev/null | grep '^package [^ ]* installed '
    fi
fi

if [ -n "$modules" ]; then
    # uname -r without a process.
    read -r release </proc/sys/kernel/osrelease
    builtin=''
    [ -f "/lib/modules/$release/modules.builtin" ] && builtin=$(cat "/lib/modules/$release/modules.builtin")
    systems=$(cat /proc/filesystems)$nl
    for module in $modules; do
        plain=$(printf '%s' "$module" | tr - _)
        state=unavailable
        if [ -d "/sys/module/$plain" ]; then
            state=loaded
        else
            case $builtin$nl in *"/$module.ko"* | *"/$plain.ko"*) state=loaded ;; esac
            case $systems in *"	$module$nl"*) state=loaded ;; esac
        fi
        if [ "$state" = unavailable ] && modprobe -n -q "$module" 2>/dev/null; then
            state=available
        fi
        printf 'module %s %s\n' "$module" "$state"
    done
fi

if [ -n "$sysctls" ]; then
    (cd /proc/sys && grep -sH '' $sysctls) | while read -r line; do printf 'sysctl %s\n' "$line"; done
fi

if [ -n "$units" ]; then
    systemctl show --timestamp=us+utc \
        -p LoadState -p ActiveState -p SubState -p UnitFileState -p NeedDaemonReload \
        -p ExecMainStartTimestamp -p InactiveExitTimestamp -- $units 2>/dev/null |
        while read -r line; do printf 'unit %s\n' "$line"; done
    for unit in $units; do
        [ -e "$run/reload/$unit" ] && printf 'reloaded %s %s\n' "$unit" "$(stat -c %.9Y -- "$run/reload/$unit")"
    done
fi

if [ -n "$swap" ]; then
    while read -r device kind rest; do
        case $kind in Type) ;; *) printf 'swap %s\n' "$device" ;; esac
    done </proc/swaps
    [ -f /etc/fstab ] && while read -r device _ kind rest; do
        case $device:$kind in \#*) ;; *:swap) printf 'fstab %s\n' "$device" ;; esac
    done </etc/fstab
fi

if [ -n "$hostname" ]; then
    read -r name </proc/sys/kernel/hostname && printf 'hostname %s\n' "$name"
    { read -r name </etc/hostname && printf 'etc-hostname %s\n' "$name"; } 2>/dev/null
fi

if [ -n "$images" ]; then
    ctr -n k8s.io images list -q 2>/dev/null | while read -r image; do printf 'image %s\n' "$image"; done
fi
printf 'end\n'
