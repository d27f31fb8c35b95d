# Takes this host out of service for a while. Arguments: `vip` or `node`, seconds after which systemd puts it back by itself.
what=$1 seconds=$2
static='kube-apiserver kube-controller-manager kube-scheduler etcd'
case $what in
vip) units='keepalived.service' ;;
node)
	units='keepalived.service haproxy.service kubelet.service'
	crictl pods -q >/dev/null || fail "crictl does not work on this host, with which its static pods would be stopped: nothing was stopped"
	;;
esac

running() { crictl pods -q --namespace kube-system --state Ready --name "^$1"; }

# Of an earlier run that was killed.
back
for unit in $units; do
	if systemctl is-active --quiet "$unit"; then printf '%s\n' "$unit"; fi
done >"$list.new"
mv "$list.new" "$list"
if ! [ -s "$list" ]; then
	rm -f "$list"
	fail "none of it runs here: $units"
fi
systemctl reset-failed "$timer.service" "$timer.timer" 2>/dev/null || true
systemd-run --quiet --collect --unit "$timer" --on-active="$seconds" --timer-property=AccuracySec=1s \
	sh -c "systemctl start $(tr '\n' ' ' <"$list"); rm -f $list"
if ! systemctl is-active --quiet "$timer.timer"; then
	rm -f "$list"
	fail "no timer could be set that puts this host back: nothing was stopped"
fi
while read -r unit; do
	run systemctl stop "$unit"
done <"$list"
[ "$what" = node ] || exit 0
# Without the kubelet nobody starts them again.
for name in $static; do
	for pod in $(running "$name"); do
		crictl rmp --force "$pod" >/dev/null
	done
done
for name in $static; do
	[ -z "$(running "$name")" ] || fail "$name still runs"
done
