# Does the pod of this node reach the pods of the others over HTTP? The client is the host's, in the pod's network namespace.
# Arguments: the pod's address, port and path. Attachment `pods`: a line `NODE ADDRESS` for every other node.
# Prints `none WHY`, or a line `NODE ok|fail WHY` each.
own=$1 port=$2 path=$3

# The network namespace that has the pod's address: containerd and CRI-O keep them by name.
namespace=
for file in /run/netns/*; do
	[ -e "$file" ] || continue
	if nsenter --net="$file" ip -o addr show 2>/dev/null | grep -qF " $own/"; then
		namespace=$file
		break
	fi
done
if [ -z "$namespace" ]; then
	echo "none no network namespace in /run/netns has the address $own"
	exit 0
fi

# bash opens sockets, and every distribution has it.
# shellcheck disable=SC2016  # bash's own variables
get() {
	nsenter --net="$namespace" timeout 4 bash -c '
		exec 3<>"/dev/tcp/$1/$2" || exit 1
		printf "GET %s HTTP/1.0\r\nHost: verify\r\n\r\n" "$3" >&3
		IFS= read -r -t 3 status <&3
		printf "%s\n" "$status"' bash "$1" "$port" "$path" 2>/dev/null
}

try() {
	for pause in 1 1 0; do
		try_status=$(get "$2" | tr -d '\r')
		case $try_status in
		HTTP/1.?\ 2*)
			echo "$1 ok"
			return 0
			;;
		esac
		sleep "$pause"
	done
	echo "$1 fail ${try_status:-no answer}"
}

running=0
while read -r node address; do
	try "$node" "$address" &
	running=$((running + 1))
	if [ "$running" -ge 64 ]; then
		wait
		running=0
	fi
done <"$BM/pods"
wait
