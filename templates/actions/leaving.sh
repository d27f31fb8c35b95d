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

# Asks for all replicas: NODE|VOLUME|HEALTHY SINCE|FAILED SINCE|NAME, one on a line.
ask_replicas() {
	kube -n "$longhorn" get replicas.longhorn.io \
		-o 'jsonpath={range .items[*]}{.spec.nodeID}{"|"}{.spec.volumeName}{"|"}{.spec.healthyAt}{"|"}{.spec.failedAt}{"|"}{.metadata.name}{"\n"}{end}' >"$BM/replicas"
}

# Of those that were asked for: volumes that die with node $1, but for those in attachment lose. It has a replica that was whole once, from
# which Longhorn can salvage the volume although it has failed; nobody else has one that has not.
last_copies() {
	awk -F '|' -v node="$1" '
		$1 == node && $3 != "" { here[$2] }
		$1 != node && $3 != "" && $4 == "" { elsewhere[$2] }
		END { for (volume in here) if (!(volume in elsewhere)) print volume }' "$BM/replicas" >"$BM/last"
	grep -vxF -f "$BM/lose" "$BM/last" || true
}

# Volumes with a replica on node $1 that has not failed, or that is the last, one on a line.
replicas_on() {
	ask_replicas || return 1
	{
		awk -F '|' -v node="$1" '$1 == node && $4 == "" { print $2 }' "$BM/replicas"
		last_copies "$1"
	} | sort -u
}

longhorn_objects() {
	kinds=$(longhorn_kind) || return 1
	[ -n "$kinds" ] || return 0
	kube -n "$longhorn" get nodes.longhorn.io,volumes.longhorn.io,replicas.longhorn.io -o json
}
