# What only hosts together can tell: listens for the other hosts, and probes them, as `task.json` says. Changes nothing.
#
# Says `listening`, waits for a line on stdin, probes, prints its answer as one line of JSON, says `probed`, and goes on
# listening until stdin ends. Status 3: there is no Python 3.
set -u
found=
for python in python3 /usr/libexec/platform-python; do
    command -v "$python" >/dev/null 2>&1 || continue
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 6))' </dev/null 2>/dev/null && found=$python && break
done
[ -n "$found" ] || exit 3
exec "$found" -I -B "$BM/wire.py" "$BM/task.json"
