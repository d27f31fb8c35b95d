# Pods leave this node, as their budgets allow; when they have not left in time, the node is as it was before.
# Arguments: node, seconds, whether pods that nobody makes again go too (yes or no).
# Attachment kept: a line `NAMESPACE POD BUDGET WHY…` for every pod that must leave; BUDGET is - where there is none.
node=$1 seconds=$2 unmanaged=$3
set -- --ignore-daemonsets --delete-emptydir-data "--timeout=${seconds}s"
[ "$unmanaged" = no ] || set -- "$@" --force
if ! mark "$node"; then
	undo "$node"
	fail "$node cannot be cordoned"
fi
printf '::run kubectl drain %s %s\n' "$node" "$*"
echo 1 >"$BM/status"
{
	if kube drain "$node" "$@" 2>"$BM/errors"; then echo 0 >"$BM/status"; fi
} | while IFS= read -r line; do say "$line"; done

# The node is as it was; then what is still there is named, and what keeps it.
not_drained() {
	tail -n 8 "$BM/errors" >&2
	undo "$node"
	kube get pods --all-namespaces --field-selector "spec.nodeName=$node" \
		-o 'jsonpath={range .items[*]}{.metadata.namespace}{" "}{.metadata.name}{"\n"}{end}' >"$BM/left" || : >"$BM/left"
	blocked=
	while read -r namespace pod budget why; do
		grep -qxF "$namespace $pod" "$BM/left" || continue
		if [ "$budget" != - ]; then
			why="$why ($(kube -n "$namespace" get poddisruptionbudget "$budget" \
				-o 'jsonpath={.status.currentHealthy} of {.status.expectedPods} healthy, {.status.desiredHealthy} needed' || true))"
		fi
		blocked="$blocked; pod $namespace/$pod $why"
	done <"$BM/kept"
	fail "$node is not drained after $seconds s, and is as it was before${blocked:-; $(tail -n 1 "$BM/errors")}"
}

[ "$(cat "$BM/status")" = 0 ] || not_drained
