# On a healthy control plane: makes what one join needs, and only if etcd is in a state that allows it.
# Arguments: names of the three secrets (token, CA hash, certificate key), name of the fourth (encryption configuration),
# control-plane or worker, node, etcd endpoint, peer URL of the node, whether the node has a kubelet.conf (yes or no).
# Attachments for a control plane: init.yaml (InitConfiguration), cluster.yaml (the rest).
token_name=$1 hash_name=$2 key_name=$3 encryption_name=$4 kind=$5 node=$6 etcd_endpoint=$7 peer=$8 has_conf=$9

# What an interrupted join of this node left: a member that never started, is a learner, or has lost its host.
# All other members must be started, voting and healthy before anything about membership changes.
check_members() {
	etcd member list >"$BM/members"
	etcd endpoint health --cluster >"$BM/health" 2>&1 || true
	stale=
	sick=
	while IFS=, read -r id status name peers clients learner; do
		status=${status# } name=${name# } peers=${peers# } clients=${clients# } learner=${learner# }
		state=ok
		[ "$status" = started ] || state="not started"
		[ "$learner" != true ] || state="a learner"
		if [ "$state" = ok ]; then
			grep -qF "${clients%%,*} is healthy" "$BM/health" || state="not healthy"
		fi
		if [ "$peers" = "$peer" ] || [ "$name" = "$node" ]; then
			if [ "$state" != ok ] || [ "$has_conf" = no ]; then stale=$id; fi
		elif [ "$state" != ok ]; then
			sick="$sick; member ${name:-$peers} is $state"
		fi
	done <"$BM/members"
}

no_sick_member() {
	check_members
	[ -z "$sick" ]
}

within 60 api_ready || fail "the API does not answer /readyz"
if [ "$kind" = control-plane ]; then
	# A member that has just joined needs a moment.
	within 30 no_sick_member || fail "no control plane may join now${sick}"
	if [ -n "$stale" ]; then
		say "the etcd member of an interrupted join of $node is removed"
		etcd member remove "$stale"
		within 30 no_sick_member || fail "etcd is not healthy without the stale member of ${node}${sick}"
	fi
	key=$(kubeadm certs certificate-key)
	{
		cat "$BM/init.yaml"
		printf 'certificateKey: %s\n---\n' "$key"
		cat "$BM/cluster.yaml"
	} >"$BM/kubeadm.yaml"
	kubeadm init phase upload-certs --upload-certs --config "$BM/kubeadm.yaml" >"$BM/uploaded"
	printf '::secret %s %s\n' "$key_name" "$key"
	if [ -s "$pki/secrets-encryption.yaml" ]; then
		printf '::secret %s %s\n' "$encryption_name" "$(base64 <"$pki/secrets-encryption.yaml" | tr -d '\n')"
	else
		printf '::secret %s %s\n' "$encryption_name" none
	fi
fi
kubeadm token create --kubeconfig "$admin" --ttl 15m0s --description "baremetal: join $node" --print-join-command >"$BM/command"
# The command is a line of its own, whatever is warned of around it: kubeadm join HOST:PORT --token T … HASH
while read -r first second _ third token _ hash _; do
	[ "$first $second $third" = "kubeadm join --token" ] || continue
	printf '::secret %s %s\n' "$token_name" "$token"
	printf '::secret %s %s\n' "$hash_name" "$hash"
	found=yes
done <"$BM/command"
[ "${found:-}" = yes ] || fail "kubeadm token create printed no join command"
