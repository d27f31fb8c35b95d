# Removes the images and the state of Kubernetes from containerd; all of containerd's state where it came with us and nobody else
# uses it.
touched || exit 0
say 'images and snapshots'
if own_runtime && [ -z "$(other_namespaces)" ]; then
    systemctl stop containerd.service >/dev/null 2>&1
    if [ "$(systemctl is-active containerd.service 2>/dev/null)" = active ]; then fail 'systemctl stop containerd failed'; fi
    awk -v a="$root/" -v b=/run/containerd/ 'index($2, a) == 1 || index($2, b) == 1 { print $2 }' /proc/self/mounts | sort -r >"$BM/.mounts"
    while read -r place; do
        timeout 15 umount -- "$place" 2>/dev/null || timeout 5 umount -l -- "$place" 2>"$out" ||
            fail "$place cannot be unmounted: $(cat "$out")"
    done <"$BM/.mounts"
    for directory in "$root" /run/containerd; do
        [ -d "$directory" ] || continue
        say "$directory"
        # What was there before the first `up` stays.
        find "$directory" -mindepth 1 -maxdepth 1 >"$BM/.new" 2>/dev/null
        while IFS= read -r path; do
            was existed "$path" || try "$path cannot be removed" rm -rf --one-file-system -- "$path"
        done <"$BM/.new"
        was existed "$directory" || rmdir -- "$directory" 2>/dev/null
    done
    # Made empty by containerd at its start.
    if noted && ! was existed /opt/containerd; then
        rmdir -- /opt/containerd/bin /opt/containerd/lib /opt/containerd 2>/dev/null
    fi
elif runtime_answers; then
    ctr -n k8s.io leases ls -q 2>/dev/null | xargs -r -n 50 ctr -n k8s.io leases rm >/dev/null 2>&1
    ctr -n k8s.io images ls -q 2>/dev/null | xargs -r -n 50 ctr -n k8s.io images rm --sync >"$out" 2>&1 ||
        fail "images cannot be removed: $(tail -n 1 "$out")"
fi
exit 0
