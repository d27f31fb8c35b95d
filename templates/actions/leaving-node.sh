# The Node goes, and with it what Longhorn knows of it.
# Argument: node. Attachment lose: volumes that may die with it, one on a line.
node=$1

longhorn_forgets() {
	ask_replicas || return 1
	while IFS='|' read -r on volume _ failed replica; do
		[ "$on" = "$node" ] || continue
		# Longhorn deletes the last replica of a volume only when it has failed.
		if [ -z "$failed" ] && grep -qxF "$volume" "$BM/lose"; then
			kube -n "$longhorn" patch replicas.longhorn.io "$replica" --type merge \
				--patch "{\"spec\":{\"failedAt\":\"$(date -u +%Y-%m-%dT%H:%M:%SZ)\"}}" || return 1
		fi
		kube -n "$longhorn" delete replicas.longhorn.io "$replica" --ignore-not-found --timeout=30s || return 1
	done <"$BM/replicas"
	kube -n "$longhorn" delete nodes.longhorn.io "$node" --ignore-not-found --timeout=30s
}
forgotten() { longhorn_forgets 2>"$BM/refused"; }

stored=$(longhorn_kind)
if [ -n "$stored" ]; then
	# What was healthy elsewhere when the removal was planned may have failed since.
	within 30 ask_replicas || fail "Longhorn does not say which replicas it has"
	last=$(last_copies "$node" | tr '\n' ' ')
	[ -z "$last" ] || fail "$node has the last replica of Longhorn's volumes $last: its Node is not deleted"
fi
kube delete node "$node" --ignore-not-found --timeout=60s
if [ -n "$stored" ]; then stored=$(kube -n "$longhorn" get nodes.longhorn.io "$node" --ignore-not-found -o name); fi
if [ -n "$stored" ]; then
	kube -n "$longhorn" patch nodes.longhorn.io "$node" --type merge --patch '{"spec":{"allowScheduling":false}}'
	# Longhorn lets go of a node when it has seen that Kubernetes has none, and when no engine is there: those of volumes that were
	# attached are given up after minutes.
	within 480 forgotten || fail "Longhorn does not let go of $node: $(tail -n 1 "$BM/refused")"
fi
