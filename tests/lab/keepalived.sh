# keepalived with one peer: VIP, own address, peer's address, priority.
set -eu
DEBIAN_FRONTEND=noninteractive apt-get -qq -y install keepalived >/dev/null 2>&1
cat > /etc/keepalived/keepalived.conf <<CONFIG
vrrp_instance api {
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority $4
    advert_int 1
    unicast_src_ip $2
    unicast_peer { $3 }
    virtual_ipaddress { $1/24 }
}
CONFIG
systemctl restart keepalived
systemctl is-active keepalived
