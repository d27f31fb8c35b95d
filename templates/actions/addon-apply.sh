# Errors that pass by themselves: a webhook or an API that is only just starting.
passing='failed calling webhook|no endpoints available|connection refused|x509|no matches for kind|could not find the requested resource|etcdserver|TLS handshake|i/o timeout|EOF|the object has been modified'

# Applies file $2 as field manager $1; what passes by itself is tried again for two minutes.
apply() {
	apply_end=$(($(date +%s) + 120))
	until kube apply --server-side --force-conflicts "--field-manager=$1" -f "$2" 2>"$BM/apply.err"; do
		cat "$BM/apply.err" >&2
		if replaceable; then continue; fi
		grep -Eq "$passing" "$BM/apply.err" && [ "$(date +%s)" -lt "$apply_end" ] || return 1
		say "waiting: $(tail -n 1 "$BM/apply.err")"
		sleep 2
	done
}

# Takes away the storage classes that file apply.err says cannot be changed in place; false when it names none. Volumes have
# their own copy of what a class says.
replaceable() {
	classes=$(sed -n 's/.*The StorageClass "\([^"]*\)" is invalid:.*\(are forbidden\|is immutable\).*/\1/p' "$BM/apply.err")
	[ -n "$classes" ] || return 1
	for class in $classes; do
		say "making storage class $class anew: it cannot be changed in place"
		kube delete storageclass "$class" --ignore-not-found
	done
}

apply_base() {
	base "$1"
	if [ -s "$BM/$1.base.yaml" ]; then apply baremetal-base "$BM/$1.base.yaml"; fi
}

apply_manifest() {
	apply_base "$1"
	render "$@" >"$BM/$1.rendered.yaml"
	# Before what is new: a pool of addresses under another name would overlap the old one.
	if [ -f "$BM/$1.owned" ]; then
		read -r left_namespace <"$BM/$1.owned"
		for left in $(superfluous "$1"); do
			say "taking away $left"
			kube -n "$left_namespace" delete "$left" --ignore-not-found
		done
	fi
	apply baremetal "$BM/$1.rendered.yaml"
}

# Installs or upgrades release $1 in namespace $2 from chart $3; further arguments go to helm.
apply_release() {
	release=$1 namespace=$2 chart=$3
	shift 3
	command -v helm >/dev/null || fail "helm is not on this host: the artifact source has none"
	apply_base "$release"
	# A helm that was killed leaves a revision that blocks every later one; what it made stays and is adopted.
	for state in pending-install pending-upgrade pending-rollback; do
		kube -n "$namespace" delete secret -l "owner=helm,name=$release,status=$state" --ignore-not-found
	done
	run helm --kubeconfig "$admin" upgrade --install "$release" "$chart" --namespace "$namespace" --create-namespace \
		--values "$BM/$release.values" --wait --timeout 15m0s "$@"
}

# Whether a node is ready, not cordoned, and takes pods that tolerate nothing.
node_for_pods() {
	kube get nodes -o 'jsonpath={range .items[*]}{.spec.unschedulable}|{.spec.taints[*].effect}|{.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}' |
		awk -F '|' '$1 != "true" && $2 !~ /(^| )(NoSchedule|NoExecute)( |$)/ && $3 == "True" { found = 1 } END { exit !found }'
}

# What is new here would wait for its pods a long time, and say nothing of why.
wait_for_a_node() {
	within 120 node_for_pods || fail "no node takes pods: each one is not ready, cordoned, or tainted; nothing was installed"
}

has_endpoints() { kube -n "$1" get endpoints "$2" -o json | grep -q '"addresses"'; }

wait_endpoints() { within 180 has_endpoints "$1" "$2" || fail "service $2 in $1 has no endpoint that is ready"; }
wait_rollout() { kube -n "$1" rollout status "$2" --timeout=300s; }
wait_condition() { kube -n "$1" wait "--for=condition=$3" "$2" --timeout=300s; }
