# Longhorn rebuilds elsewhere what it has on this node; when that does not end in time, the node is as it was before.
# Arguments: node, seconds.
node=$1 seconds=$2

not_moved() {
	undo "$node"
	fail "$@"
}

begin() {
	mark "$node" || return 1
	kube -n "$longhorn" patch nodes.longhorn.io "$node" --type merge --patch-file "$BM/longhorn.json" >&2
}

begin || not_moved "Longhorn cannot be told to empty $node"
end=$(($(date +%s) + seconds))
told='' volumes=unknown
while :; do
	# An API that does not answer for a moment says nothing about replicas.
	if replicas_on "$node" >"$BM/volumes"; then
		[ -s "$BM/volumes" ] || break
		volumes=$(tr '\n' ' ' <"$BM/volumes")
		count=$(grep -c . "$BM/volumes")
		if [ "$count" != "$told" ]; then say "$count replicas left on $node"; fi
		told=$count
	fi
	[ "$(date +%s)" -lt "$end" ] || not_moved "Longhorn still has replicas on $node after $seconds s, of volumes $volumes"
	sleep 2
done
