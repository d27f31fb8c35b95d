# What every action on a control plane or a node begins with.
set -eu
umask 077
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
admin=/etc/kubernetes/admin.conf
pki=/etc/kubernetes/pki
etcd_endpoint=https://127.0.0.1:2379

say() { printf '::say %s\n' "$*"; }

fail() {
	printf '%s\n' "$*" >&2
	exit 1
}

# Runs "$@" and tells the caller, who names it should it fail. Only where stdout goes to the caller.
run() {
	printf '::run %s\n' "$*"
	"$@"
}

kube() { kubectl --kubeconfig "$admin" "$@"; }

# The member of this host, by $etcd_endpoint; the static pod's own etcdctl where the host has none.
etcd() {
	set -- --endpoints "$etcd_endpoint" --cacert "$pki/etcd/ca.crt" --cert "$pki/etcd/healthcheck-client.crt" \
		--key "$pki/etcd/healthcheck-client.key" --dial-timeout 2s --command-timeout 4s "$@"
	if command -v etcdctl >/dev/null; then
		ETCDCTL_API=3 etcdctl "$@"
	else
		crictl exec "$(crictl ps -q --state Running --name '^etcd$' | head -n 1)" etcdctl "$@"
	fi
}

# Runs "$@" every second until it succeeds; fails after $1 seconds.
within() {
	within_end=$(($(date +%s) + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(date +%s)" -lt "$within_end" ] || return 1
		sleep 1
	done
}

# kubeadm of a run that was killed may still be at work here: its end is waited for.
alone() {
	exec 8>/run/baremetal-kubeadm.lock
	flock -w 600 8 || fail "another kubeadm is still running on this host"
}

api_ready() { kube --request-timeout=5s get --raw /readyz; }
