# The Node goes, and with it what Longhorn knows of it.
# Argument: node.
node=$1

longhorn_forgets() {
	kube -n "$longhorn" get replicas.longhorn.io \
		-o 'jsonpath={range .items[*]}{.spec.nodeID}{"|"}{.metadata.name}{"\n"}{end}' >"$BM/replicas" || return 1
	while IFS='|' read -r on replica; do
		[ "$on" = "$node" ] || continue
		kube -n "$longhorn" delete replicas.longhorn.io "$replica" --ignore-not-found --timeout=30s || return 1
	done <"$BM/replicas"
	kube -n "$longhorn" delete nodes.longhorn.io "$node" --ignore-not-found --timeout=30s
}

kube delete node "$node" --ignore-not-found --timeout=60s
stored=$(longhorn_kind)
if [ -n "$stored" ]; then stored=$(kube -n "$longhorn" get nodes.longhorn.io "$node" --ignore-not-found -o name); fi
if [ -n "$stored" ]; then
	kube -n "$longhorn" patch nodes.longhorn.io "$node" --type merge --patch '{"spec":{"allowScheduling":false}}'
	# Longhorn lets go of a node when it has seen that Kubernetes has none.
	within 120 longhorn_forgets || fail "Longhorn does not let go of $node: kubectl -n $longhorn describe nodes.longhorn.io $node"
fi
