# Longhorn rebuilds elsewhere what it has on this node; when that does not end in time, the node is as it was before.
# Arguments: node, seconds.
node=$1 seconds=$2
mark "$node"
kube -n "$longhorn" patch nodes.longhorn.io "$node" --type merge --patch-file "$BM/longhorn.json" >&2
end=$(($(date +%s) + seconds))
told=
while :; do
	replicas_on "$node" >"$BM/volumes"
	[ -s "$BM/volumes" ] || break
	count=$(grep -c . "$BM/volumes")
	if [ "$count" != "$told" ]; then say "$count replicas left on $node"; fi
	told=$count
	if [ "$(date +%s)" -ge "$end" ]; then
		undo "$node"
		fail "Longhorn still has replicas on $node after $seconds s, of volumes $(tr '\n' ' ' <"$BM/volumes")"
	fi
	sleep 2
done
