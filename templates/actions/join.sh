# Makes this host a node, or finishes a join that was interrupted.
# Arguments: node, control-plane or worker, etcd endpoint, peer URL, etcd data directory, whether Secrets are encrypted (yes or no).
# Attachments: kubeadm.yaml; encryption (base64) for a control plane.
node=$1 kind=$2 etcd_endpoint=$3 peer=$4 data=$5 encrypted=$6
conf=/etc/kubernetes/kubelet.conf
manifests=/etc/kubernetes/manifests

voter() {
	etcd member list >"$BM/members" || return 1
	while IFS=, read -r _ status name peers _ learner; do
		if [ "${peers# }" = "$peer" ] || [ "${name# }" = "$node" ]; then
			[ "$status $learner" = " started  false" ] && return 0
		fi
	done <"$BM/members"
	return 1
}

healthy() { etcd endpoint health && voter; }

whole() {
	[ -s "$conf" ] && kubectl --kubeconfig "$conf" --request-timeout=5s get node "$node" -o name || return 1
	[ "$kind" = worker ] || { [ -s "$manifests/kube-apiserver.yaml" ] && healthy; }
}

# Only a node that was registered once is given pods.
has_pods() { [ -n "$(find /var/lib/kubelet/pods -mindepth 1 -maxdepth 1 2>/dev/null | head -n 1)" ]; }

alone
if whole >/dev/null 2>&1; then
	say "$node has joined already"
	exit 0
fi
if [ -s "$conf" ] && { [ "$kind" = worker ] || healthy >/dev/null 2>&1; }; then
	say "$node has what a node needs: its kubelet registers it again"
	systemctl restart kubelet
	if within 30 whole; then exit 0; fi
	if [ "$kind" = control-plane ]; then
		fail "the etcd member of $node is healthy, but its kubelet does not register the node"
	fi
fi
if [ "$kind" = worker ] && has_pods; then
	if [ -s "$conf" ] && within 90 whole; then exit 0; fi
	fail "$node has pods, but its kubelet does not register it: nothing is reset, as they would end. \`journalctl -u kubelet\` tells why; if nothing on it is needed any more, run \`baremetal reset\` with its name, then this again"
fi
for path in "$conf" /etc/kubernetes/bootstrap-kubelet.conf "$pki/ca.crt" "$manifests"/*.yaml "$data/member" /var/lib/kubelet/config.yaml; do
	if [ -e "$path" ]; then
		say "what an interrupted join left is removed"
		if [ "$kind" = control-plane ] && healthy >/dev/null 2>&1; then
			fail "the etcd member of $node is healthy: it is not reset"
		fi
		run kubeadm reset -f --cri-socket unix:///run/containerd/containerd.sock
		break
	fi
done
if [ "$kind" = control-plane ] && [ "$encrypted" = yes ]; then
	mkdir -p "$pki"
	chmod 755 "$pki"
	base64 -d <"$BM/encryption" >"$pki/.secrets-encryption.yaml"
	mv "$pki/.secrets-encryption.yaml" "$pki/secrets-encryption.yaml"
fi
say "kubeadm join"
run kubeadm join --config "$BM/kubeadm.yaml"
within 120 whole || fail "kubeadm join ended well, but $node is not a whole $kind yet"
