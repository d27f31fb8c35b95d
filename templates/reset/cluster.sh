# What the cluster has that ends with it, as `key=value` lines; after each question that was answered `answered=QUESTION`, so that
# silence is not taken for emptiness. Reads only. Arguments: etcd endpoint, URL of this host's API server (a cluster whose virtual
# IP is down lives all the same).
etcd_endpoint=$1 server=$2

live() { kube --server "$server" --request-timeout=10s "$@" 2>/dev/null; }

# Without Longhorn there are none of its volumes.
longhorns() {
	kinds=$(live get customresourcedefinition volumes.longhorn.io --ignore-not-found -o name) || return 1
	[ -n "$kinds" ] || return 0
	live -n longhorn-system get volumes.longhorn.io -o name
}

# answer QUESTION COMMAND...: whole or not at all.
answer() {
	question=$1
	shift
	if "$@" >"$BM/answer" 2>/dev/null; then
		cat "$BM/answer"
		printf '\nanswered=%s\n' "$question"
	fi
}

answer nodes live get nodes \
	-o 'jsonpath={range .items[*]}{"node="}{.metadata.name}{" "}{.status.addresses[?(@.type=="InternalIP")].address}{"\n"}{end}'
answer volumes live get persistentvolumes \
	-o 'jsonpath={range .items[*]}{"volume="}{.metadata.name}{" "}{.spec.capacity.storage}{" "}{.spec.claimRef.namespace}{" "}{.spec.claimRef.name}{"\n"}{end}'
answer longhorn longhorns | sed 's|^volume\.longhorn\.io/|longhorn=|'
answer members etcd member list | sed -n 's/^[^,]*,[^,]*, \([^,]*\), \([^,]*\),.*/member=\1 \2/p; s/^answered=/&/p'
echo end=yes
