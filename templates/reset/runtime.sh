# Removes the images and the state of Kubernetes from containerd; all of containerd's state where it came with us and nobody else
# uses it.
# Everything at path $1; what stays mounted in it stays, and is emptied where it was mounted before `up`.
remove_around() {
    real=$(readlink -f -- "$1" 2>/dev/null)
    kept_below "${real%/*}" >"$BM/.around"
    if [ -d "$1" ] && awk -v path="$real/" 'index($0 "/", path) == 1 { found = 1 } END { exit !found }' "$BM/.around"; then
        if grep -qxF -- "$real" "$BM/.around" && ! was mounts "$real"; then return 0; fi
        remove_new "$1"
        return 0
    fi
    try "$1 cannot be removed" rm -rf --one-file-system -- "$1"
}

touched || exit 0
say 'images and snapshots'
if own_runtime && [ -z "$(other_namespaces)" ]; then
    systemctl stop containerd.service >/dev/null 2>&1
    if [ "$(systemctl is-active containerd.service 2>/dev/null)" = active ]; then fail 'systemctl stop containerd failed'; fi
    for directory in "$root" /run/containerd; do
        below=$(readlink -f -- "$directory" 2>/dev/null) || continue
        kept_below "$below" >"$BM/.kept"
        mounts_below "$below" | grep -vxF -f "$BM/.kept" >"$BM/.mounts"
        while IFS= read -r place; do
            timeout 15 umount -- "$place" 2>/dev/null || timeout 5 umount -l -- "$place" 2>"$out" ||
                fail "$place cannot be unmounted: $(cat "$out")"
        done <"$BM/.mounts"
    done
    for directory in "$root" /run/containerd; do
        [ -d "$directory" ] || continue
        say "$directory"
        # What was there before the first `up` stays.
        runtime_files "$directory" >"$BM/.top"
        while IFS= read -r path; do
            was existed "$path" || remove_around "$path"
        done <"$BM/.top"
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
