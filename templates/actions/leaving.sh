# What scripts that empty a node share. Attachments, where a script changes the node:
# mark.json and unmark.json (merge patches of the Node; the latter empty where the node was out before), longhorn.json and longhorn-undo.json (of Longhorn's node, where it has one).
longhorn='longhorn-system'

# Cordons the node and writes down who did it, in one patch: a run that is killed leaves both or none.
mark() { kube patch node "$1" --type merge --patch-file "$BM/mark.json" >&2; }

# The node as it was before.
undo() {
	say "undone: $1 is as it was before"
	if [ -s "$BM/longhorn-undo.json" ]; then
		kube -n "$longhorn" patch nodes.longhorn.io "$1" --type merge --patch-file "$BM/longhorn-undo.json" >&2 ||
			printf 'the settings of %s in Longhorn could not be put back\n' "$1" >&2
	fi
	[ -s "$BM/unmark.json" ] || return 0
	kube patch node "$1" --type merge --patch-file "$BM/unmark.json" >&2 ||
		printf 'node %s could not be uncordoned: kubectl uncordon %s\n' "$1" "$1" >&2
}

# Prints something where Longhorn is there. Fails where that cannot be told: then nothing may be taken for absent.
longhorn_kind() { kube get customresourcedefinition replicas.longhorn.io --ignore-not-found -o name; }

# Volumes with a replica on node $1 that has not failed, one on a line.
replicas_on() {
	kube -n "$longhorn" get replicas.longhorn.io \
		-o 'jsonpath={range .items[*]}{.spec.nodeID}{"|"}{.spec.volumeName}{"|"}{.spec.failedAt}{"\n"}{end}' >"$BM/replicas" || return 1
	while IFS='|' read -r on volume failed; do
		if [ "$on" = "$1" ] && [ -z "$failed" ]; then printf '%s\n' "$volume"; fi
	done <"$BM/replicas"
}

longhorn_objects() {
	kinds=$(longhorn_kind) || return 1
	[ -n "$kinds" ] || return 0
	kube -n "$longhorn" get nodes.longhorn.io,volumes.longhorn.io,replicas.longhorn.io -o json
}
