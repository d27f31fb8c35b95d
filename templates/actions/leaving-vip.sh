# On the host that leaves: the virtual IP goes to another holder, at once and announced. Argument: virtual IP.
vip=$1
holds() { ip -o addr show | grep -qF " $vip/"; }
free() { ! holds; }

if ! systemctl is-active --quiet keepalived.service; then
	say "keepalived does not run here"
	exit 0
fi
run systemctl stop keepalived.service
within 15 free || fail "$vip is still on this host although keepalived has ended: ip addr"
