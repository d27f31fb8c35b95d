# On each host: does the endpoint answer with the cluster's own CA, and who holds the virtual IP?
# Arguments: endpoint HOST:PORT, virtual IP (or empty), name of the secret that carries the answer, whether this is a node (yes or no).
endpoint=$1 vip=$2 answer=$3 is_node=$4
if [ "$is_node" = yes ]; then
	conf=/etc/kubernetes/kubelet.conf
	through_endpoint() { kubectl --kubeconfig "$conf" --server "https://$endpoint" --request-timeout=5s get --raw /readyz; }
	within 30 through_endpoint || fail "https://$endpoint/readyz does not answer with the cluster's CA from here"
fi
holds=no
if [ -n "$vip" ] && ip -o addr show | grep -qF " $vip/"; then holds=yes; fi
printf '::secret %s %s\n' "$answer" "$holds"
