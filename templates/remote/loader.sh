# Receives one script on stdin, complete or not at all, and runs it. Constant text: nothing secret is ever in it.
#
#   stdin   BM1 <bytes> <sha256> <mode> <seconds>, then a tar archive of so many bytes; `.run` in it is started
#   stdout  `::ready`, what the script prints, `::exit <status>`; or `::broken <reason>` when nothing was run
#
# Modes: `read`    ends with the connection
#        `change`  goes on without the connection, so that no change is left half done; /run/baremetal.busy says so meanwhile
#        `stream`  gets the rest of stdin
set -u
umask 077
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
cd /

# Nobody may be listening any more; what is to be removed is removed all the same.
trap : PIPE

broken() {
    printf '\n::broken %s\n' "$1"
    exit 125
}

# A trapped signal interrupts `wait`; the script itself is waited for to its end.
finish() {
    while :; do
        wait "$1"
        status=$?
        kill -0 "$1" 2>/dev/null || break
    done
    # What the script left running in its group would keep the streams open.
    kill -TERM -- "-$1" 2>/dev/null
}

printf '::ready\n'
IFS=' ' read -r magic size sum mode limit || exit 125
[ "$magic" = BM1 ] || broken 'the header was not understood'
BM=$(mktemp -d /run/baremetal.XXXXXX) || broken 'no private directory could be made in /run'
export BM
trap 'rm -rf "$BM"' EXIT
trap 'exit 1' HUP TERM
head -c "$size" >"$BM/.payload" || broken 'the script could not be stored in /run'
got=$(sha256sum <"$BM/.payload") || broken 'sha256sum does not work'
[ "${got%% *}" = "$sum" ] || broken 'the script arrived incomplete; nothing was run'
tar -xf "$BM/.payload" -C "$BM" || broken 'the script could not be unpacked in /run'
rm -f "$BM/.payload"

job=
exec 3<&0
case $mode in
read)
    trap 'kill -TERM "$job"' HUP TERM
    timeout -k 5 "$limit" sh "$BM/.run" </dev/null 3<&- &
    job=$!
    { read -r _; kill -TERM "$job"; } <&3 2>/dev/null &
    watch=$!
    finish "$job"
    kill "$watch" 2>/dev/null
    ;;
change)
    trap '' HUP
    trap 'kill -TERM "$job"' TERM
    exec 8>>/run/baremetal.busy
    flock -s 8
    mkfifo "$BM/.loader.out" "$BM/.loader.err" || broken 'no pipe could be made in /run'
    # Without a reader a write would kill the script in mid-change: somebody always reads.
    { cat; cat >/dev/null; } <"$BM/.loader.out" 2>/dev/null &
    out=$!
    { cat >&2; cat >/dev/null; } <"$BM/.loader.err" &
    err=$!
    timeout -k 10 "$limit" sh "$BM/.run" </dev/null >"$BM/.loader.out" 2>"$BM/.loader.err" 3<&- 8>&- &
    job=$!
    finish "$job"
    wait "$out" "$err"
    ;;
stream)
    trap 'kill -TERM "$job"' HUP TERM
    timeout -k 5 "$limit" sh "$BM/.run" <&3 &
    job=$!
    finish "$job"
    ;;
*)
    broken 'the mode was not understood'
    ;;
esac
printf '\n::exit %s\n' "$status"
