# Who answers ARP for an address? Arguments: interface, address, an address of this host on the interface.
# Prints `mac ADDRESS` for every one that answers, or `skip WHY`.
interface=$1 address=$2 own=$3
for python in python3 /usr/libexec/platform-python; do
	command -v "$python" >/dev/null 2>&1 || continue
	"$python" -I -B "$BM/arp.py" "$interface" "$address" "$own"
	exit 0
done
if command -v arping >/dev/null; then
	# Two programs have this name; both print the hardware address of each that answers.
	{ arping -c 3 -w 3 -I "$interface" "$address" || true; } 2>/dev/null |
		grep -Eio '([0-9a-f]{2}:){5}[0-9a-f]{2}' | tr '[:upper:]' '[:lower:]' | sort -u | sed 's/^/mac /'
	exit 0
fi
echo 'skip there is neither python3 nor arping on the host'
