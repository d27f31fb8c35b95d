# What somebody who helps wants to see of a host, in sections: `%% NAME STATUS`, then the output, each line after a dot. Reads only.
#
# Each command has its time and its size; one that fails says why in its section. Never read: keys, kubeconfigs, Secrets.
# Expected in variables: `lines` (of a journal), `bytes` (of a section), `plane` (yes: a control plane), `api` (a server's URL, or
# empty: what the API says is asked elsewhere, or nowhere).
: "${lines:=1000}" "${bytes:=400000}" "${plane:=}" "${api:=}"
LC_ALL=C
export LC_ALL
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
TMPDIR=$BM
export PATH TMPDIR

# section NAME COMMAND...: at most 15 s and the last $bytes of it.
section() {
	name=$1
	shift
	timeout -k 2 15 "$@" >"$BM/out" 2>&1 </dev/null
	status=$?
	printf '%%%% %s %s\n' "$name" "$status"
	size=$(wc -c <"$BM/out")
	if [ "$size" -gt "$bytes" ]; then
		echo ".(cut: the last $bytes of $size bytes)"
		# The first line is a part of one.
		tail -c "$bytes" "$BM/out" | tail -n +2 | sed 's/^/./'
	else
		sed 's/^/./' "$BM/out"
	fi
	printf '\n'
}

have() { command -v "$1" >/dev/null 2>&1; }

# file NAME: as it is, where it is there and no kubeconfig: pod networks keep theirs beside their configuration.
file() {
	case $1 in *kubeconfig*) return ;; esac
	[ -f "$1" ] && section "files$1" cat "$1"
}

section system/uname uname -a
section system/os-release cat /etc/os-release
section system/uptime uptime
section system/date date -u '+%Y-%m-%dT%H:%M:%S.%NZ'
section system/memory free -m
section system/disks df -hT
section system/inodes df -i
section system/block-devices lsblk -f
section system/mounts mount
section system/pressure sh -c 'head -n 3 /proc/pressure/* /proc/loadavg'
# Without arguments: they are whatever somebody wrote there.
section system/processes ps -eo pid,ppid,user,stat,etime,rss,pcpu,comm
section system/kernel-log sh -c "dmesg -T 2>&1 | tail -n $lines"
section system/modules lsmod
section system/failed-units systemctl --no-pager --failed
section system/time timedatectl
section network/addresses ip addr
section network/routes ip route show table all
section network/neighbours ip neigh
section network/listeners ss -lntup
section network/links ip -s link
if have iptables; then section network/iptables iptables -S; fi
if have nft; then section network/nftables nft -t list ruleset; fi

for unit in kubelet containerd haproxy keepalived chrony systemd-timesyncd iscsid; do
	systemctl cat "$unit" >/dev/null 2>&1 || continue
	section "units/$unit" systemctl --no-pager --full status "$unit"
	section "units/$unit.unit" systemctl --no-pager cat "$unit"
	section "journal/$unit" journalctl --no-pager --output short-iso-precise --lines "$lines" --unit "$unit"
done

for path in /etc/hosts /etc/resolv.conf /etc/fstab /etc/crictl.yaml /etc/containerd/config.toml /etc/haproxy/haproxy.cfg \
	/etc/keepalived/keepalived.conf /var/lib/kubelet/config.yaml /var/lib/kubelet/kubeadm-flags.env \
	/etc/kubernetes/manifests/*.yaml /etc/kubernetes/kubeadm/*.yaml /etc/kubernetes/patches/* /etc/kubernetes/audit/policy.yaml \
	/etc/cni/net.d/* /etc/containerd/certs.d/*/hosts.toml /etc/sysctl.d/*.conf /etc/modules-load.d/*.conf; do
	file "$path"
done
section kubernetes/files find /etc/kubernetes /var/lib/kubelet/pki /var/lib/baremetal -maxdepth 4 -printf '%M %u %s %TY-%Tm-%TdT%TH:%TM:%.2TSZ %p\n'
if have kubeadm; then section kubernetes/kubeadm-version kubeadm version -o short; fi
if have kubelet; then section kubernetes/kubelet-version kubelet --version; fi
if have containerd; then section runtime/version containerd --version; fi
if have crictl; then
	section runtime/info crictl version
	section runtime/pods crictl pods
	section runtime/containers crictl ps -a
	section runtime/images crictl images
fi

if [ -n "$plane" ] && have crictl; then
	for component in etcd kube-apiserver kube-controller-manager kube-scheduler; do
		number=0
		# The one that runs, and the one before it: why it ended.
		for container in $(timeout 10 crictl ps -a -q --name "^$component\$" 2>/dev/null | head -n 2); do
			section "components/$component-$number" crictl logs --tail "$lines" "$container"
			number=$((number + 1))
		done
	done
fi

if [ -n "$api" ]; then
	ask() {
		asked=cluster/$1
		shift
		section "$asked" kubectl --kubeconfig /etc/kubernetes/admin.conf --server "$api" --request-timeout=10s "$@"
	}
	ask nodes get nodes -o wide
	ask pods get pods -A -o wide
	ask events get events -A
	ask describe-nodes describe nodes
	ask workloads get deployments,daemonsets,statefulsets,jobs -A -o wide
	ask services get services,endpoints -A -o wide
	ask volumes get pv,pvc -A
	ask storage-classes get storageclasses
	ask certificate-requests get csr
	ask readyz get --raw '/readyz?verbose'
	ask kubeadm-config get configmap kubeadm-config kubelet-config kube-proxy coredns -n kube-system -o yaml
	ask metallb get ipaddresspools,l2advertisements,bgpadvertisements,bgppeers -A
	ask longhorn get volumes.longhorn.io,nodes.longhorn.io,replicas.longhorn.io -n longhorn-system
	# What does not run, and what it said last.
	kubectl --kubeconfig /etc/kubernetes/admin.conf --server "$api" --request-timeout=10s get pods -A --no-headers \
		-o 'jsonpath={range .items[*]}{.metadata.namespace}{" "}{.metadata.name}{" "}{.status.phase}{" "}{.status.containerStatuses[*].ready}{"\n"}{end}' \
		2>/dev/null | while read -r namespace pod phase ready; do
		case $phase:$ready in Succeeded:*) continue ;; *:*false* | Pending:* | Failed:* | Unknown:*) echo "$namespace $pod" ;; esac
	done | head -n 20 >"$BM/pods"
	while read -r namespace pod; do
		ask "pods-not-ready/$namespace.$pod" logs --all-containers --tail 200 -n "$namespace" "$pod"
		ask "pods-not-ready/$namespace.$pod.describe" describe pod -n "$namespace" "$pod"
	done <"$BM/pods"
fi
echo '%% end 0'
