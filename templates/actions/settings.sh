# Changed settings on a node that runs. What does not come up with them gets the old ones back, and the step fails.
# Arguments: node, etcd endpoint, URL of this host's API server, then yes or no: a new certificate for it, etcd, the other
# components, a restart of the API server even if its manifest is the same, the kubelet; and the kubelet's flags.
# Attachments on a control plane: kubeadm.yaml; others, the URLs of the other API servers.
node=$1 etcd_endpoint=$2 server=$3 new_certificate=$4 new_etcd=$5 new_components=$6 restart=$7 new_kubelet=$8 flags=$9
manifests=/etc/kubernetes/manifests
environment=/var/lib/kubelet/kubeadm-flags.env
config=/var/lib/kubelet/config.yaml

ready() { kube --server "$1" --request-timeout=5s get --raw /readyz; }

etcd_healthy() { etcd endpoint health --cluster; }

container() { crictl ps -q --state Running --name "^$1\$" | head -n 1; }

# Component $1 runs, and not in container $2 any more.
replaced() {
	now=$(container "$1")
	[ -n "$now" ] && [ "$now" != "$2" ]
}

# Component $1 is up after its change: another container than $2, for longer than one that ends at once, and it answers.
up_again() {
	within 120 replaced "$1" "$2" || return 1
	now=$(container "$1")
	sleep 3
	[ "$(container "$1")" = "$now" ] || return 1
	case $1 in
	etcd) within 120 etcd_healthy ;;
	kube-apiserver) within 180 ready "$server" ;;
	esac
}

# One of the other API servers answers while this one is away.
another_answers() {
	while IFS= read -r url || [ -n "$url" ]; do
		ready "$url" && return 0
	done <"$BM/others"
	return 1
}

# Before anything of the control plane is stopped here, the rest must do without it.
gate() {
	within 60 etcd_healthy || fail "not every member of etcd is healthy: nothing is restarted on $node"
	if [ -s "$BM/others" ]; then
		within 60 another_answers || fail "no other API server answers: that of $node is not restarted"
	fi
}

# The manifest of component $1 as it was, with its old time: the next run sees that it is outdated.
put_back() {
	cp -p "$BM/$1.yaml" "$manifests/.$1.yaml"
	mv "$manifests/.$1.yaml" "$manifests/$1.yaml"
}

# Has kubeadm write the manifest of component $1 in phase $2…, and waits until it runs.
component() {
	component=$1
	shift
	cp -p "$manifests/$component.yaml" "$BM/$component.yaml"
	before=$(container "$component")
	run kubeadm init phase "$@" --config "$BM/kubeadm.yaml"
	if cmp -s "$BM/$component.yaml" "$manifests/$component.yaml"; then
		[ "$component $restart" = "kube-apiserver yes" ] || return 0
		say "$component starts again"
		crictl pods -q --namespace kube-system --name "^$component" | while read -r pod; do crictl rmp -f "$pod"; done
	else
		say "$component starts with new settings"
	fi
	if ! up_again "$component" "$before"; then
		if cmp -s "$BM/$component.yaml" "$manifests/$component.yaml"; then
			fail "$component of $node does not come up again, and nothing could be put back: what it reads at its start (audit policy, certificate) is what was changed. Put that back in the inventory and run \`up\` again"
		fi
		put_back "$component"
		fail "$component of $node does not come up with the new settings; it has the old ones again"
	fi
}

# The old pair stays until there is a new one; a pair that is missing was lost in a run that was cut off.
certificate() {
	for part in crt key; do
		[ ! -e "$pki/apiserver.$part" ] || cp -p "$pki/apiserver.$part" "$BM/apiserver.$part"
	done
	rm -f "$pki/apiserver.crt" "$pki/apiserver.key"
	if ! run kubeadm init phase certs apiserver --config "$BM/kubeadm.yaml"; then
		for part in crt key; do
			[ ! -e "$BM/apiserver.$part" ] || cp -p "$BM/apiserver.$part" "$pki/apiserver.$part"
		done
		fail "kubeadm makes no new certificate for the API server of $node; the old one is in place"
	fi
	restart=yes
}

kubelet_stays() {
	systemctl restart kubelet || return 1
	sleep 2
	pid=$(systemctl show -p MainPID --value kubelet)
	[ "$pid" != 0 ] || return 1
	sleep 6
	[ "$(systemctl show -p MainPID --value kubelet)" = "$pid" ] || return 1
	within 120 node_ready
}

node_ready() {
	kubectl --kubeconfig /etc/kubernetes/kubelet.conf --request-timeout=5s get node "$node" -o json >"$BM/node" || return 1
	tr -d ' \n' <"$BM/node" | grep -Eq '"status":"True"[^{}]*"type":"Ready"|"type":"Ready"[^{}]*"status":"True"'
}

# kubeadm's own flags stay, but for those that the file gives a value of its own.
kubelet_flags() {
	kept=
	set -f
	words=$(sed -n 's/^KUBELET_KUBEADM_ARGS="\(.*\)"$/\1/p' "$environment")
	for word in $words; do
		case $word in
		--container-runtime-endpoint=* | --pod-infra-container-image=* | --hostname-override=* | --register-with-taints=*)
			case " $flags" in
			*" ${word%%=*}="*) ;;
			*) kept="$kept $word" ;;
			esac
			;;
		esac
	done
	set +f
	kept="$kept $flags"
	printf 'KUBELET_KUBEADM_ARGS="%s"\n' "${kept# }" >"$environment.new"
	chmod 644 "$environment.new"
	mv "$environment.new" "$environment"
}

kubelet() {
	# A node without a pod network is not Ready, and not because of us.
	was_ready=yes
	node_ready >/dev/null 2>&1 || was_ready=no
	cp -p "$environment" "$BM/environment"
	cp -p "$config" "$BM/config"
	if run kubeadm upgrade node phase kubelet-config --patches /etc/kubernetes/patches && kubelet_flags; then
		# Old until the kubelet has shown that it lives with it: a run that is cut off before is seen by that.
		touch -d '1970-01-02 00:00:00 UTC' "$config"
		say "kubelet starts with new settings"
		if kubelet_stays || { [ "$was_ready" = no ] && systemctl -q is-active kubelet; }; then
			touch "$config"
			return 0
		fi
	fi
	cp -p "$BM/environment" "$environment"
	cp -p "$BM/config" "$config"
	systemctl restart kubelet || true
	fail "the kubelet of $node does not stay up with the new settings; it has the old ones again"
}

alone
if [ "$new_certificate$new_etcd$new_components" != nonono ]; then
	gate
	if [ "$new_certificate" = yes ]; then certificate; fi
	if [ "$new_etcd" = yes ]; then component etcd etcd local; fi
	component kube-apiserver control-plane apiserver
	if [ "$new_components" = yes ]; then
		component kube-controller-manager control-plane controller-manager
		component kube-scheduler control-plane scheduler
	fi
	within 180 ready "$server" || fail "the API server of $node does not answer"
	within 60 etcd_healthy || fail "not every member of etcd is healthy after the change on $node"
fi
if [ "$new_kubelet" = yes ]; then kubelet; fi
