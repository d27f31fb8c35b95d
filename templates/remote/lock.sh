# Holds /run/baremetal.lock as long as stdin lives; the kernel releases it when this process ends. $1: who holds it.
#
# The caller writes a byte every few seconds; without one for 30 s it is taken for dead, whatever TCP believes.
# Status 75: somebody else holds it; stdout says who.
set -u

# Waits at most $1 seconds for a byte; 1: the caller has gone, 124: nothing came.
beat() {
    byte=$(timeout "$1" head -c 1 9>&- 8>&-) || return 124
    [ -n "$byte" ]
}

exec 9>>/run/baremetal.lock || exit 1
if ! flock -n 9; then
    [ "$(command -v flock)" ] || { echo 'flock is not installed' >&2; exit 1; }
    cat /run/baremetal.lock
    exit 75
fi
printf '%s\n' "$1" >/run/baremetal.lock
trap ': >/run/baremetal.lock' EXIT
trap 'exit 1' HUP TERM PIPE

# A script of an earlier run that lost its connection may still be changing this host.
exec 8>>/run/baremetal.busy
until flock -n 8; do
    echo ::say waiting for a script of an earlier run to end
    beat 2
    [ $? -ne 1 ] || exit 1
done
exec 8>&-
# Left by scripts that were killed: nothing that changes this host runs now.
find /run -maxdepth 1 -name 'baremetal.??????' -type d -mmin +60 -exec rm -rf {} +

echo ::say locked
while beat 30; do :; done
