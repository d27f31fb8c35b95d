# Makes this host the first control plane, or finishes an init that was interrupted. Nothing with data in it is removed.
# Arguments: node, etcd endpoint, etcd data directory, port of the apiserver, whether kube-proxy runs (yes or no),
# host and port that a load balancer must answer on (both empty without one).
# Attachments: kubeadm.yaml; encryption.yaml with a line that ends in KEY, where Secrets are encrypted.
node=$1 etcd_endpoint=$2 data=$3 port=$4 proxy=$5 balancer=$6 balancer_port=$7
manifests=/etc/kubernetes/manifests
[ "$proxy" = yes ] || proxy=

whole() {
	[ -s "$admin" ] && api_ready && kube get node "$node" -o name || return 1
	for object in configmap/kubeadm-config deployment/coredns ${proxy:+daemonset/kube-proxy}; do
		kube -n kube-system get "$object" -o name || return 1
	done
}

# shellcheck disable=SC2016
connects() { timeout 2 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$1" "$2"; }

# The key never leaves control planes: it is made here unless the user brought one, and kept if it is there.
encryption() {
	[ -f "$BM/encryption.yaml" ] && [ ! -s "$pki/secrets-encryption.yaml" ] || return 0
	key=$(head -c 32 /dev/urandom | base64 | tr -d '\n')
	mkdir -p "$pki"
	chmod 755 "$pki"
	while IFS= read -r line; do
		case $line in
		*' KEY') printf '%s%s\n' "${line%KEY}" "$key" ;;
		*) printf '%s\n' "$line" ;;
		esac
	done <"$BM/encryption.yaml" >"$pki/.secrets-encryption.yaml"
	mv "$pki/.secrets-encryption.yaml" "$pki/secrets-encryption.yaml"
}

# A pair of which one half is missing was cut off while it was written; a certificate without key may be the user's own CA.
drop_half_pairs() {
	for key in "$pki"/*.key "$pki"/etcd/*.key; do
		[ -e "$key" ] || continue
		case $key in
		*/sa.key) other=${key%.key}.pub ;;
		*) other=${key%.key}.crt ;;
		esac
		if [ ! -s "$key" ] || [ ! -s "$other" ]; then rm -f "$key" "$other"; fi
	done
}

# kubeadm makes a token for joins; every join gets one of its own, so this one is nobody's.
take_back_token() {
	kube -n kube-system get secrets -o 'jsonpath={range .items[*]}{.metadata.name}{" "}{.data.description}{"\n"}{end}' >"$BM/tokens"
	while read -r name description; do
		case $name in bootstrap-token-*) ;; *) continue ;; esac
		case $(printf %s "$description" | base64 -d) in
		"baremetal: join, made by kubeadm init") kube -n kube-system delete secret "$name" --ignore-not-found ;;
		esac
	done <"$BM/tokens"
}

alone
if whole >/dev/null 2>&1; then
	take_back_token
	say "the control plane is there already"
	exit 0
fi
ignored=
if [ -d "$data/member" ]; then
	[ -s "$pki/etcd/ca.key" ] || fail "$data holds data of another cluster: etcd's CA is not on this host"
	say "an interrupted init is finished; etcd's data is kept"
	ignored="DirAvailable-$(printf %s "$data" | tr / -),"
elif [ -e "$admin" ] || [ -e /etc/kubernetes/kubelet.conf ] || [ -e "$manifests/etcd.yaml" ]; then
	say "an interrupted init that never had data is begun again"
	systemctl stop kubelet || true
	for name in admin super-admin kubelet bootstrap-kubelet controller-manager scheduler; do
		rm -f "/etc/kubernetes/$name.conf"
	done
	for name in etcd kube-apiserver kube-controller-manager kube-scheduler; do
		rm -f "$manifests/$name.yaml"
	done
	drop_half_pairs
else
	drop_half_pairs
fi
for name in etcd kube-apiserver kube-controller-manager kube-scheduler; do
	[ ! -e "$manifests/$name.yaml" ] || ignored="${ignored}FileAvailable--etc-kubernetes-manifests-$name.yaml,"
done
if [ -n "$ignored" ]; then
	ignored="${ignored}Port-$port,Port-2379,Port-2380,Port-10250,Port-10257,Port-10259"
fi
encryption
if [ -n "$balancer" ] && ! within 30 connects "$balancer" "$balancer_port"; then
	fail "nothing answers on $balancer port $balancer_port: the virtual IP or its haproxy is not up"
fi
say "kubeadm init"
run kubeadm init --skip-token-print --config "$BM/kubeadm.yaml" ${ignored:+"--ignore-preflight-errors=$ignored"}
within 120 whole || fail "kubeadm init ended well, but the API behind the endpoint does not show the node $node"
take_back_token
