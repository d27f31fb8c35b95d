# Fetches $2 to $1 and verifies checksum $3: complete and verified, or not at all. $4: bytes, where known.
set -u
directory=${1%/*}
mkdir -p "$directory" || exit 1
if [ -f "$1" ]; then
    found=$(sha256sum "$1")
    [ "${found%% *}" = "$3" ] && exit 0
fi
rm -f "$1".part.*
part=$1.part.$$
trap 'rm -f "$part"' EXIT
trap 'exit 1' HUP TERM
free=$(df -Pk "$directory" | awk 'NR == 2 { print $4 }')
need=$((${4:-0} / 1024 + 65536))
if [ "${free:-0}" -lt "$need" ]; then
    echo "no space in $directory: $((need / 1024)) MiB are needed, $((${free:-0} / 1024)) MiB are free" >&2
    exit 28
fi
echo "::say fetching $2"
if command -v curl >/dev/null; then
    curl -fsSL --connect-timeout 10 --retry 3 -o "$part" -- "$2" || exit 1
elif command -v wget >/dev/null; then
    wget -q -T 30 -t 3 -O "$part" -- "$2" || { echo "wget cannot fetch $2" >&2; exit 1; }
else
    echo 'neither curl nor wget is installed' >&2
    exit 1
fi
found=$(sha256sum "$part")
if [ "${found%% *}" != "$3" ]; then
    echo "$2 has checksum ${found%% *} instead of $3 and was thrown away" >&2
    exit 1
fi
chmod 0644 "$part" && mv -f "$part" "$1"
