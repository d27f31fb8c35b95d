#!/bin/sh
# First process of a lab host: makes the container look like a machine of its own, then becomes systemd.
set -eu

# Without `privileged` the engine mounts these read-only. systemd needs them writable before it starts.
mount -o remount,bind,rw /sys 2>/dev/null || true
awk '$5 ~ "^/sys/fs/cgroup" { print $5 }' /proc/self/mountinfo | sort -u | while read -r directory; do
    mount -o remount,bind,rw "$directory"
done
# Mount propagation, as kubelet and volume plugins need it and every real machine has it.
mount --make-rshared /

# A machine's identity is made once and kept for the life of the container.
if [ ! -s /etc/machine-id ]; then
    tr -d - < /proc/sys/kernel/random/uuid > /etc/machine-id
    cat /proc/sys/kernel/random/uuid > /etc/baremetal-lab-uuid
    ssh-keygen -q -t ed25519 -N '' -C '' -f /etc/ssh/ssh_host_ed25519_key
fi
# Containers of one machine share its DMI data; kubeadm wants product UUIDs that differ.
for file in /sys/class/dmi/id/product_uuid /sys/devices/virtual/dmi/id/product_uuid; do
    if [ -e "$file" ]; then mount --bind /etc/baremetal-lab-uuid "$file"; fi
done

# The engine's own name server listens on loopback, where pods do not see it. In place: the file is a bind mount.
if [ -n "${LAB_NAME_SERVERS:-}" ]; then
    # shellcheck disable=SC2086 # a list of addresses
    { printf 'nameserver %s\n' $LAB_NAME_SERVERS; echo 'options timeout:2 attempts:1'; } > /etc/resolv.conf
fi

# Every host's systemd, containerd and kubelet draw on one limit of the machine; its default of 128 is too low for a few hosts.
limit=/proc/sys/fs/inotify/max_user_instances
if [ "$(cat "$limit")" -lt 8192 ]; then echo 8192 > "$limit"; fi

if [ -n "${LAB_KEY:-}" ]; then
    for user in root ops operator; do
        home=$(getent passwd "$user" | cut -d: -f6)
        [ -n "$home" ] || continue
        install -d -m 0700 "$home/.ssh"
        printf '%s\n' "$LAB_KEY" > "$home/.ssh/authorized_keys"
        chmod 0600 "$home/.ssh/authorized_keys"
        chown -R "$user:" "$home/.ssh"
    done
fi

exec env -i container=docker PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd
