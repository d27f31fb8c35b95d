# The cluster does what it is for.
# Arguments: etcd endpoint (empty: the nodes alone are looked at, not etcd and DNS), Kubernetes version with v, whether nodes must be Ready (yes or no), then the nodes.
# Attachment holders: a line `HOST yes|no` for every host that may hold the virtual IP (empty without one).
etcd_endpoint=$1 version=$2 want_ready=$3
shift 3

node_ready() {
	kube get node "$1" -o json >"$BM/node" || return 1
	tr -d ' \n' <"$BM/node" | grep -Eq '"status":"True"[^{}]*"type":"Ready"|"type":"Ready"[^{}]*"status":"True"'
}

etcd_healthy() { etcd endpoint health --cluster; }

within 60 api_ready || fail "the API does not answer /readyz"
for node in "$@"; do
	if ! kube get node "$node" -o name >/dev/null 2>&1; then
		say "$node has not joined: not verified"
		continue
	fi
	if [ "$want_ready" = yes ]; then
		within 180 node_ready "$node" || fail "node $node is not Ready: kubectl describe node $node"
	fi
	kube get node "$node" -o json >"$BM/node"
	grep -Eq "\"kubeletVersion\": *\"$version\"" "$BM/node" || fail "node $node does not run kubelet $version"
done
[ -z "$etcd_endpoint" ] || within 60 etcd_healthy || fail "not every etcd member is healthy: etcdctl endpoint health --cluster"
if [ "$want_ready" = yes ] && [ -n "$etcd_endpoint" ]; then
	kube -n kube-system rollout status deployment/coredns --timeout=180s
fi
if [ -s "$BM/holders" ]; then
	count=$(grep -c ' yes$' "$BM/holders" || true)
	[ "$count" = 1 ] || fail "the virtual IP is held by $count hosts, not by one: $(tr '\n' ' ' <"$BM/holders")"
fi
