# Ends the kubelet and every pod of this host; what pods had mounted is unmounted before what serves it ends.
alone() {
    exec 8>/run/baremetal-kubeadm.lock
    flock -w 600 8 || fail 'another kubeadm is still running on this host'
}

# What is mounted below $1, deepest first, but for what is the host's own.
unmount_below() {
    below=$(readlink -f -- "$1" 2>/dev/null) || return 0
    mounts_below "$below" >"$BM/.mounts"
    kept_below "$below" >"$BM/.own"
    grep -vxF -f "$BM/.own" "$BM/.mounts" | while IFS= read -r place; do
        timeout 15 umount -- "$place" 2>/dev/null || timeout 5 umount -l -- "$place" 2>"$out" ||
            fail "$place cannot be unmounted: $(cat "$out")"
    done || exit 1
}

# Pods: of namespaces $1 (`all`, or all but those).
end_pods() {
    runtime_answers && have crictl || return 0
    timeout 20 crictl pods -q >"$BM/.pods" 2>/dev/null || return 0
    : >"$BM/.later"
    if [ "$1" != all ]; then
        for space do timeout 20 crictl pods -q --namespace "$space" >>"$BM/.later" 2>/dev/null; done
    fi
    grep -vxF -f "$BM/.later" "$BM/.pods" >"$BM/.ending" || return 0
    # What cannot be ended this way is ended below by other means.
    xargs -n 20 timeout 120 crictl --timeout 60s rmp -f <"$BM/.ending" >/dev/null 2>&1
}

end_containers() {
    if runtime_answers; then
        for task in $(ctr -n k8s.io tasks ls -q 2>/dev/null); do
            timeout 20 ctr -n k8s.io tasks rm -f "$task" >/dev/null 2>&1
        done
        for container in $(ctr -n k8s.io containers ls -q 2>/dev/null); do
            timeout 20 ctr -n k8s.io containers rm "$container" >/dev/null 2>&1
        done
    fi
    # Containers that are hosts of other clusters (kind, k3d, labs) have processes that are seen from here: none of those is ours.
    grep -ls containerd-shim /proc/[0-9]*/cmdline 2>/dev/null | while read -r shim; do
        case $(tr '\0' ' ' <"$shim" 2>/dev/null) in
            *containerd-shim*' -namespace k8s.io '*)
                shim=${shim#/proc/}
                shim=${shim%/cmdline}
                ! of_this_host "$shim" || kill -KILL "$shim" 2>/dev/null
                ;;
        esac
    done
    # Processes of pods whose shim was gone; 0 is somebody outside this host's view.
    pod_groups | while read -r group; do
        find "$group" -type f -name cgroup.procs -exec cat {} + 2>/dev/null | while read -r process; do
            [ "$process" -le 1 ] || kill -KILL "$process" 2>/dev/null
        done
    done
}

# Whether a process sees the processes and the files that we see.
of_this_host() {
    [ "$(readlink "/proc/$1/ns/pid")" = "$(readlink /proc/self/ns/pid)" ] &&
        [ "$(readlink "/proc/$1/ns/mnt")" = "$(readlink /proc/self/ns/mnt)" ]
}

# Groups of this host's pods: the kubelet makes them at the top of each tree; deeper ones are those of hosts within containers.
pod_groups() {
    groups=/sys/fs/cgroup
    if [ -e "$groups/cgroup.controllers" ]; then
        find "$groups" -mindepth 1 -maxdepth 1 -type d -name 'kubepods*'
    else
        find "$groups" -mindepth 2 -maxdepth 2 -type d -name 'kubepods*'
    fi 2>/dev/null
}

touched || exit 0
say 'stop kubelet'
alone
systemctl stop kubelet.service >/dev/null 2>&1
if [ "$(systemctl is-active kubelet.service 2>/dev/null)" = active ]; then fail 'systemctl stop failed'; fi
say 'end pods'
end_pods kube-system longhorn-system
say 'unmount what pods used'
unmount_below /var/lib/kubelet
say 'end what is left of pods'
end_pods all
end_containers
unmount_below /var/lib/kubelet
# The kubelet makes a slice for every pod, and leaves them to systemd when it ends.
systemctl stop 'kubepods*.slice' >/dev/null 2>&1
cat /sys/class/iscsi_session/session*/targetname 2>/dev/null | grep '^iqn\.2019-10\.io\.longhorn' | while read -r target; do
    timeout 20 iscsiadm -m node -T "$target" --logout >/dev/null 2>&1
    timeout 20 iscsiadm -m node -T "$target" -o delete >/dev/null 2>&1
done
exit 0
