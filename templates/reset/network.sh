# Removes interfaces, routes, namespaces and rules of the pod network and of kube-proxy. Tables of others are not touched, and
# each table changes in one step: no moment is without the rules that others rely on.
touched || exit 0
say 'virtual servers of kube-proxy'
if [ -e /sys/class/net/kube-ipvs0 ] && have ipvsadm; then
    ip -o addr show dev kube-ipvs0 2>/dev/null | awk '{ print $4 }' | cut -d / -f 1 >"$BM/.services"
    ipvsadm -S -n 2>/dev/null | awk '$1 == "-A" { print $2, $3 }' | while read -r kind service; do
        address=${service%:*}
        address=${address#\[}
        ! grep -qxF -- "${address%\]}" "$BM/.services" || ipvsadm -D "$kind" "$service"
    done
fi
say 'interfaces of pods'
links_left >"$BM/.links"
while read -r link; do
    # Of a pair both ends go with the first.
    ip link del "$link" 2>"$out" || [ ! -e "/sys/class/net/$link" ] || fail "$link cannot be removed: $(cat "$out")"
done <"$BM/.links"
for network in $pods; do
    case $network in *:*) family=-6 ;; *) family=-4 ;; esac
    ip "$family" route flush root "$network" 2>/dev/null
done
if [ -z "$(other_namespaces)" ]; then
    find /run/netns -mindepth 1 -maxdepth 1 2>/dev/null | sed 's|.*/||' | grep -E '^cni-[0-9a-f-]{36}$' | while read -r name; do
        was netns "$name" || ip netns del "$name" 2>/dev/null
    done
fi
say 'rules of kube-proxy and the pod network'
rule_programs >"$BM/.programs"
while read -r program; do
    # Somebody else may change a table between reading and writing: then it is read again.
    for _ in 1 2 3 4 5; do
        "$program-save" 2>/dev/null | without_our_chains >"$BM/.rules"
        [ -s "$BM/.rules" ] || break
        "$program-restore" -w 10 --noflush <"$BM/.rules" >"$out" 2>&1 || "$program-restore" --noflush <"$BM/.rules" >"$out" 2>&1 || sleep 1
    done
done <"$BM/.programs"
if have nft; then
    nft list tables 2>/dev/null | grep -E '^table (ip|ip6|inet) (kube-proxy|flannel-ipv4|flannel-ipv6)$' | while read -r _ family name; do
        nft delete table "$family" "$name" 2>/dev/null
    done
fi
if have ipset; then
    ipset list -n 2>/dev/null | grep -E '^(KUBE-|cali[46]0)' | while read -r set; do ipset destroy "$set" 2>/dev/null; done
fi
left=$(rules_left | head -n 3 | tr '\n' ' ')
[ -z "$left" ] || fail "still there: $left($(head -n 1 "$out"))"
exit 0
