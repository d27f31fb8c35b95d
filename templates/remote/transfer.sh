# Takes a file of $2 bytes with checksum $3 from stdin to $1: complete and verified, or not at all.
# Says `present` when it is there already, else `send` when it is ready to take it.
set -u
directory=${1%/*}
mkdir -p "$directory" || exit 1
if [ -f "$1" ]; then
    found=$(sha256sum "$1")
    if [ "${found%% *}" = "$3" ]; then
        echo ::say present
        exit 0
    fi
fi
# Parts of runs that were cut off.
rm -f "$1".part.*
part=$1.part.$$
trap 'rm -f "$part"' EXIT
trap 'exit 1' HUP TERM PIPE
free=$(df -Pk "$directory" | awk 'NR == 2 { print $4 }')
need=$(($2 / 1024 + 65536))
if [ "${free:-0}" -lt "$need" ]; then
    echo "no space in $directory: $((need / 1024)) MiB are needed, $((${free:-0} / 1024)) MiB are free" >&2
    exit 28
fi
echo ::say send
head -c "$2" >"$part" || exit 1
found=$(sha256sum "$part")
if [ "${found%% *}" != "$3" ]; then
    echo "$1 arrived damaged or incomplete and was thrown away" >&2
    exit 1
fi
chmod 0644 "$part" && mv -f "$part" "$1"
