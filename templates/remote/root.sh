# Becomes root, then starts the loader ($1). $2: empty for sudo without a password, else the prompt by which the caller knows
# that sudo wants one.
LC_ALL=C
export LC_ALL
[ "$(id -u)" != 0 ] || exec sh -c "$1" baremetal
command -v sudo >/dev/null || { echo ::no-sudo; exit 1; }
[ -n "$2" ] || exec sudo -n -- sh -c "$1" baremetal
exec sudo -S -p "$2" -- sh -c "$1" baremetal
