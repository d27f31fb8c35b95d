# On a control plane that stays: the member of a node leaves etcd, if those that are left have a quorum. Counted on the live list.
# Arguments: node; its peer URL, by which a member that never started and so has no name is known, else -; etcd endpoint.
node=$1 peer=$2 etcd_endpoint=$3

count() {
	etcd member list >"$BM/members" || return 1
	etcd endpoint health --cluster >"$BM/health" 2>&1 || true
	id='' voters=0 alive=0 dead=
	while IFS=, read -r member status name peers clients learner; do
		status=${status# } name=${name# } peers=${peers# } clients=${clients# } learner=${learner# }
		if [ "$name" = "$node" ] || { [ -z "$name" ] && [ "$peers" = "$peer" ]; }; then
			id=$member
			continue
		fi
		[ "$learner" != true ] || continue
		voters=$((voters + 1))
		if [ "$status" = started ] && grep -qF "${clients%%,*} is healthy" "$BM/health"; then
			alive=$((alive + 1))
		else
			dead="$dead ${name:-$peers}"
		fi
	done <"$BM/members"
	needed=$((voters / 2 + 1))
}

quorum_without_it() { count && [ "$alive" -ge "$needed" ]; }
# etcd calls itself unhealthy for some seconds after members have connected anew: after a join, after a restart.
removed() {
	etcd member remove "$id" 2>"$BM/refused" && return 0
	count && [ -z "$id" ]
}
gone() { quorum_without_it && [ -z "$id" ]; }

within 30 count || fail "etcd does not say who its members are"
if [ -z "$id" ]; then
	say "$node is no member of etcd"
	exit 0
fi
[ "$voters" -gt 0 ] || fail "$node is the last member of etcd: it is not removed"
within 30 quorum_without_it ||
	fail "$node is not removed from etcd: without it $alive of $voters members are alive, $needed are needed; dead:$dead"
printf '::run etcdctl member remove %s\n' "$id"
within 30 removed || fail "etcd does not remove $node: $(tail -n 1 "$BM/refused")"
within 60 gone || fail "etcd has no quorum without $node yet: $alive of $voters members are alive, $needed are needed"
