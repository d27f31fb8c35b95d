# Removes what makes this host a member: kubeadm's files, etcd's data, the kubelet's directory. What was there before comes back.

# Asked for by a flag of its own, so that it goes from a host that an earlier reset has left as well.
longhorns_data() {
    case $also in *' longhorn '*) ;; *) return 0 ;; esac
    while IFS= read -r disk; do
        [ -d "$disk" ] || continue
        say "Longhorn's data in $disk"
        for name in replicas engine-binaries unix-domain-socket longhorn-disk.cfg backing-images; do
            try 'cannot be removed' rm -rf --one-file-system -- "${disk:?}/$name"
        done
        was existed "$disk" || rmdir -- "$disk" 2>/dev/null
    done <"$BM/disks"
}

touched || {
    longhorns_data
    exit 0
}
[ "$(systemctl is-active kubelet.service 2>/dev/null)" != active ] || fail 'the kubelet runs again; who started it?'

# While the manifest still says where they are.
data_directories >"$BM/.data"
while IFS= read -r path; do
    [ -d "$path/member" ] || continue
    say "$path"
    remove_new "$path/member"
done <"$BM/.data"
say 'files of kubeadm and the pod network'
state_left >"$BM/.left"
while IFS= read -r path; do
    # Directories follow; where one is a link, that stays.
    [ ! -d "$path" ] || continue
    rm -f -- "$path" 2>"$out" || fail "$(cat "$out")"
done <"$BM/.left"
for directory in pki/etcd pki manifests; do
    rmdir -- "$kubernetes/$directory" 2>/dev/null
done
put_back "$kubernetes/pki/"
while IFS= read -r path; do
    [ -d "$path" ] || continue
    say "$path"
    remove_new "$path"
done <"$BM/.left"
while IFS= read -r path; do
    was existed "$path" || rmdir -- "$path" 2>/dev/null
done <"$BM/.data"
longhorns_data
state_left >"$BM/.left"
[ ! -s "$BM/.left" ] || fail "still there: $(head -n 5 "$BM/.left" | tr '\n' ' ')"
exit 0
