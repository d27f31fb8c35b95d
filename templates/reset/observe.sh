# What of `up` is on this host: `key=value` lines. Reads only.
size() { timeout 10 du -skx -- "$1" 2>/dev/null | cut -f 1; }

if noted; then echo note=whole; elif unnoted; then echo note=none; fi
if touched || [ -d "$var" ]; then echo touched=yes; fi
while IFS= read -r disk; do
    [ ! -d "$disk/replicas" ] || printf 'longhorn=%s %s\n' "$(size "$disk/replicas")" "$disk"
done <"$BM/disks"
if ! touched; then
    echo end=yes
    exit 0
fi
[ "$(systemctl is-active kubelet.service 2>/dev/null)" != active ] || echo kubelet=yes
state_left | while IFS= read -r path; do printf 'state=%s\n' "$path"; done
data_directories | while IFS= read -r path; do
    [ ! -d "$path/member" ] || printf 'etcd=%s\n' "$(size "$path/member")"
done
links_left | sed 's/^/link=/'
rules_left | sed 's/^/rule=/'
if own_runtime; then
    for directory in "$root" /run/containerd; do
        [ -d "$directory" ] || continue
        runtime_files "$directory" | while IFS= read -r path; do
            was existed "$path" || printf 'runtime=%s\n' "$path"
        done
    done
    for space in $(other_namespaces); do printf 'shared-runtime=%s\n' "$space"; done
elif runtime_answers; then
    [ -z "$(ctr -n k8s.io images ls -q 2>/dev/null | head -n 1)" ] || echo runtime=images
fi
if runtime_answers; then
    [ -z "$(ctr -n k8s.io containers ls -q 2>/dev/null | head -n 1)" ] || echo pods=yes
fi
if [ -s "$before/packages" ]; then
    installed=$({ dpkg-query -W -f='${db:Status-Status} ${Package}\n' || rpm -qa --qf 'installed %{NAME}\n'; } 2>/dev/null | sed -n 's/^installed //p')
    printf '%s\n' "$installed" | grep -xF -f "$before/packages" | sort -u | sed 's/^/package=/'
fi
echo end=yes
